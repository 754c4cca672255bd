"""The command line, as an operator types it: in real processes or inside this one, what it says, how it refuses."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from app import terminal
from app.cli import run
from tests import serving

Command = Callable[..., subprocess.CompletedProcess[str]]


def one_window(
    *arguments: str, database: str | None = None, **settings: str | None
) -> subprocess.CompletedProcess[str]:
    environment = {name: setting for name, setting in os.environ.items() if not name.startswith("ONE_WINDOW_")}
    environment |= {"COLUMNS": "200", "NO_COLOR": "1", "ONE_WINDOW_SECRET": serving.SECRET}
    environment["ONE_WINDOW_MASTER_KEYS"] = serving.MASTER_KEY
    environment["ONE_WINDOW_ALLOWED_NETWORKS"] = serving.LOOPBACK
    for name, setting in settings.items():
        environment.pop(f"ONE_WINDOW_{name.upper()}", None)
        environment |= {} if setting is None else {f"ONE_WINDOW_{name.upper()}": setting}
    if database is not None:
        environment["ONE_WINDOW_DATABASE_URL"] = database
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def one_window_here(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    """The same entry point inside this process, where there are many commands to try and a start takes seconds."""
    out, err = io.StringIO(), io.StringIO()
    settings = {"ONE_WINDOW_DATABASE_URL": database, "ONE_WINDOW_SECRET": serving.SECRET, "COLUMNS": "200"}
    settings["ONE_WINDOW_ALLOWED_NETWORKS"] = serving.LOOPBACK
    terminal.out.width = terminal.err.width = 200  # they looked for COLUMNS when they were made
    with (
        mock.patch.dict(os.environ, settings),
        mock.patch.object(sys, "argv", ["one-window", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        run()
    code = int(ended.value.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def said(*arguments: str, database: str, command: Command = one_window_here) -> str:
    """What a command that works prints."""
    done = command(*arguments, database=database)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a command that was refused."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    sentence = " ".join(done.stderr.split())
    assert "Traceback" not in sentence
    assert 10 < len(sentence) < 400
    return sentence


def side_by_side(*calls: Callable[[], subprocess.CompletedProcess[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Each call is a process, and most of its time is its start."""
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda call: call(), calls))

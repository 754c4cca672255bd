"""The command line, as an operator types it: real processes, what they say, and how they refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests import serving


def one_window(*arguments: str, database: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: setting for name, setting in os.environ.items() if not name.startswith("ONE_WINDOW_")}
    environment |= {"COLUMNS": "200", "NO_COLOR": "1", "ONE_WINDOW_SECRET": serving.SECRET}
    environment |= {f"ONE_WINDOW_{name.upper()}": setting for name, setting in settings.items()}
    if database is not None:
        environment["ONE_WINDOW_DATABASE_URL"] = database
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def said(*arguments: str, database: str) -> str:
    """What a command that works prints."""
    done = one_window(*arguments, database=database)
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

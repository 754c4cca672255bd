"""one-window conformance: a department's endpoint is tried, case by case; one-window samples: the signed sample set."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_endpoints import tls_files
from app.terminal import out

if TYPE_CHECKING:
    from app.conformance.case import Result


def conformance(
    endpoint: Annotated[str, typer.Argument(help="The department's address, such as https://their-endpoint/path.")],
    secret: Annotated[str, typer.Option(help="Its signing secret (whsec_…); - reads it from standard input.")],
    next_secret: Annotated[
        str | None, typer.Option(help="A second secret that it accepts, to try a change of secrets.")
    ] = None,
    callbacks: Annotated[
        bool, typer.Option("--callbacks", help="Try its callbacks too: it must report by itself.")
    ] = False,
    listen: Annotated[str, typer.Option(help="HOST:PORT where callbacks are heard.")] = "127.0.0.1:8090",
    public_url: Annotated[
        str | None, typer.Option(help="How the department reaches that address; default: http://HOST:PORT.")
    ] = None,
    within: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds that an answer may take.")] = 20,
    wait: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds to wait for a callback.")] = 30,
    ca: Annotated[Path | None, typer.Option(help="PEM file: the private authority that the endpoint is of.")] = None,
    client_certificate: Annotated[Path | None, typer.Option(help="PEM file: the client certificate to show.")] = None,
    client_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write the report as JUnit XML.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
) -> None:
    """Play numbered cases against a department's endpoint, and say what to do about each that fails.

    Exits with 1 if a case fails. Only invented people are sent. Use a test system: with --callbacks it is made to
    work on handoffs that do not exist.
    """

    from app.conformance.bench import Plan
    from app.conformance.page import page
    from app.conformance.player import WrongPlanError, play
    from app.conformance.report import junit, summary

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise WrongPlanError("--listen: write HOST:PORT, such as 127.0.0.1:8090.")
    for file in (junit_file, html_file):
        if file is not None and not file.absolute().parent.is_dir():
            raise WrongPlanError(f"There is no folder for {file}.")
    plan = Plan(
        endpoint=endpoint,
        secret=sys.stdin.readline().strip() if secret == "-" else secret,  # noqa: S105
        next_secret=next_secret,
        callbacks=callbacks,
        listen=(host, int(port)),
        public_url=public_url,
        within=within,
        wait=wait,
        tls=tls_files(ca, client_certificate, client_key),
    )
    report = asyncio.run(play(plan, _show))
    out.print(summary(report), markup=False, highlight=False, soft_wrap=True)
    if junit_file:
        junit_file.write_bytes(junit(report))
    if html_file:
        html_file.write_text(page(report), encoding="utf-8")
    if report.failed:
        raise typer.Exit(1)


def samples(folder: Annotated[Path, typer.Argument(help="Where to write them.")] = Path("openapi/examples")) -> None:
    """Write the signed sample messages: a fixed secret, fixed ids and times, for tests of a department's verification."""

    from app.conformance.samples import sample_set

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sample_set().items():
        (folder / name).write_bytes(content)
    out.print(f"{len(sample_set())} samples in {folder}.", markup=False)


def _show(result: Result) -> None:
    from app.conformance.case import Outcome

    style = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "dim"}[result.outcome]
    from app.conformance.case import Outcome
    from app.conformance.report import lines

    style = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "dim"}[result.outcome]
    for line in lines(result):
        out.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

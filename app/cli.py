"""The command line: `one-window --help`.

A command imports what it needs when it is called, so that none waits for what others need.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_agencies import agencies_app
from app.cli_audit import audit_app
from app.cli_calendar import calendar_app
from app.cli_conference import conference_app
from app.cli_conformance import conformance, samples
from app.cli_deliveries import deliveries_app
from app.cli_emergencies import emergencies_app
from app.cli_kiosks import kiosks_app
from app.cli_proof import proof
from app.cli_readings import readings_app
from app.cli_retention import retention_app
from app.cli_routing import routing_app
from app.cli_staff import staff_app
from app.cli_subscriptions import subscriptions_app
from app.refusals import RefusedError
from app.roles import KeyRole
from app.terminal import DatabaseOption, err, minute, out, with_database, working

if TYPE_CHECKING:
    from app.db import Database

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="One Window 一门受理、协同办理: takes a request for help in once, routes it to every agency concerned, "
    "delivers, tracks, and does not rest until the person has an answer.\n\n"
    "First time: `one-window demo`. To run it: `migrate`, `seed --county 360803`, `keys create`, `serve`. "
    "Settings are environment variables that begin with ONE_WINDOW_ (docs/operating.md).",
)
keys_app = typer.Typer(no_args_is_help=True, help="Keys of the machines that call the API.")
app.command()(conformance)
app.command()(samples)
app.add_typer(routing_app, name="routing")
app.add_typer(keys_app, name="keys")
app.add_typer(agencies_app, name="agencies")
app.add_typer(calendar_app, name="calendar")
app.add_typer(deliveries_app, name="deliveries")
app.add_typer(conference_app, name="conference")
app.command()(proof)
app.add_typer(audit_app, name="audit")
app.add_typer(emergencies_app, name="emergencies")
app.add_typer(kiosks_app, name="kiosks")
app.add_typer(readings_app, name="readings")
app.add_typer(retention_app, name="retention")
app.add_typer(subscriptions_app, name="subscriptions")
app.add_typer(staff_app, name="staff")


def run() -> None:
    """The entry point: every expected failure is one sentence on stderr and an exit code of 1."""
    try:
        app()
    except RefusedError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def serve(
    database: DatabaseOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes; more than one wants PostgreSQL.")] = 1,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Deliver nothing here; `one-window worker` does.")
    ] = False,
) -> None:
    """Serve the API, and deliver, in one process.

    The database must have been migrated (`one-window migrate`). SIGTERM stops: no new work, what is in hand is
    finished within ONE_WINDOW_STOP_SECONDS.
    """
    import uvicorn

    from app import logs
    from app.api.connections import server_options
    from app.config import PREFIX, load_settings
    from app.operation import must_open

    settings = load_settings(database_url=database, host=host, port=port, embedded_worker=False if no_worker else None)
    settings.secret_bytes()
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(must_open(settings))
    # The server makes the application itself, in each of its processes: it reads the settings from the environment.
    os.environ[f"{PREFIX}DATABASE_URL"] = settings.database_url
    os.environ[f"{PREFIX}EMBEDDED_WORKER"] = str(settings.embedded_worker).lower()
    with contextlib.ExitStack() as stack:
        if workers > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="one-window-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        else:
            gc.disable()  # what this process imports stays: the application turns it on when it is there
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            **server_options(settings),
        )


@app.command()
def worker(database: DatabaseOption = None) -> None:
    """Deliver what is due, urge who is late, follow who does not sign in: the second process, as many beside each other as you
    like.

    ONE_WINDOW_METRICS_PORT opens its own /metrics on loopback.
    """
    import uvloop

    from app import logs
    from app.config import load_settings
    from app.operation import must_open
    from app.process import run_worker

    settings = load_settings(database_url=database)
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(must_open(settings))
    uvloop.run(run_worker(settings))


@app.command()
def migrate(database: DatabaseOption = None) -> None:
    """Bring the database to the newest revision. Safe to repeat, and from several machines at once."""

    from app import migrating

    async def work(opened: Database) -> None:
        with working("Migrating …"):
            await migrating.migrate(opened)

    with_database(database, work)
    out.print("The database is at the newest revision.")


@app.command()
def seed(
    database: DatabaseOption = None,
    county: Annotated[
        str | None,
        typer.Option(
            help="Also load the agencies of a county (its six digits, such as 360803), or of every one (all)."
        ),
    ] = None,
) -> None:
    """Fill what is empty: divisions, departments, need catalogue, routing tables, working days, aid rules, texts of
    consent, periods of retention, agencies.

    What is there already stays as it is. The agencies' telephone numbers are placeholders, and so are the names of
    those outside 青原区: replace them.
    """

    from rich.progress import Progress, SpinnerColumn, TextColumn

    from app import seed as seeding
    from app.config import WrongSettingError

    async def work(opened: Database) -> None:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=err, transient=True) as progress:
            task = progress.add_task("Loading …")
            async with opened.writing() as connection:
                await seeding.seed(
                    connection, county, lambda what, rows: progress.update(task, description=f"{what}: {rows} rows")
                )

    try:
        with_database(database, work)
    except ValueError as error:
        raise WrongSettingError(f"--county: {error}.") from None
    out.print("Seeded.")


@app.command()
def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Where to put the database; default: a temporary folder, removed at the end.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up when the requests are closed; Ctrl-C ends it.")] = False,
) -> None:
    """See the whole way once, on this machine: a real service, simulated departments, real HTTP, real signatures.

    Sends the Qingyuan (青原区) family's request and two others, prints their timelines as they happen, and ends when
    all of them are closed. Exits with 1 and says what did not happen if they are not.
    """
    import uvloop

    from app.demo.run import run_demo

    uvloop.run(run_demo(folder, keep, out))


@app.command()
def openapi(
    check: Annotated[Path | None, typer.Option(help="Compare with this file; exit with 1 if it differs.")] = None,
) -> None:
    """Print the OpenAPI 3.1 document."""
    from app.config import Settings, WrongSettingError
    from app.main import create_app

    document = create_app(Settings(secret="0" * 32)).openapi()
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if check is None:
        typer.echo(text, nl=False)
    elif not check.exists() or check.read_text(encoding="utf-8") != text:
        raise WrongSettingError(f"{check} is not current; write it anew: one-window openapi > {check}")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for; unique.")],
    role: Annotated[KeyRole, typer.Option(help="What it may do.")],
    agency: Annotated[str | None, typer.Option(help="The agency of a key with the role agency.")] = None,
    division: Annotated[
        str | None, typer.Option(help="Its jurisdiction, with every place in it; without it, everywhere.")
    ] = None,
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", help="Only this of what its role may do; may be repeated.")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Only from this network (CIDR); may be repeated.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Who holds it; nobody holds two of admin, security and auditor.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="The key ends after so many days.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Make a key and print it, this once."""

    from app import keys as key_verbs

    async def work(opened: Database) -> str:
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        async with opened.writing() as connection:
            _, key = await key_verbs.create(
                connection,
                name,
                role,
                agency,
                expires_at,
                division_code=division,
                scopes=scopes or None,
                networks=networks or (),
                owner=owner,
            )
        return key

    typer.echo(with_database(database, work))


@keys_app.command("replace")
def keys_replace(
    name: Annotated[str, typer.Argument(help="The key that is to be replaced.")],
    new_name: Annotated[str, typer.Argument(help="The name of the new one; unique.")],
    hours: Annotated[int, typer.Option(min=0, max=8760, help="The old one still works for so long.")] = 24,
    database: DatabaseOption = None,
) -> None:
    """Make a key in place of another and print it, this once: it may do the same, and sees what the other took in."""

    from app import keys as key_verbs

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            ends_at = datetime.now(UTC) + timedelta(hours=hours)
            return (await key_verbs.replace(connection, name, new_name, ends_at))[1]

    typer.echo(with_database(database, work))


@keys_app.command("rotate")
def keys_rotate(
    rewrap_only: Annotated[
        bool, typer.Option("--rewrap-only", help="Make no new master key: every process has the new one first already.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Put a new master key before the others of its file, and wrap every data key with it.

    The service may run meanwhile. Stopped in the middle it is begun again with --rewrap-only. The old master key stays in
    the file for as long as backups need it.
    """
    from rich.progress import Progress

    from app import master_keys, rotation

    async def work(opened: Database) -> tuple[int, dict[str, int]]:
        if not rewrap_only:
            opened.vault.masters.put_first(master_keys.fresh())
            await asyncio.sleep(2 * master_keys.LOOK_AGAIN_SECONDS)  # until every process has seen it
        done = 0
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("Wrapping …", total=await rotation.count(opened))
            async for looked_at, rewrapped in rotation.rewrap_all(opened):
                done += rewrapped
                progress.advance(task, looked_at)
        current = opened.vault.masters.current()[0]
        wrapped = await rotation.by_master(opened)
        return done, {each.hex(): number for each, number in wrapped.items() if each != current}

    done, others = with_database(database, work)
    out.print(f"{done} data keys were wrapped with the current master key.")
    if others:
        told = ", ".join(f"{number} by {name}" for name, number in sorted(others.items()))
        raise RefusedError(
            f"Other master keys still wrap some: {told}. A process may have another one first: put the new one "
            "first for every process, then `one-window keys rotate --rewrap-only`."
        )
    out.print("No other wraps any.")


@keys_app.command("list")
def keys_list(database: DatabaseOption = None) -> None:
    """Show the keys: names and rights, never the keys."""

    from rich.table import Column, Table
    from sqlalchemy import select

    from app import keys as key_verbs
    from app.tables import api_key

    async def work(opened: Database) -> Any:
        of_machines = select(api_key).where(key_verbs.OF_MACHINES).order_by(api_key.c.created_at)
        async with opened.reading() as connection:
            return (await connection.execute(of_machines)).mappings().all()

    whole = (Column(name, no_wrap=True) for name in ("name", "role", "of"))
    table = Table(*whole, "narrowed to", "owner", "created", "expires", "revoked", "last used")
    for row in with_database(database, work):
        of = row["agency_code"] or row["division_code"] or ""
        narrowed = " ".join([*(row["scopes"] or ()), *(row["networks"] or ())])
        moments = (minute(row[name]) for name in ("created_at", "expires_at", "revoked_at", "last_used_at"))
        table.add_row(row["name"], row["role"], of, narrowed, row["owner"] or "", *moments)
    out.print(table)


@keys_app.command("revoke")
def keys_revoke(name: str, database: DatabaseOption = None) -> None:
    """End a key. Every process refuses it within ONE_WINDOW_REFRESH_SECONDS."""

    from app import keys as key_verbs

    async def work(opened: Database) -> bool:
        async with opened.writing() as connection:
            return await key_verbs.revoke(connection, name)

    if not with_database(database, work):
        raise key_verbs.WrongKeyError(f"There is no key named {name} in force; `one-window keys list` shows them.")
    out.print(f"Revoked {name}.", markup=False)

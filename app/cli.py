"""The command line: `one-window --help`."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
import uvloop
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Column, Table
from sqlalchemy import select

from app import agencies as agency_verbs
from app import keys as key_verbs
from app import logs, process
from app import seed as seeding
from app.cli_routing import RoutingRefusedError, routing_app
from app.cli_subscriptions import subscriptions_app
from app.config import PREFIX, Settings, WrongSettingError, load_settings
from app.db import Database
from app.delivery.addresses import AllowList, Endpoint, WrongEndpointError
from app.demo.run import DemoFailedError, run_demo
from app.keys import KeyRole
from app.main import create_app
from app.migrating import migrate as migrate_database
from app.tables import api_key
from app.terminal import DatabaseOption, RefusedError, err, minute, out, run_async, with_database, working

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
agencies_app = typer.Typer(no_args_is_help=True, help="The agencies that handoffs go to.")
app.add_typer(routing_app, name="routing")
app.add_typer(keys_app, name="keys")
app.add_typer(agencies_app, name="agencies")
app.add_typer(subscriptions_app, name="subscriptions")


def run() -> None:
    """The entry point: every expected failure is one sentence on stderr and an exit code of 1."""
    try:
        app()
    except (
        WrongSettingError,
        agency_verbs.WrongAgencyError,
        WrongEndpointError,
        key_verbs.WrongKeyError,
        DemoFailedError,
        RoutingRefusedError,
        RefusedError,
    ) as error:
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
    settings = load_settings(database_url=database, host=host, port=port, embedded_worker=False if no_worker else None)
    settings.secret_bytes()
    logs.configure(settings.log_format, settings.log_level)
    # The server makes the application itself, in each of its processes: it reads the settings from the environment.
    os.environ[f"{PREFIX}DATABASE_URL"] = settings.database_url
    os.environ[f"{PREFIX}EMBEDDED_WORKER"] = str(settings.embedded_worker).lower()
    with contextlib.ExitStack() as stack:
        if workers > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="one-window-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(settings.stop_seconds * 0.3)),  # the rest is the worker's
            timeout_keep_alive=30,
        )


@app.command()
def worker(database: DatabaseOption = None) -> None:
    """Deliver what is due: the second process, as many beside each other as you like.

    ONE_WINDOW_METRICS_PORT opens its own /metrics on loopback.
    """
    settings = load_settings(database_url=database)
    logs.configure(settings.log_format, settings.log_level)
    uvloop.run(process.run_worker(settings))


@app.command()
def migrate(database: DatabaseOption = None) -> None:
    """Bring the database to the newest revision. Safe to repeat, and from several machines at once."""

    async def work(opened: Database) -> None:
        with working("Migrating …"):
            await migrate_database(opened)

    with_database(database, work)
    out.print("The database is at the newest revision.")


@app.command()
def seed(
    database: DatabaseOption = None,
    county: Annotated[
        str | None,
        typer.Option(
            help="Also load the agencies of a county (its six digits, such as 360803), or of every one "
            f"({seeding.WHOLE_PROVINCE})."
        ),
    ] = None,
) -> None:
    """Fill what is empty: divisions, departments, need catalogue, routing tables, working days, agencies.

    What is there already stays as it is. The agencies' telephone numbers are placeholders, and so are the names of
    those outside 青原区: replace them.
    """

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
    uvloop.run(run_demo(folder, keep, out))


@app.command()
def openapi(
    check: Annotated[Path | None, typer.Option(help="Compare with this file; exit with 1 if it differs.")] = None,
) -> None:
    """Print the OpenAPI 3.1 document."""
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
    days: Annotated[int | None, typer.Option(min=1, help="The key ends after so many days.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Make a key and print it, this once."""

    async def work(opened: Database) -> str:
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        async with opened.writing() as connection:
            return (await key_verbs.create(connection, name, role, agency, expires_at))[1]

    typer.echo(with_database(database, work))


@keys_app.command("list")
def keys_list(database: DatabaseOption = None) -> None:
    """Show the keys: names and rights, never the keys."""

    async def work(opened: Database) -> Any:
        async with opened.reading() as connection:
            return (await connection.execute(select(api_key).order_by(api_key.c.created_at))).mappings().all()

    table = Table("name", "role", "agency", "created", "expires", "revoked")
    for row in with_database(database, work):
        moments = (row["created_at"], row["expires_at"], row["revoked_at"])
        table.add_row(row["name"], row["role"], row["agency_code"] or "", *(minute(each) for each in moments))
    out.print(table)


@keys_app.command("revoke")
def keys_revoke(name: str, database: DatabaseOption = None) -> None:
    """End a key. Every process refuses it within ONE_WINDOW_REFRESH_SECONDS."""

    async def work(opened: Database) -> bool:
        async with opened.writing() as connection:
            return await key_verbs.revoke(connection, name)

    if not with_database(database, work):
        raise key_verbs.WrongKeyError(f"There is no key named {name} in force; `one-window keys list` shows them.")
    out.print(f"Revoked {name}.", markup=False)


@agencies_app.command("add")
def agencies_add(
    code: str,
    department: Annotated[str, typer.Option(help="Department code, such as county_housing.")],
    division: Annotated[str, typer.Option(help="Statistical code of its jurisdiction, such as 360803.")],
    name_zh: Annotated[str, typer.Option(help="Its name in Chinese.")],
    name_en: Annotated[str, typer.Option(help="Its name in English.")],
    phone: Annotated[str | None, typer.Option(help="For when a machine is down.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Where messages are sent; without one it reads its inbox.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Add an agency. With an endpoint, its signing secret is printed, this once."""
    checked = _checked(endpoint, database) if endpoint is not None else None

    async def work(opened: Database) -> str | None:
        async with opened.writing() as connection:
            return await agency_verbs.add(
                connection,
                code=code,
                department_code=department,
                division_code=division,
                name_zh=name_zh,
                name_en=name_en,
                phone=phone,
                endpoint=checked,
            )

    secret = with_database(database, work)
    typer.echo(secret if secret else f"Added {code}; it reads its inbox.")


@agencies_app.command("list")
def agencies_list(database: DatabaseOption = None) -> None:
    """Show the agencies."""

    async def work(opened: Database) -> list[dict[str, Any]]:
        async with opened.reading() as connection:
            return await agency_verbs.listed(connection)

    table = Table(
        *(Column(name, overflow="fold") for name in ("code", "department", "division", "name", "phone", "endpoint"))
    )
    for row in with_database(database, work):
        shown = (row["code"], row["department"], row["division_code"], row["name_zh"], row["phone"], row["endpoint"])
        table.add_row(*(text or "" for text in shown))
    out.print(table)


@agencies_app.command("endpoint")
def agencies_endpoint(code: str, endpoint: str, database: DatabaseOption = None) -> None:
    """Give an agency an endpoint; its new signing secret is printed, this once."""
    checked = _checked(endpoint, database)

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            return await agency_verbs.set_endpoint(connection, code, checked)

    typer.echo(with_database(database, work))


def _checked(endpoint: str, database: str | None) -> Endpoint:
    allowed = AllowList(load_settings(database_url=database).allowed_networks)
    checked: Endpoint = run_async(agency_verbs.check_endpoint(endpoint, allowed))
    return checked


@agencies_app.command("suspend")
def agencies_suspend(code: str, database: DatabaseOption = None) -> None:
    """Take an agency out of use: it gets nothing new, what it has stays. The routing table in force may want a check."""
    _set_active(code, False, database)
    out.print(f"Suspended {code}; `one-window routing check` shows whether somebody is missing now.", markup=False)


@agencies_app.command("resume")
def agencies_resume(code: str, database: DatabaseOption = None) -> None:
    """Take a suspended agency back."""
    _set_active(code, True, database)
    out.print(f"Resumed {code}.", markup=False)


def _set_active(code: str, active: bool, database: str | None) -> None:
    async def work(opened: Database) -> None:
        async with opened.writing() as connection:
            await agency_verbs.set_active(connection, code, active)

    with_database(database, work)


@agencies_app.command("rotate-secret")
def agencies_rotate_secret(
    code: str,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the old secret still counts.")] = 24,
    database: DatabaseOption = None,
) -> None:
    """Make a new signing secret and print it, this once. Until the overlap ends both sign, and both are accepted."""

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            return await agency_verbs.rotate_secret(connection, code, timedelta(hours=overlap_hours))

    typer.echo(with_database(database, work))

"""one-window agencies: added, shown, set, tried, taken out of use and back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_endpoints import CaOption, CertificateOption, KeyOption, NoTlsOption, show_ping, tls_files
from app.receivers import DeliveryMode
from app.terminal import DatabaseOption, asked_of_office, minute, out, run_async, with_database

if TYPE_CHECKING:
    from app.db import Database
    from app.delivery.addresses import Endpoint
    from app.office import Office

agencies_app = typer.Typer(no_args_is_help=True, help="The agencies that handoffs go to, and their endpoints.")


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
    from app import agencies as agency_verbs

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
    from rich.table import Column, Table

    from app import agencies as agency_verbs

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
    from app import agencies as agency_verbs

    checked = _checked(endpoint, database)

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            return await agency_verbs.set_endpoint(connection, code, checked)

    typer.echo(with_database(database, work))


@agencies_app.command("suspend")
def agencies_suspend(code: str, database: DatabaseOption = None) -> None:
    """Take an agency out of use: it gets nothing new, what it has stays. The routing table in force may want a check."""
    _change(code, {"active": False}, database)
    out.print(f"Suspended {code}; `one-window routing check` shows whether somebody is missing now.", markup=False)


@agencies_app.command("resume")
def agencies_resume(code: str, database: DatabaseOption = None) -> None:
    """Take a suspended agency back."""
    _change(code, {"active": True}, database)
    out.print(f"Resumed {code}.", markup=False)


@agencies_app.command("set")
def agencies_set(
    code: str,
    name_zh: Annotated[str | None, typer.Option(help="Its name in Chinese.")] = None,
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    phone: Annotated[str | None, typer.Option(help="For when a machine is down; '' for none.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Where messages are sent; its secret stays. '' for none: it reads its inbox.")
    ] = None,
    mode: Annotated[
        DeliveryMode | None, typer.Option(help="full: with what is disclosed; reference: ids alone; pull: none.")
    ] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(min=0, max=200, help="Messages in flight per worker; 0: the settings'.")
    ] = None,
    per_second: Annotated[
        int | None, typer.Option(min=0, max=1000, help="Messages a second per worker; 0: no limit.")
    ] = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    no_tls: NoTlsOption = False,
    database: DatabaseOption = None,
) -> None:
    """Change an agency: what is not named stays. TLS files replace those that were there, all three.

    Prints a signing secret, this once, only if it has an endpoint now and had no secret.
    """
    from app.agencies import WrongAgencyError

    texts = {"name_zh": name_zh, "name_en": name_en, "delivery_mode": mode.value if mode else None}
    changes: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    emptied = {"phone": phone, "endpoint": endpoint, "max_in_flight": max_in_flight, "per_second": per_second}
    changes |= {name: given or None for name, given in emptied.items() if given is not None}
    if endpoint:
        _checked(endpoint, database)
    if ca or certificate or key or no_tls:
        changes["tls"] = None if no_tls else tls_files(ca, certificate, key)
    if not changes:
        raise WrongAgencyError("Name something to change; `one-window agencies set --help` lists what can be.")
    secret = _change(code, changes, database)
    typer.echo(secret or f"Changed {code}.")


def _checked(endpoint: str, database: str | None) -> Endpoint:
    from app import agencies as agency_verbs
    from app.config import load_settings
    from app.delivery.addresses import AllowList

    allowed = AllowList(load_settings(database_url=database).allowed_networks)
    checked: Endpoint = run_async(agency_verbs.check_endpoint(endpoint, allowed))
    return checked


def _change(code: str, changes: dict[str, Any], database: str | None) -> str | None:
    from app import agencies as agency_verbs

    async def work(opened: Database) -> str | None:
        async with opened.writing() as connection:
            return await agency_verbs.change(connection, code, changes)

    secret: str | None = with_database(database, work)
    return secret


@agencies_app.command("rotate-secret")
def agencies_rotate_secret(
    code: str,
    overlap_hours: Annotated[int, typer.Option(min=0, max=720, help="How long the old secret still counts.")] = 24,
    database: DatabaseOption = None,
) -> None:
    """Make a new signing secret and print it, this once. Until the overlap ends both sign, and both are accepted."""
    from app import agencies as agency_verbs

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            return await agency_verbs.rotate_secret(connection, code, timedelta(hours=overlap_hours))

    typer.echo(with_database(database, work))


@agencies_app.command("show")
def agencies_show(code: str, database: DatabaseOption = None) -> None:
    """Show an agency, how it is sent to, how its endpoint fares, what waits for it. Of its secrets only the ages."""
    from rich.table import Table

    from app import endpoints

    async def work(office: Office) -> dict[str, Any]:
        return (await endpoints.one(office, code, place=None))[0]

    seen = asked_of_office(database, work)
    state, tls = seen.pop("state"), seen.pop("tls")
    secrets = "; ".join(
        f"since {minute(each['created_at'])}" + (f", ends {minute(each['ends_at'])}" if each["ends_at"] else "")
        for each in seen.pop("secrets")
    )
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in seen.items():
        table.add_row(name, minute(value) if name == "created_at" else "" if value is None else str(value))
    table.add_row("secrets", secrets or "none")
    table.add_row("tls", ", ".join(name for name, given in (tls or {}).items() if given) or "as usual")
    for name, value in state.items():
        table.add_row(
            name, value if name in ("breaker", "fault") else str(value) if name == "failures" else minute(value)
        )
    out.print(table)


@agencies_app.command("ping")
def agencies_ping(code: str, database: DatabaseOption = None) -> None:
    """Send an agency's endpoint one signed test message, and print what came back. Nothing is kept.

    Exits with 1 if a message would not count as delivered.
    """
    from app import endpoints

    async def work(office: Office) -> dict[str, Any]:
        return await endpoints.ping(office, code, place=None)

    show_ping(asked_of_office(database, work))


@agencies_app.command("resume-endpoint")
def agencies_resume_endpoint(code: str, database: DatabaseOption = None) -> None:
    """Send again to an endpoint that had answered 410 Gone; what waits for it is tried at once."""
    from app import endpoints

    async def work(office: Office) -> None:
        await endpoints.resume(office, code, place=None)

    asked_of_office(database, work)
    out.print(f"Messages to {code} are sent again.", markup=False)

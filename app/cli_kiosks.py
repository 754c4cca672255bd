"""one-window kiosks: the devices that take in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.terminal import DatabaseOption, asked_of_office, minute, out, with_database

if TYPE_CHECKING:
    from app.db import Database
    from app.office import Office

kiosks_app = typer.Typer(no_args_is_help=True, help="Devices that take in: paired, listed, revoked.")
_MOST = 1000


@kiosks_app.command("pair")
def pair(
    name: Annotated[str, typer.Argument(help="How people call the device, where they see it listed.")],
    division: Annotated[str, typer.Option(help="Where it stands: a county (6 digits) or a township (9).")],
    database: DatabaseOption = None,
) -> None:
    """Make a code and print it, this once: it is typed on the device, and is good for ten minutes and one device."""
    from app import kiosks
    from app.api.bodies import parse
    from app.schemas_kiosks import PairingIn
    from app.wire import from_json

    async def work(office: Office) -> Any:
        asked = parse(PairingIn, json.dumps({"name": name, "division_code": division}).encode())
        return from_json(await kiosks.pair_by_command(office, asked))

    # With the service's secret: codes are kept keyed with it.
    typer.echo(asked_of_office(database, work, secret=None)["code_spoken"])


@kiosks_app.command("list")
def list_all(database: DatabaseOption = None) -> None:
    """Show the paired devices, the revoked ones too; never their keys."""
    from rich.table import Column, Table

    from app import kiosks
    from app.paged import PageAsked

    async def work(office: Office) -> Any:
        return await kiosks.listed(office, None, PageAsked(_MOST, None))

    table = Table(Column("id", no_wrap=True), "name", "stands in", "paired by", "paired", "last seen", "revoked")
    for each in asked_of_office(database, work)["items"]:
        place = f"{each['division_code']} {each['division_name']}"
        moments = (minute(each[name]) for name in ("paired_at", "last_seen_at", "revoked_at"))
        table.add_row(str(each["kiosk_id"]), each["name"], place, each["paired_by"] or "", *moments)
    out.print(table, markup=False)


@kiosks_app.command("revoke")
def revoke(
    kiosk_id: Annotated[UUID, typer.Argument(metavar="ID", help="`one-window kiosks list` shows it.")],
    database: DatabaseOption = None,
) -> None:
    """End a device's key. Every process refuses it within ONE_WINDOW_REFRESH_SECONDS."""
    from app import kiosks

    async def work(office: Office) -> Any:
        return await kiosks.revoke(office, None, kiosk_id)

    typer.echo(f"Revoked {asked_of_office(database, work)['name']}.")


@kiosks_app.command("renew-sealing-key")
def renew_sealing_key(database: DatabaseOption = None) -> None:
    """Make a new key for devices to seal with. What was sealed with the old one still opens for 400 days.

    Back the database up afterwards: what devices sealed with the new key opens with it alone.
    """
    from app import envelope_keys, registry

    async def work(opened: Database) -> str:
        async with opened.writing() as connection:
            kid = await envelope_keys.renew(connection)
            await registry.moved(connection)
        return kid

    typer.echo(with_database(database, work))

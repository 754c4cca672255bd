"""one-window readings: whether the record of who looked at whose data is whole."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.terminal import DatabaseOption, out, with_office

if TYPE_CHECKING:
    from app.office import Office

readings_app = typer.Typer(no_args_is_help=True, help="Who looked at whose data: whether the record is whole.")


@readings_app.callback()
def _readings() -> None:
    """Who looked at whose data: whether the record is whole."""


@readings_app.command("verify")
def verify(database: DatabaseOption = None) -> None:
    """Read every chain of readings, and name the first row of each that was changed, is missing or was added.

    Exits with 1 if there is any.
    """
    from app.readings import breaks

    async def work(office: Office) -> list[tuple[UUID, int]]:
        async with office.database.reading() as connection:
            return [each async for each in breaks(connection)]

    broken = with_office(database, work)
    for chain, number in broken:
        out.print(f"chain {chain} does not hold at its reading {number}", soft_wrap=True)
    if broken:
        raise typer.Exit(1)
    out.print("Every chain holds.")


@readings_app.command("heads")
def heads(
    day: Annotated[datetime, typer.Argument(help="A day in China.", formats=["%Y-%m-%d"])],
    database: DatabaseOption = None,
) -> None:
    """Print the last number and hash of each chain that was written to on a day, to be kept elsewhere."""
    from datetime import timedelta

    from app.deadlines import CHINA
    from app.readings import heads as of_day

    since = day.replace(tzinfo=CHINA)

    async def work(office: Office) -> dict[UUID, tuple[int, bytes]]:
        async with office.database.reading() as connection:
            return await of_day(connection, since, since + timedelta(days=1))

    for chain, (number, digest) in sorted(with_office(database, work).items()):
        out.print(f"{chain} {number} {digest.hex()}", soft_wrap=True)

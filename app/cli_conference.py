"""one-window conference: the joint conference's list, and its outcomes taken back."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.terminal import DatabaseOption, asked_of_office, read_file, write_file

if TYPE_CHECKING:
    from app.keys import Key
    from app.office import Office

conference_app = typer.Typer(no_args_is_help=True, help="The joint conference (联席会议): its list, its outcomes.")
_MOST = 200


def _key() -> Key:
    from app.keys import Key, KeyRole

    return Key(UUID(int=0), "command line", KeyRole.COORDINATOR, None, UUID(int=0))


@conference_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="Where the workbook is written.")],
    english: Annotated[bool, typer.Option("--english", help="Headings and words in English.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Write the list as a workbook, with columns for the outcomes: disputes, needs with three or more agencies, handoffs
    that are overdue twice."""
    from app.conference.agenda import agenda
    from app.conference.sheet import write

    async def work(office: Office) -> dict[str, Any]:
        return await agenda(office, _key(), _MOST)

    listed = asked_of_office(database, work)
    write_file(file, write(listed, "en" if english else "zh"))
    more = f" There are more of: {', '.join(listed['more'])}." if listed["more"] else ""
    typer.echo(f"{len(listed['items'])} items in {file}.{more}")


@conference_app.command("import")
def import_outcomes(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="The workbook, filled in.")],
    database: DatabaseOption = None,
) -> None:
    """Apply the outcomes of a filled-in workbook: all of them, or none with every fault told by row and column."""
    from app.conference import reading
    from app.conference.outcomes import apply
    from app.repeats import Repeat
    from app.wire import from_json

    content = read_file(file)

    async def work(office: Office) -> bytes:
        lines = await reading.of_sheet(office, content)
        same = hmac.digest(office.secret, content, "sha256").hex()
        repeat = Repeat.of(office.secret, _key(), same, "conference import", content)
        return await apply(office, _key(), lines, repeat)

    applied = from_json(asked_of_office(database, work, secret=None))
    typer.echo(f"{applied['applied']} of {len(applied['items'])} outcomes applied; the others were so already.")

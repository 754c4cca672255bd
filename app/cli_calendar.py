"""one-window calendar: the working days shown, a year's notice imported and exported.

A command imports what it needs when it is called.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import DatabaseOption, asked_of_office, err, out, read_file, write_file

if TYPE_CHECKING:
    from datetime import date

    from app.office import Office

calendar_app = typer.Typer(
    no_args_is_help=True,
    help="The working days that time limits are counted by.\n\n"
    "When next year's notice is out: `export 2026 notice.csv`, write the new days in its form, `import notice.csv`.",
)
Year = Annotated[int, typer.Argument(min=2000, max=2199)]
_BY = "command line"


@calendar_app.command("show")
def show(year: Year, database: DatabaseOption = None) -> None:
    """Show the days of a year that differ from Monday to Friday, and how far the calendar is known."""
    from datetime import date

    from rich.table import Table

    from app import working_days
    from app.deadlines import is_weekday

    async def work(office: Office) -> dict[str, Any]:
        return await working_days.seen(office, date(year, 1, 1), date(year, 12, 31))

    found = asked_of_office(database, work)
    table = Table("day", "", "", "source")
    for each in found["items"]:
        if each["working"] != is_weekday(each["day"]):
            table.add_row(*_shown(each["day"], each["working"]), each["source"])
    out.print(table)
    worked = sum(each["working"] for each in found["items"])
    typer.echo(f"{worked} working days in {year}; known from {found['known_from']} to {found['known_until']}.")
    _warn(found)


@calendar_app.command("import")
def import_notice(
    file: Annotated[Path, typer.Argument(help="CSV: day,working,source; days off and make-up days of one year.")],
    database: DatabaseOption = None,
) -> None:
    """Take a year's notice in place of what the calendar had for it, whole, or refuse it whole with every fault.

    Prints each day that is different now. Open handoffs are rescheduled by the workers.
    """
    from app import working_days
    from app.wire import from_json
    from app.year_notice import of_sheet

    content = read_file(file)

    async def work(office: Office) -> Any:
        return from_json(await working_days.import_year(office, _BY, of_sheet(content), None))

    imported = asked_of_office(database, work)
    for each in imported["changes"]:
        day, name, now_is = _shown(datetime.fromisoformat(each["day"]).date(), each["working"])
        typer.echo(f"{day} {name} {now_is}")
    typer.echo(
        f"{imported['year']}: {len(imported['changes'])} days changed, {imported['working_days']} working days in all; "
        f"known until {imported['known_until']}."
    )
    _warn(imported)


@calendar_app.command("export")
def export_notice(
    year: Year, file: Annotated[Path, typer.Argument(help="Ends in .csv.")], database: DatabaseOption = None
) -> None:
    """Write the days of a year that have a source to a sheet that `import` takes."""
    from app import working_days

    async def work(office: Office) -> bytes:
        return await working_days.exported(office, year)

    content = asked_of_office(database, work)
    write_file(file, content)


def _shown(day: date, working: bool) -> tuple[str, str, str]:
    return day.isoformat(), day.strftime("%a"), "worked" if working else "off"


def _warn(found: dict[str, Any]) -> None:
    if found["warning_en"]:
        err.print(found["warning_zh"], found["warning_en"], sep="\n", markup=False, highlight=False, soft_wrap=True)

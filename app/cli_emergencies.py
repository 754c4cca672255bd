"""one-window emergencies: what the county sets for them, shown and set from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import DatabaseOption, asked_of_office, read_file

if TYPE_CHECKING:
    from app.office import Office

emergencies_app = typer.Typer(no_args_is_help=True, help="Times, ceilings and duty lists for emergencies.")
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="JSON, as the API takes it.")]


@emergencies_app.command("rules")
def rules(database: DatabaseOption = None) -> None:
    """Print the dated times, ceilings and allowances as JSON."""
    from app import county_aid

    _print(asked_of_office(database, county_aid.aid_rules))


@emergencies_app.command("set-rules")
def set_rules(file: FileArgument, database: DatabaseOption = None) -> None:
    """Add dated rows from a file, in place of those of the same division and day."""
    from app import county_aid
    from app.api.bodies import parse
    from app.schemas_emergencies import AidRulesIn

    body = read_file(file)

    async def work(office: Office) -> dict[str, Any]:
        return await county_aid.set_aid_rules(office, parse(AidRulesIn, body), place=None)

    _print(asked_of_office(database, work))


@emergencies_app.command("duty")
def duty(agency: str, database: DatabaseOption = None) -> None:
    """Print whom to call, in order, when an agency does not sign in, as JSON."""
    from app import county_aid

    async def work(office: Office) -> dict[str, Any]:
        return await county_aid.duty_list(office, agency, place=None)

    _print(asked_of_office(database, work))


@emergencies_app.command("set-duty")
def set_duty(agency: str, file: FileArgument, database: DatabaseOption = None) -> None:
    """Replace an agency's duty list with that of a file."""
    from app import county_aid
    from app.api.bodies import parse
    from app.schemas_emergencies import DutyListIn

    body = read_file(file)

    async def work(office: Office) -> dict[str, Any]:
        return await county_aid.set_duty_list(office, agency, parse(DutyListIn, body), place=None)

    _print(asked_of_office(database, work))


def _print(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))

"""one-window staff: the accounts of people who sign in to the pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.roles import KeyRole
from app.terminal import DatabaseOption, asked_of_office, minute, out

if TYPE_CHECKING:
    from app.office import Office

staff_app = typer.Typer(no_args_is_help=True, help="People who sign in to the pages.")
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Their login name; `one-window staff list` shows it.")
]
_BY = "command line"
_MOST = 1000


@staff_app.command("create")
def create(
    login_name: Annotated[str, typer.Argument(metavar="NAME", help="What the person types; unique.")],
    role: Annotated[KeyRole, typer.Option(help="What they may do; one account has one role.")],
    display: Annotated[str | None, typer.Option(help="How pages call them; default: the login name.")] = None,
    agency: Annotated[str | None, typer.Option(help="The agency of a person with the role agency.")] = None,
    division: Annotated[str | None, typer.Option(help="Where they work; default: everywhere.")] = None,
    oidc: Annotated[
        str | None, typer.Option(help="What the county's single sign-on calls them; then there is no password.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make an account and print its first password, this once: it must be changed at the first sign-in, within seven days."""
    from app import staff
    from app.api.bodies import parse
    from app.schemas_staff import StaffIn
    from app.wire import from_json

    asked: dict[str, str | None] = {"login_name": login_name, "display_name": display or login_name, "role": role.value}
    asked |= {"agency_code": agency, "division_code": division, "oidc_name": oidc}

    async def work(office: Office) -> bytes:
        return await staff.add(office, _BY, parse(StaffIn, json.dumps(asked).encode()), None)

    made = from_json(asked_of_office(database, work))
    typer.echo(made["password"] or f"Made {login_name}, who signs in by the county's single sign-on.")


@staff_app.command("list")
def list_all(database: DatabaseOption = None) -> None:
    """Show the accounts, the disabled ones too."""
    from rich.table import Table

    from app import staff
    from app.paged import PageAsked

    async def work(office: Office) -> Any:
        return await staff.listed(office, PageAsked(_MOST, None))

    table = Table("name", "called", "role", "agency", "division", "signs in by", "locked until", "disabled", "made")
    for each in asked_of_office(database, work)["items"]:
        ways = ["password"] * each["has_password"] + ["single sign-on"] * (each["oidc_name"] is not None)
        shown = (each["login_name"], each["display_name"], each["role"], each["agency_code"] or "")
        moments = (each["locked_until"], each["disabled_at"], each["created_at"])
        table.add_row(*shown, each["division_code"] or "", ", ".join(ways), *(minute(at) for at in moments))
    out.print(table, markup=False)


@staff_app.command("disable")
def disable(login_name: NameArgument, database: DatabaseOption = None) -> None:
    """Let a person in no more; whoever is signed in to the account is signed out at once."""
    _set_disabled(database, login_name, True)
    typer.echo(f"Disabled {login_name}.")


@staff_app.command("enable")
def enable(login_name: NameArgument, database: DatabaseOption = None) -> None:
    """Let a person in again."""
    _set_disabled(database, login_name, False)
    typer.echo(f"Enabled {login_name}.")


@staff_app.command("reset")
def reset(login_name: NameArgument, database: DatabaseOption = None) -> None:
    """Make a new first password and print it, this once; the old one and every session end, and the account is unlocked."""
    from app import staff
    from app.wire import from_json

    async def work(office: Office) -> bytes:
        return await staff.reset(office, None, _BY, await staff.named(office, login_name), None)

    typer.echo(from_json(asked_of_office(database, work))["password"])


@staff_app.command("unlock")
def unlock(login_name: NameArgument, database: DatabaseOption = None) -> None:
    """Forget the wrong tries of an account: it is locked no more."""
    from app import staff

    async def work(office: Office) -> None:
        await staff.unlock(office, _BY, await staff.named(office, login_name))

    asked_of_office(database, work)
    typer.echo(f"Unlocked {login_name}.")


def _set_disabled(database: str | None, login_name: str, disabled: bool) -> None:
    from app import staff
    from app.schemas_staff import StaffChange

    async def work(office: Office) -> None:
        staff_id = await staff.named(office, login_name)
        _, tag = await staff.one(office, staff_id)
        await staff.change(office, None, _BY, staff_id, StaffChange(disabled=disabled), tag)

    asked_of_office(database, work)

"""one-window subscriptions: other systems that are told of what happens, added, shown, ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.receivers import NoticeType
from app.terminal import DatabaseOption, asked_of_office, minute, out

if TYPE_CHECKING:
    from app.office import Office

subscriptions_app = typer.Typer(no_args_is_help=True, help="Other systems that are told of what happens.")
IdArgument = Annotated[UUID, typer.Argument(metavar="ID", help="`one-window subscriptions list` shows them.")]
_BY = "command line"
_MOST = 1000
_MOST_OVERLAP_HOURS = 720


@subscriptions_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who is told; unique.")],
    endpoint: Annotated[str, typer.Argument(help="Where notices are sent.")],
    types: Annotated[list[NoticeType], typer.Option("--type", help="What it is told of; may be repeated.")],
    needs: Annotated[list[str] | None, typer.Option("--need", help="Only of this need; may be repeated.")] = None,
    areas: Annotated[
        list[str] | None, typer.Option("--area", help="Only of this division and every place in it; may be repeated.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Subscribe a system; its id and its signing secret are printed, the secret this once."""
    from app import subscriptions
    from app.api.bodies import parse
    from app.schemas_subscriptions import SubscriptionIn
    from app.wire import from_json

    asked = {"name": name, "endpoint": endpoint, "types": types, "needs": needs or [], "areas": areas or []}

    async def work(office: Office) -> bytes:
        return await subscriptions.add(office, _BY, parse(SubscriptionIn, json.dumps(asked).encode()), None)

    made = from_json(asked_of_office(database, work))
    typer.echo(f"{made['subscription_id']} {made['secret']}")


@subscriptions_app.command("list")
def list_all(database: DatabaseOption = None) -> None:
    """Show the subscriptions, those that have ended too."""
    from rich.table import Column, Table

    from app import subscriptions
    from app.reading import PageAsked

    async def work(office: Office) -> Any:
        return await subscriptions.listed(office, PageAsked(_MOST, None), None)

    columns = ("id", "name", "endpoint", "types", "needs", "areas", "active", "created")
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for each in asked_of_office(database, work)["items"]:
        filters = ("\n".join(each[name]) for name in ("types", "needs", "areas"))
        active = "yes" if each["active"] else "no"
        shown = (str(each["subscription_id"]), each["name"], each["endpoint"], *filters, active)
        table.add_row(*shown, minute(each["created_at"]))
    out.print(table, markup=False)


@subscriptions_app.command("end")
def end(subscription_id: IdArgument, database: DatabaseOption = None) -> None:
    """Tell it nothing more; what waits is not sent."""
    from app import subscriptions

    async def work(office: Office) -> None:
        await subscriptions.end(office, subscription_id)

    asked_of_office(database, work)
    typer.echo(f"Ended {subscription_id}.")


@subscriptions_app.command("rotate-secret")
def rotate_secret(
    subscription_id: IdArgument,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=_MOST_OVERLAP_HOURS, help="How long the old secret still signs.")
    ] = 24,
    database: DatabaseOption = None,
) -> None:
    """Make a new signing secret and print it, this once. Until the overlap ends both sign."""
    from app import subscriptions
    from app.schemas_agencies import SecretIn
    from app.wire import from_json

    async def work(office: Office) -> bytes:
        asked = SecretIn(overlap_hours=overlap_hours)
        return await subscriptions.rotate_secret(office, subscription_id, asked, None)

    typer.echo(from_json(asked_of_office(database, work))["secret"])

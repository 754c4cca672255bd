"""one-window subscriptions: other systems that are told of what happens, added, changed, shown, tried, ended."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli_endpoints import CaOption, CertificateOption, KeyOption, NoTlsOption, show_ping, tls_files
from app.receivers import NoticeType
from app.refusals import RefusedError
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
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Subscribe a system; its id and its signing secret are printed, the secret this once."""
    from app import subscriptions
    from app.api.bodies import parse
    from app.schemas_subscriptions import SubscriptionIn
    from app.wire import from_json

    asked: dict[str, Any] = {"name": name, "endpoint": endpoint, "types": types, "needs": needs or []}
    asked["areas"] = areas or []
    if ca or certificate or key:
        asked["tls"] = asdict(tls_files(ca, certificate, key))

    async def work(office: Office) -> bytes:
        return await subscriptions.add(office, _BY, parse(SubscriptionIn, json.dumps(asked).encode()), None, place=None)

    made = from_json(asked_of_office(database, work))
    typer.echo(f"{made['subscription_id']} {made['secret']}")


@subscriptions_app.command("set")
def change(
    subscription_id: IdArgument,
    endpoint: Annotated[str | None, typer.Option(help="Where notices are sent; its secret stays.")] = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    no_tls: NoTlsOption = False,
    database: DatabaseOption = None,
) -> None:
    """Change how a subscriber is sent to: what is not named stays. TLS files replace those that were there, all three."""
    from app import subscriptions
    from app.api.bodies import parse
    from app.schemas_subscriptions import SubscriptionChange

    asked: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if ca or certificate or key or no_tls:
        asked["tls"] = None if no_tls else asdict(tls_files(ca, certificate, key))
    if not asked:
        raise RefusedError("Name something to change; `one-window subscriptions set --help` lists what can be.")

    async def work(office: Office) -> None:
        _, tag = await subscriptions.one(office, subscription_id, place=None)
        await subscriptions.change(
            office, subscription_id, parse(SubscriptionChange, json.dumps(asked).encode()), tag, place=None
        )

    asked_of_office(database, work)
    typer.echo(f"Changed {subscription_id}.")


@subscriptions_app.command("ping")
def ping(subscription_id: IdArgument, database: DatabaseOption = None) -> None:
    """Send a subscriber's endpoint one signed test message, and print what came back. Nothing is kept.

    Exits with 1 if a message would not count as delivered.
    """
    from app import subscriptions

    async def work(office: Office) -> dict[str, Any]:
        return await subscriptions.ping(office, subscription_id, place=None)

    show_ping(asked_of_office(database, work))


@subscriptions_app.command("list")
def list_all(database: DatabaseOption = None) -> None:
    """Show the subscriptions, those that have ended too."""
    from rich.table import Column, Table

    from app import subscriptions
    from app.paged import PageAsked

    async def work(office: Office) -> Any:
        return await subscriptions.listed(office, PageAsked(_MOST, None), None, place=None)

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
        await subscriptions.end(office, subscription_id, place=None)

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
        return await subscriptions.rotate_secret(office, subscription_id, asked, None, place=None)

    typer.echo(from_json(asked_of_office(database, work))["secret"])

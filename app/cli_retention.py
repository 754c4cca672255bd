"""one-window retention: what would be erased, erase it now, and erase again after a restore."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.refusals import RefusedError
from app.terminal import DatabaseOption, minute, out, read_file, with_office, working

if TYPE_CHECKING:
    from app.office import Office

retention_app = typer.Typer(no_args_is_help=True, help="How long what is kept, and what is erased.")


@retention_app.callback()
def _retention() -> None:
    """How long what is kept, and what is erased."""


@retention_app.command("preview")
def preview(database: DatabaseOption = None) -> None:
    """Count what the next sweep would erase, by kind (to 10,000). Nothing is erased."""
    from rich.table import Table

    from app import expiry, retention
    from app.identifiers import now

    async def work(office: Office) -> tuple[Any, Any]:
        return await retention.shown(office), await expiry.preview(office.database, now())

    seen, would = with_office(database, work)
    table = Table("kind", "period", "from before", "would go", "source")
    for kind, going in zip(seen["kinds"], would["kinds"], strict=True):
        period = kind["period"] or "for good"
        table.add_row(kind["kind"], period, minute(going["before"]), str(going["records"]), kind["source"] or "not set")
    out.print(table)


@retention_app.command("sweep")
def sweep(database: DatabaseOption = None) -> None:
    """Erase now what the night would. Stopped in the middle, it may be repeated."""
    from app import expiry
    from app.identifiers import now

    async def work(office: Office) -> dict[str, int]:
        with working("Erasing …"):
            return await expiry.sweep(office.database, office.registry, now())

    for kind, count in with_office(database, work).items():
        out.print(f"{kind}: {count}", soft_wrap=True)


@retention_app.command("erased")
def erased(
    since: Annotated[datetime | None, typer.Option(help="Erased since, in China's time.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Print which requests were erased, and when: to be kept beside the backups, for `reapply`."""
    from app.deadlines import CHINA
    from app.erasure import all_erased

    begun = since.replace(tzinfo=CHINA) if since else None

    async def work(office: Office) -> None:
        async for each in all_erased(office.database, begun):
            typer.echo(f"{each.request_id} {each.erased_at.isoformat()}")

    with_office(database, work)


@retention_app.command("reapply")
def reapply(
    file: Annotated[Path, typer.Argument(help="What `one-window retention erased` printed.")],
    database: DatabaseOption = None,
) -> None:
    """Erase again what a restored backup has brought back. It may be repeated.

    Exits with 1 and names them if requests are open again: those have to be ended first.
    """
    from app import erasure

    try:
        ids = [UUID(line.split()[0]) for line in read_file(file).decode().splitlines() if line.strip()]
    except ValueError:
        raise RefusedError(f"{file} is not what `one-window retention erased` prints.") from None

    async def work(office: Office) -> dict[str, list[UUID]]:
        with working("Erasing …"):
            return await erasure.again(office.database, office.registry, ids)

    done = with_office(database, work)
    out.print(", ".join(f"{name}: {len(those)}" for name, those in done.items()))
    for each in done["open"]:
        out.print(f"{each} is open again: it was not erased", soft_wrap=True)
    if done["open"]:
        raise typer.Exit(1)

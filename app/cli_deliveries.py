"""one-window deliveries: sent again, one or thousands."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.refusals import RefusedError
from app.terminal import DatabaseOption, asked_of_office, err, out

if TYPE_CHECKING:
    from app.office import Office

deliveries_app = typer.Typer(no_args_is_help=True, help="The messages to agencies: what was given up or lost.")
_BY = "command line"


@deliveries_app.callback()
def _deliveries() -> None:
    """The messages to agencies: what was given up or lost."""


@deliveries_app.command("redeliver")
def redeliver(
    delivery: Annotated[UUID | None, typer.Argument(help="One delivery, by its id.")] = None,
    agency: Annotated[str | None, typer.Option(help="All of an agency; with --since.")] = None,
    since: Annotated[datetime | None, typer.Option(help="What was made since, in China's time.")] = None,
    exhausted: Annotated[bool, typer.Option("--exhausted", help="Everything that was given up.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Send again what was delivered or given up: the same ids and bytes, so what a receiver has it drops.

    Many go behind everything new, at the pace that their endpoints allow. Stopped in the middle, it may be repeated.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from app.deadlines import CHINA
    from app.delivery import again
    from app.delivery.again import Chosen

    if (agency is None) != (since is None) or [delivery is None, agency is None, not exhausted].count(False) != 1:
        raise RefusedError("Say what: the id of a delivery, or --agency CODE --since TIME, or --exhausted.")
    if delivery is not None:
        one = delivery
        asked_of_office(database, lambda office: again.redeliver(office.database, one, _BY, place=None))
        out.print(f"{one} is due again.", markup=False)
        return
    chosen = Chosen(agency, since.replace(tzinfo=CHINA) if since else None)
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

    async def work(office: Office) -> int:
        if agency is not None and (await office.registry.current()).receiver(agency) is None:
            raise RefusedError(f"There is no agency {agency}; `one-window agencies list` shows them.")
        total, sent = await again.count(office.database, chosen), 0
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=total)
            async for batch in again.redeliver_all(office.database, chosen, _BY, total):
                sent += batch.sent_again
                progress.advance(task, batch.looked_at)
        return sent

    out.print(f"Due again: {asked_of_office(database, work)}.", markup=False)

"""What a device still has to ask for some needs at a place: the facts that conditions wait for, and nobody else has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from app.routing.decide import decide_need
from app.routing.directory import Directory
from app.routing.rules import RoutingTable

# What data sharing obtains may not be asked of the person (Social Assistance Law art. 62): the status that was given
# before, the disability certificate, the household's register and its verified income.
OBTAINED = frozenset(
    {"recognised_status", "disability_kind", "disability_grade", "household_size", "monthly_income_yuan"}
)
# What an identity card says, or a date of birth that is typed in.
ON_THE_CARD = frozenset({"age"})
# Of the same day, which is asked as a date.
ASKED_AS = {"days_since_disaster": "disaster_date"}


def asks(needs: Iterable[str], place: str, day: date, table: RoutingTable, directory: Directory) -> tuple[str, ...]:
    """Names of facts, each once, in the order in which the rules name them.

    Where nothing is known yet, every rule whose answer can still differ waits: what it waits for is all that can matter.
    """
    waiting = (
        ASKED_AS.get(name, name) for need in needs for name in decide_need(need, place, {}, day, table, directory).asks
    )
    return tuple(name for name in dict.fromkeys(waiting) if name not in OBTAINED | ON_THE_CARD)

"""What a device still has to ask for some needs at a place: the facts that conditions wait for, and nobody else has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from app.routing.decide import decide_need
from app.routing.directory import Directory
from app.routing.facts import FactValues
from app.routing.rules import UNDETERMINED, RoutingTable
from app.routing.space import points

# What data sharing obtains may not be asked of the person (Social Assistance Law art. 62): the status that was given
# before, the disability certificate, the household's register and its verified income.
OBTAINED = frozenset(
    {"recognised_status", "disability_kind", "disability_grade", "household_size", "monthly_income_yuan"}
)
# An identity card says it; whoever has none is asked for the day of birth.
AGE = "age"
# Of the same day, which is asked as a date.
ASKED_AS = {"days_since_disaster": "disaster_date"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What some needs at a place ask of somebody whose age nobody knows, and of whoever is at least so old (ascending,
    from 0; empty where no rule waits for the age)."""

    facts: tuple[str, ...]
    by_age: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def ever(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.facts, *(name for _, facts in self.by_age for name in facts)]))


def asked(needs: Sequence[str], place: str, day: date, table: RoutingTable, directory: Directory) -> Asked:
    """Names of facts, each once, in the order in which the rules name them.

    Where nothing is known yet, every rule whose answer can still differ waits: what it waits for is all that can matter.
    """

    def of(known: FactValues) -> tuple[str, ...]:
        waiting = (name for need in needs for name in decide_need(need, place, known, day, table, directory).asks)
        return tuple(dict.fromkeys(ASKED_AS.get(name, name) for name in waiting if name not in OBTAINED))

    facts = of({})
    by_age: list[tuple[int, tuple[str, ...]]] = []
    if AGE in facts:
        for age in points(AGE, [rule for need in (*needs, UNDETERMINED) for rule in table.of(need, place)]):
            told = of({AGE: age})
            if not by_age or by_age[-1][1] != told:
                by_age.append((cast(int, age), told))
    return Asked(tuple(name for name in facts if name != AGE), tuple(by_age))

"""Cases, the chapters they stand in, and what came of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.conformance.bench import Trial
from app.problems import Text

Play = Callable[[Trial], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    name: Text
    sent: Text
    expected: Text
    advice: Text
    play: Play


@dataclass(slots=True)
class Chapter:
    """Cases under one heading; their numbers are theirs for good."""

    name: Text
    cases: list[Case] = field(default_factory=list)

    def case(self, number: int, name: Text, sent: Text, expected: Text, advice: Text) -> Callable[[Play], Play]:
        def enter(play: Play) -> Play:
            self.cases.append(Case(number, name, sent, expected, advice, play))
            return play

        return enter


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """`came` is what came back, a line each; of a skipped case, why it was not played."""

    chapter: Text
    case: Case
    outcome: Outcome
    came: Sequence[Text]
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """`endpoint` without what an address may hide: user, password, query."""

    endpoint: str
    began_at: datetime
    results: Sequence[Result]

    def count(self, outcome: Outcome) -> int:
        return sum(each.outcome is outcome for each in self.results)

    @property
    def failed(self) -> set[int]:
        return {each.case.number for each in self.results if each.outcome is Outcome.FAILED}

    @property
    def verdict(self) -> Text:
        passed, failed, skipped = (self.count(each) for each in Outcome)
        which = f" ({', '.join(map(str, sorted(self.failed)))})" if failed else ""
        return Text(
            f"{passed} 项通过,{failed} 项未通过{which},{skipped} 项未测",
            f"{passed} passed, {failed} failed{which}, {skipped} skipped",
        )

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.results)

"""What comes in about emergencies, and what the county sets for them: the public shapes of bodies, with examples."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.aid import CeilingKind
from app.dangers import Danger
from app.schemas import (
    ANY_DIVISION,
    Applicant,
    Channel,
    Facts,
    Helper,
    Inbound,
    Line,
    Paragraphs,
    ReservedNumber,
    TakenAt,
    Yuan,
)

AnyDivision = Annotated[str, Field(pattern=ANY_DIVISION, examples=["360803"])]
LimitText = Annotated[
    str,
    Field(pattern=r"^(WD|CD|H):[0-9]{1,4}$", description="`H:24` hours, `CD:3` calendar days, `WD:10` working days."),
]
Telephone = Annotated[Line, Field(max_length=32)]
Source = Annotated[Line, Field(max_length=120, description="Where it is written, or that it is proposed.")]


class Position(Inbound):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Caller(Helper):
    """Somebody who speaks for the person; what they are to them may be unknown."""

    relation: Line = "caller"


class EmergencyIn(Inbound):
    """The least is what happened and where. What is unknown is left out; a code that nobody knows is no reason to
    refuse."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"what": "房屋失火,一家三口今晚无处住", "where": "值夏镇老街", "kind": "fire"}]}
    )

    what: Annotated[Paragraphs, Field(min_length=1, description="What happened, in the caller's words.")]
    where: Line | None = Field(None, description="The place, described; needed where there is no division_code.")
    division_code: Line | None = Field(None, description="Of the place. An unknown one is a warning.")
    kind: Line | None = Field(
        None, description="fire, illness, homeless, disaster, child, violence, hunger; else nobody can tell yet."
    )
    needs: list[Line] = Field(default_factory=list, max_length=20, description="Need codes beside the kind's.")
    channel: Channel = Channel.HOTLINE
    applicant: Applicant | None = None
    helper: Caller | None = None
    caller_phone: Annotated[Line, Field(max_length=30)] | None = Field(None, description="Who calls, to call back.")
    people: int | None = Field(None, ge=1, le=100_000, description="How many are in danger.")
    position: Position | None = None
    facts: Facts = Field(default_factory=Facts)
    receipt_number: ReservedNumber = None
    taken_at: TakenAt = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if not self.where and not self.division_code:
            raise PydanticCustomError("nowhere", "say where: a described place or a division code")
        return self


class LiftIn(Inbound):
    """Which facts make a request that was taken in an emergency; whoever states them answers for them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"facts": ["no_food"], "what": "家中已断粮两天"}]})

    facts: list[Danger] = Field(min_length=1, max_length=len(Danger))
    what: Annotated[Paragraphs, Field(min_length=1)] | None = None
    where: Line | None = None


class SettleIn(Inbound):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcome": "done", "amount_yuan": "2000.00", "with_what": "现金和被褥"}]}
    )

    outcome: Literal["done", "not_confirmed", "not_needed"] = Field(
        "done", description="`not_confirmed`: what was found later does not bear it out; the aid stays."
    )
    amount_yuan: Yuan | None = None
    with_what: Line | None = None


class DutyContactIn(Inbound):
    office: Annotated[Line, Field(max_length=120)]
    phone: Telephone
    name: Annotated[Line, Field(max_length=80)] | None = None
    hours: Annotated[Line, Field(max_length=80)] | None = Field(None, examples=["工作日 17:30 至次日 8:30"])


class DutyListIn(Inbound):
    """The whole list, in the order in which they are called; an empty one takes it away."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"contacts": [{"office": "民政所值班室", "phone": "0796-8200110"}]}]}
    )

    contacts: list[DutyContactIn] = Field(max_length=20)


class TermsIn(Inbound):
    division_code: AnyDivision
    valid_from: date
    sign_in_minutes: int = Field(ge=1, le=1440)
    aid_target: LimitText
    aid_limit: LimitText
    explanation_limit: LimitText
    papers_limit: LimitText
    source: Source


class CeilingIn(Inbound):
    division_code: AnyDivision
    valid_from: date
    kind: CeilingKind
    amount: Yuan
    source: Source


class StandardIn(Inbound):
    division_code: AnyDivision
    valid_from: date
    urban: Yuan
    rural: Yuan
    source: Source


class AidRulesIn(Inbound):
    """Rows to add; one of the same division and day is replaced, the others stay."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ceilings": [
                        {
                            "division_code": "360803",
                            "valid_from": "2027-01-01",
                            "kind": "months",
                            "amount": "1",
                            "source": "青府办字〔2026〕12号",
                        }
                    ]
                }
            ]
        }
    )

    terms: list[TermsIn] = Field(default_factory=list, max_length=200)
    ceilings: list[CeilingIn] = Field(default_factory=list, max_length=200)
    standards: list[StandardIn] = Field(default_factory=list, max_length=200)

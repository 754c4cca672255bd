"""What comes in about routing tables: a request to be decided, a publication, cases to be replayed."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas import MOST_NEEDS, Code, DivisionCode, Facts, Inbound, Line, Moment, NeedIn


class PreviewIn(Inbound):
    """What would become of a request; nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "division_code": "360803101",
                    "birth_date": "1944-05-01",
                    "facts": {"residence": "rural"},
                    "needs": [{"code": "elderly_subsidy"}],
                }
            ]
        }
    )

    division_code: DivisionCode
    birth_date: date | None = Field(None, description="Of the applicant; the age is that of the day that is asked for.")
    facts: Facts = Field(default_factory=Facts)
    needs: list[NeedIn] = Field(min_length=1, max_length=MOST_NEEDS)
    at: Moment | None = Field(None, description="When it would be registered; now, if left out.")
    version: int | None = Field(None, ge=1, le=10**6, description="A version of the table, a draft too.")


class PublishIn(Inbound):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "effective_from": "2027-01-01T00:00:00+08:00",
                    "reasons": {"lead_waits_for_fact": "年龄未知的先由乡镇接下并补问"},
                }
            ]
        }
    )

    effective_from: Moment | None = Field(None, description="Now, if left out; never in the past.")
    reasons: dict[Code, Line] = Field(
        default_factory=dict, description="Why each warning of the check is acceptable, by the finding's code."
    )


class CaseIn(Inbound):
    """A case to try a table on."""

    division_code: DivisionCode
    birth_date: date | None = None
    facts: Facts = Field(default_factory=Facts)
    needs: list[NeedIn] = Field(min_length=1, max_length=MOST_NEEDS)
    at: Moment


class ReplayIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"last": 500}]})

    last: int | None = Field(None, ge=1, le=10_000, description="So many of the stored requests, the newest first.")
    cases: list[CaseIn] = Field(default_factory=list, max_length=500)

    @model_validator(mode="after")
    def _is_of_something(self) -> Self:
        if (self.last is None) == (not self.cases):
            raise PydanticCustomError("replay_of_what", "give either last or cases")
        return self

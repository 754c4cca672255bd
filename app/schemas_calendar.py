"""What comes in about the calendar: the public shapes of bodies, with their examples."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import ConfigDict, Field

from app.schemas import Inbound, Line

LONGEST_SOURCE = 80
_NOTICE = "国务院办公厅关于2027年部分节假日安排的通知"
Source = Annotated[
    Line,
    Field(max_length=LONGEST_SOURCE, description="Where it is from, such as a notice's number.", examples=[_NOTICE]),
]


class WorkingDayIn(Inbound):
    """One day, set by itself: a notice that came late, a typing error."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"working": False, "source": _NOTICE}]})

    working: bool
    source: Source


class NamedDayIn(Inbound):
    day: date
    working: bool = Field(description="False: a day off (weekends may be named too). True: make-up work at a weekend.")


class WorkingYearIn(Inbound):
    """A year as its notice has it. Days that are not named follow the week; a notice may name days of the December before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "year": 2027,
                    "source": _NOTICE,
                    "days": [
                        {"day": "2027-01-01", "working": False},
                        {"day": "2027-05-01", "working": False},
                        {"day": "2027-10-01", "working": False},
                        {"day": "2027-10-02", "working": False},
                        {"day": "2027-10-03", "working": False},
                        {"day": "2027-10-09", "working": True},
                    ],
                }
            ]
        }
    )

    year: int = Field(ge=2000, le=2199)
    source: Source
    days: list[NamedDayIn] = Field(min_length=1, max_length=200)

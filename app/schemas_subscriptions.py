"""What comes in about subscriptions: the public shapes of bodies, with their examples."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.receivers import NoticeType
from app.schemas import Code, Inbound, Line

MOST_OVERLAP_HOURS = 720

Name = Annotated[Line, Field(max_length=80, description="Who is told; unique.")]
Address = Annotated[
    Line,
    Field(
        max_length=500,
        description="Where notices are sent.",
        examples=["https://statistics.example.gov.cn/one-window"],
    ),
]
Types = Annotated[list[NoticeType], Field(min_length=1, max_length=len(NoticeType))]
Needs = Annotated[list[Code], Field(max_length=100, description="Need codes; an empty list is all of them.")]
Areas = Annotated[
    list[Annotated[str, Field(pattern=r"^[0-9]{2}([0-9]{2}([0-9]{2}([0-9]{3})?)?)?$")]],
    Field(max_length=200, description="Codes of divisions: each with every place in it; an empty list is all."),
]
InFlight = Annotated[int, Field(ge=1, le=200, description="Messages in flight to it per worker; null: the settings'.")]
PerSecond = Annotated[int, Field(ge=1, le=1000, description="Messages a second per worker; null: no limit.")]


class SubscriptionIn(Inbound):
    """A system that wants to know (订阅)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "county dashboard",
                    "endpoint": "https://statistics.example.gov.cn/one-window",
                    "types": ["request.registered", "request.status_changed", "handoff.completed"],
                    "needs": ["education_aid"],
                    "areas": ["360803"],
                }
            ]
        }
    )

    name: Name
    endpoint: Address
    types: Types
    needs: Needs = Field(default_factory=list)
    areas: Areas = Field(default_factory=list)
    max_in_flight: InFlight | None = None
    per_second: PerSecond | None = None


def _left_out() -> Any:
    """Stands where nothing was given, and is not read: `model_fields_set` says what was."""
    return None


class SubscriptionChange(Inbound):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"types": ["request.closed"], "areas": []}]})

    name: Name = Field(default_factory=_left_out)
    endpoint: Address = Field(default_factory=_left_out)
    types: Types = Field(default_factory=_left_out)
    needs: Needs = Field(default_factory=_left_out)
    areas: Areas = Field(default_factory=_left_out)
    max_in_flight: InFlight | None = None
    per_second: PerSecond | None = None
    active: bool = Field(
        default_factory=_left_out,
        description="True also takes an endpoint back that was suspended, because it had answered 410 or was ended.",
    )


class SubscriptionSecretIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(24, ge=0, le=MOST_OVERLAP_HOURS, description="So long the old secrets sign too.")

"""What comes in about subscriptions: the public shapes of bodies, with their examples."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from app.receivers import NoticeType
from app.schemas import ANY_DIVISION, Code, Inbound, Line
from app.schemas_agencies import InFlight, PerSecond, TlsIn, left_out

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
    list[Annotated[str, Field(pattern=ANY_DIVISION)]],
    Field(max_length=200, description="Codes of divisions: each with every place in it; an empty list is all."),
]


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
    tls: TlsIn | None = None


class SubscriptionChange(Inbound):
    """What is to be different; what is left out stays, null takes away limits and `tls`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"types": ["request.closed"], "areas": []}]})

    name: Name = Field(default_factory=left_out)
    endpoint: Address = Field(default_factory=left_out)
    types: Types = Field(default_factory=left_out)
    needs: Needs = Field(default_factory=left_out)
    areas: Areas = Field(default_factory=left_out)
    max_in_flight: InFlight | None = None
    per_second: PerSecond | None = None
    tls: TlsIn | None = None
    active: bool = Field(
        default_factory=left_out,
        description="True also takes an endpoint back that was suspended, because it had answered 410 or was ended.",
    )

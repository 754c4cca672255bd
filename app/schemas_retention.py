"""What comes in about how long what is kept, holds, and erasure: the public shapes of bodies, with examples."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.keeping import PERIOD_PATTERN
from app.schemas import Inbound, Line, Paragraphs

PeriodText = Annotated[
    str, Field(pattern=PERIOD_PATTERN, description="`P10Y` ten years, `P6M` six months, `P180D` 180 days.")
]
Words = Annotated[Paragraphs, Field(min_length=1)]
# Personal Information Protection Law 47.
Ground = Literal["purpose_ended", "period_over", "consent_withdrawn", "unlawful", "other_law"]


class PeriodIn(Inbound):
    kind: Line = Field(description="GET /v1/retention lists them.")
    period: PeriodText | None = Field(description="Null: it is kept for good.")
    minimum: PeriodText | None = Field(None, description="Nobody has it erased sooner, whoever asks.")
    source: Line = Field(description="Where it is written, or that it is proposed.")


class RetentionIn(Inbound):
    """Kinds to set; the others stay."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"periods": [{"kind": "delivery_body", "period": "P90D", "source": "青数字办〔2026〕3号"}]},
            ]
        }
    )

    periods: list[PeriodIn] = Field(min_length=1, max_length=50)


class HoldIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "行政复议期间", "until": "2027-06-30"}]})

    reason: Words
    until: date | None = Field(None, description="The last day of it in China; left out: until it is released.")


class ReleaseIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "复议已终结"}]})

    reason: Words


class EraseIn(Inbound):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ground": "consent_withdrawn", "legal_basis": "个人信息保护法47(三)"}]}
    )

    ground: Ground = Field(description="The grounds of the Personal Information Protection Law, 47.")
    legal_basis: Annotated[Line, Field(max_length=120)] = Field(
        description="Law and article. It stays in the timeline in the clear: name nobody."
    )

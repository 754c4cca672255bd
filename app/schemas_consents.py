"""What comes in about consents: given after a request was taken in, withdrawn, and the texts that people consent to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.schemas import MOST_HOUSEHOLD_MEMBERS, Consent, Inbound, Line, Obligor, Paragraphs

MOST_AT_ONCE = 100


class ConsentsIn(Inbound):
    """Several at once: whoever signs for a family brings all its papers together."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "consents": [
                        {
                            "purpose": "economic_verification",
                            "person": "household/0",
                            "given_at": "2026-11-24T02:00:00Z",
                            "text_version": 1,
                            "evidence": {"kind": "recording", "reference": "12345-20261124-0017"},
                        },
                        {
                            "purpose": "economic_verification",
                            "person": "household/1",
                            "given_at": "2026-11-24T02:00:00Z",
                            "evidence": {"kind": "paper_signature"},
                            "guardian": {"name": "李某某", "relation": "mother"},
                        },
                    ],
                    "obligors": [],
                }
            ]
        }
    )

    consents: list[Consent] = Field(min_length=1, max_length=MOST_AT_ONCE)
    obligors: list[Obligor] = Field(
        default_factory=list,
        max_length=MOST_HOUSEHOLD_MEMBERS,
        description="Obligors that have become known since; their numbers go on after those of the request.",
    )


class ConsentWithdrawIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "不愿再提供存款信息"}]})

    reason: Line | None = None


class ConsentTextIn(Inbound):
    """The next version of a text. Versions are never changed: what somebody agreed to stays what it was."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "purpose": "economic_verification",
                    "valid_from": "2027-01-01",
                    "text_zh": "本人授权县级核对机构查询本人的收入和财产信息,仅用于审核本次救助申请。",
                    "text_en": "I authorise the county verification centre to look up my income and property, for this "
                    "application alone.",
                    "source": "县民政局 2026-12",
                }
            ]
        }
    )

    purpose: Literal["economic_verification", "medical_data", "sensitive", "share_with_charity"]
    valid_from: date
    text_zh: Annotated[Paragraphs, Field(min_length=1)]
    text_en: Annotated[Paragraphs, Field(min_length=1)]
    source: Annotated[Line, Field(max_length=120, description="Where it is written, or that it is proposed.")]

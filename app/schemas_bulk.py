"""What comes in: callbacks in bulk. Each is read on its own, so that one that is wrong stops none of the others."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, model_validator
from pydantic_core import PydanticCustomError

from app import etags, signing
from app.schemas import CallbackIn

MOST_CALLBACKS = 500


class CallbackItem(CallbackIn):
    """A callback among others: `data.handoff_id` says of which handoff it speaks, `id` is its `webhook-id`."""

    id: str = Field(
        min_length=1,
        max_length=signing.LONGEST_ID,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]+$",
        description="As `webhook-id`: a repeat gets the first answer.",
    )
    if_match: str | None = Field(
        None, max_length=etags.LONGEST, pattern=etags.PATTERN, description="As the header `If-Match`."
    )

    @model_validator(mode="after")
    def _names_its_handoff(self) -> Self:
        if self.data.handoff_id is None:
            fault = {"type": str(self.type), "field": "handoff_id", "first": "handoff_id"}
            raise PydanticCustomError("callback_fields_missing", "{type} needs data.{field}", fault)
        return self


class CallbacksIn(BaseModel):
    """Up to 500 callbacks in one signed body, applied in their order."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "callbacks": [
                        {
                            "id": "2026-11-24-0001",
                            "type": "handoff.received",
                            "timestamp": "2026-11-24T01:30:00Z",
                            "data": {"handoff_id": "01a20a17-7366-717f-ae57-1c9154b4ccbf"},
                        },
                        {
                            "id": "2026-11-24-0002",
                            "type": "handoff.completed",
                            "timestamp": "2026-11-24T01:31:00Z",
                            "data": {"handoff_id": "01a20a17-7367-7be2-9d0c-3f1b2a4c5d6e", "outcome": "granted"},
                            "if_match": '"7"',
                        },
                    ]
                }
            ]
        },
    )

    callbacks: list[SkipValidation[CallbackItem]] = Field(min_length=1, max_length=MOST_CALLBACKS)

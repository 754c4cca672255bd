"""What a person sends from their own page, and a coordinator about it."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.lifecycle import Solved
from app.schemas import Inbound, Line, Paragraphs
from app.schemas_agencies import AGENCY_CODE


class AnsweredBack(Inbound):
    """Was your problem solved? Of the closing that it was asked about."""

    solved: Solved
    closing: int = Field(ge=1)
    words: Annotated[Paragraphs, Field(min_length=1, max_length=1000)] | None = None


class ReopenIn(Inbound):
    """Handled again (重办): a part of it by the agency that had it, or by another; or, where none is named, the whole by
    whoever finds out whose it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"handoff_id": "01a20a17-7366-717f-ae57-1c9154b4ccbf", "reason": "补贴未到账"}]}
    )

    handoff_id: UUID | None = Field(None, description="Which part is given out again.")
    agency: Annotated[str, Field(pattern=AGENCY_CODE)] | None = Field(
        None, description="Whose it is from now on; without it the agency that had it."
    )
    reason: Line = Field(description="Told to the agency of that part.")

    @model_validator(mode="after")
    def _names_a_part(self) -> Self:
        if self.agency is not None and self.handoff_id is None:
            raise PydanticCustomError("agency_of_a_handoff", "agency goes with handoff_id")
        return self


class DeclineIn(Inbound):
    """Not handled again; the person reads the reason on their page."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "补贴已于 11 月 20 日发放到社会保障卡,请到银行查询"}]}
    )

    reason: Line

"""What a coordinator sends: the public shapes of bodies, with their examples."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.schemas import Code, Inbound, Line, Moment, Paragraphs
from app.schemas_agencies import AGENCY_CODE

MOST_OUTCOMES = 500
AgencyCode = Annotated[str, Field(pattern=AGENCY_CODE)]
Note = Annotated[Paragraphs, Field(min_length=1)]


def _example(**body: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


class _Taker(Inbound):
    """An agency by its code, or the one of a department that is nearest to where the request was registered."""

    agency: AgencyCode | None = None
    department: Code | None = None
    reason: Line = Field(description="Told to the agency that gets it.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.agency is None) == (self.department is None):
            raise PydanticCustomError("agency_or_department", "give either agency or department")
        return self


class RulingIn(_Taker):
    """Whose duty it is (裁定); the agency that returned it may be named, too."""

    model_config = _example(agency="360803-finance", reason="费用由财政列支", legal_basis="三定方案第四条")

    legal_basis: Line


class ReassignIn(_Taker):
    """To another agency (改派)."""

    model_config = _example(department="county_housing", reason="危房鉴定属住建职责")


class UrgeIn(Inbound):
    model_config = _example(note="申请人已来电三次,请今日内签收")

    note: Note


class CancelIn(Inbound):
    model_config = _example(reason="与 533322617653 重复", without_successor=True)

    reason: Line
    without_successor: bool = Field(
        False, description="A lead's need stops with it: what else is open of the need is cancelled too."
    )


class ExtendIn(Inbound):
    model_config = _example(due_at="2027-03-01T15:59:59Z", reason="等待省级鉴定结论", approver="分管副县长")

    due_at: Moment
    reason: Line
    approver: Line


Decision = Literal["ruling", "keep", "extend", "note"]
REQUIRED: dict[str, tuple[str, ...]] = {
    "ruling": ("agency", "legal_basis", "note"),
    "extend": ("until", "note"),
    "note": ("note",),
}


class OutcomeIn(Inbound):
    """What the conference decided on one item of its list."""

    item: UUID
    decision: Decision = Field(
        description="`ruling`: whose a dispute is. `keep`: of a dispute, it stays with who returned it last; else as it is. "
        "`extend`: a later day. `note`: nothing but the note."
    )
    agency: AgencyCode | None = None
    legal_basis: Line | None = None
    until: date | None = Field(None, description="The last day, in China.")
    note: Line | None = Field(None, description="The reason.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        missing = [name for name in REQUIRED.get(self.decision, ()) if not getattr(self, name)]
        if missing:
            raise PydanticCustomError(
                "outcome_fields_missing", "{decision} needs {field}", {"decision": self.decision, "field": missing[0]}
            )
        return self


class OutcomesIn(Inbound):
    model_config = _example(
        outcomes=[
            {
                "item": "01a20a17-7366-717f-ae57-1c9154b4ccbf",
                "decision": "ruling",
                "agency": "360803-finance",
                "legal_basis": "三定方案第四条",
                "note": "费用由财政列支",
            }
        ]
    )

    outcomes: list[OutcomeIn] = Field(min_length=1, max_length=MOST_OUTCOMES)


class GuestLinkIn(Inbound):
    """A link by which an officer of an agency without a system answers one handoff."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expires_in_hours": 72}]})

    expires_in_hours: int = Field(72, ge=1, le=336)

"""What comes in: the public shapes of bodies, with their examples. Answers are in `answers.py`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.lifecycle import AGENCY_ACTS

MOST_NEEDS = 20
MOST_HOUSEHOLD_MEMBERS = 30

_NO_CONTROLS = r"^[^\u0000-\u001f\u007f]*$"
_NO_CONTROLS_BUT_LINES = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$"

# Embeddings, overrides and isolates: they come with what is pasted, and make a name look like another.
_DIRECTIONS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def undirected(text: str) -> str:
    return _DIRECTIONS.sub("", text)


def _cleared(written: Any) -> Any:
    return written if not isinstance(written, str) or written.isascii() else undirected(written)


Undirected = BeforeValidator(_cleared)
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROLS), Undirected]
Phone = Annotated[str, Field(max_length=30, pattern=_NO_CONTROLS), Undirected]
Paragraphs = Annotated[str, Field(max_length=4000, pattern=_NO_CONTROLS_BUT_LINES)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ANY_DIVISION = r"^[0-9]{2}([0-9]{2}([0-9]{2}([0-9]{3})?)?)?$"  # from a province down to a township
DivisionCode = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{6}([0-9]{3})?$",
        description="Statistical code of a county (6 digits) or a township (9 digits).",
        examples=["360803101"],
    ),
]
Yuan = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,10}(\.[0-9]{1,2})?$",
        description="Yuan as a decimal string, never a float.",
        examples=["48200.00"],
    ),
]


def _plausible(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2200:
        raise PydanticCustomError("implausible_time", "the year must be between 1900 and 2200")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]


ReservedNumber = Annotated[
    Annotated[str, Field(max_length=200)] | None,
    Field(description="From a kiosk: one of its reserved numbers. One that can't be had is replaced, with a warning."),
]
TakenAt = Annotated[
    Moment | None,
    Field(
        description="From a kiosk: when it was asked for, by the device's clock. Time limits count from registration."
    ),
]


class Inbound(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


class IdType(StrEnum):
    RESIDENT_ID = "resident_id"
    HMT_RESIDENCE_PERMIT = "hmt_residence_permit"
    FOREIGN_PERMANENT_RESIDENCE = "foreign_permanent_residence"
    PASSPORT = "passport"
    OTHER = "other"


class Channel(StrEnum):
    KIOSK = "kiosk"
    WINDOW = "window"
    HOTLINE = "hotline"
    VILLAGE_WORKER = "village_worker"
    OUTREACH = "outreach"
    ONLINE = "online"
    DEPARTMENT = "department"


class Identified(Inbound):
    """Somebody, as far as known: people without an identity number or a phone are let in."""

    name: Line | None = None
    id_type: IdType = IdType.RESIDENT_ID
    id_number: Annotated[str, Field(min_length=1, max_length=40, pattern=_NO_CONTROLS), Undirected] | None = None
    birth_date: date | None = None


class BankAccount(Inbound):
    """Where money is to be paid; only those who pay see it."""

    bank: Line | None = None
    number: Annotated[str, Field(min_length=1, max_length=60, pattern=_NO_CONTROLS), Undirected]
    holder: Line | None = Field(None, description="Whose account it is, where it is not the applicant's own.")


class Applicant(Identified):
    phone: Phone | None = None
    address: Line | None = None
    household_division_code: DivisionCode | None = Field(
        None, description="Where the household is registered (户籍地)."
    )
    bank_account: BankAccount | None = None


class Helper(Identified):
    """Somebody who asks for the applicant (代办人)."""

    phone: Phone | None = None
    relation: Line = Field(description="What they are to the applicant.", examples=["village_worker"])
    organisation: Line | None = None


class HouseholdMember(Identified):
    relation: Line = Field(examples=["spouse"])


class Facts(Inbound):
    """Declared facts; everything may be left out when it is not known."""

    residence: Literal["urban", "rural"] | None = None
    recognised_status: (
        list[
            Literal[
                "extreme_poverty",
                "minimum_living_allowance",
                "low_income_margin",
                "rigid_expenditure",
                "anti_poverty_monitoring",
                "orphan",
                "unattended_child",
                "veteran",
            ]
        ]
        | None
    ) = Field(None, max_length=8)
    disability_kind: Literal["visual", "hearing", "speech", "physical", "intellectual", "mental", "multiple"] | None = (
        None
    )
    disability_grade: int | None = Field(None, ge=1, le=4)
    household_size: int | None = Field(None, ge=1, le=100)
    monthly_income_yuan: Yuan | None = None
    out_of_pocket_yuan: Yuan | None = None
    illness: Line | None = None
    self_care: Literal["full", "partial", "none"] | None = None
    schooling: Literal["preschool", "primary", "junior", "senior", "vocational", "higher"] | None = None
    dwelling: Literal["owned", "rented", "public", "borrowed", "none"] | None = None
    disaster_date: date | None = None


class NeedIn(Inbound):
    code: Code = Field(description="A need code of `GET /v1/needs`; `undetermined` when nobody can tell.")
    details: Paragraphs | None = None
    facts: Facts = Field(default_factory=Facts)


class Obligor(Identified):
    """Somebody outside the household who has to maintain one of it (赡养、抚养、扶养义务人)."""

    relation: Line = Field(examples=["son"])
    phone: Phone | None = None


class Evidence(Inbound):
    """How it can be proved; the paper or the recording itself stays where `reference` says."""

    kind: Literal["paper_signature", "electronic_signature", "recording", "clerk_witness"]
    reference: Line | None = Field(None, description="Where it is kept: a number of a file, say.")


class Guardian(Inbound):
    name: Line
    relation: Line = Field(examples=["mother"])


class Consent(Inbound):
    purpose: Literal["economic_verification", "medical_data", "sensitive", "share_with_charity"]
    person: Annotated[str, Field(pattern=r"^(applicant|helper|(household|obligors)/(0|[1-9][0-9]?))$")] = Field(
        description="`applicant`, `helper`, `household/0` for the first member listed, `obligors/0`; of this request."
    )
    given_at: Moment = Field(description="Not in the future.")
    text_version: int | None = Field(None, ge=1, le=10**6, description="Of `GET /v1/consent-texts`; left out: today's.")
    evidence: Evidence
    guardian: Guardian | None = Field(None, description="Who gave it for them; of a minor nobody else can.")


class RequestIn(Inbound):
    """One person's or household's request for help."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "window",
                    "division_code": "360803101",
                    "applicant": {
                        "name": "张某某",
                        "id_type": "resident_id",
                        "id_number": "11010519491231002X",
                        "phone": "13800000000",
                        "birth_date": "1949-12-31",
                        "address": "值夏镇",
                        "household_division_code": "360803101",
                        "bank_account": {"bank": "江西农商银行", "number": "6226 0000 0000 0009"},
                    },
                    "helper": None,
                    "household": [{"name": "李某某", "relation": "spouse"}],
                    "facts": {"residence": "urban", "recognised_status": [], "household_size": 4},
                    "needs": [
                        {
                            "code": "medical_assistance_applied",
                            "details": "住院三次",
                            "facts": {"out_of_pocket_yuan": "48200.00"},
                        }
                    ],
                    "narrative": "因病支出过大。",
                    "consents": [
                        {
                            "purpose": "economic_verification",
                            "person": "applicant",
                            "given_at": "2026-11-23T08:00:00Z",
                            "evidence": {"kind": "paper_signature", "reference": "2026-1107"},
                        }
                    ],
                }
            ]
        },
    )

    channel: Channel
    division_code: DivisionCode
    applicant: Applicant
    helper: Helper | None = None
    household: list[HouseholdMember] = Field(default_factory=list, max_length=MOST_HOUSEHOLD_MEMBERS)
    obligors: list[Obligor] = Field(default_factory=list, max_length=MOST_HOUSEHOLD_MEMBERS)
    facts: Facts = Field(default_factory=Facts)
    needs: list[NeedIn] = Field(min_length=1, max_length=MOST_NEEDS)
    narrative: Paragraphs | None = None
    consents: list[Consent] = Field(default_factory=list, max_length=200)
    receipt_number: ReservedNumber = None
    taken_at: TakenAt = None


class WithdrawIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "家里已经想出办法"}]})

    reason: Line | None = None


class LookUpIn(Inbound):
    """Whose requests are looked for: by an identity number or by a telephone, one of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"phone": "13800000000"}]})

    id_type: IdType = IdType.RESIDENT_ID
    id_number: Line | None = None
    phone: Line | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.id_number is None) == (self.phone is None):
            raise PydanticCustomError("look_up_by_what", "give either id_number or phone")
        return self


class SupplementIn(Inbound):
    """What an agency had asked for: papers handed in, facts, words."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"materials": ["diagnosis"], "note": "诊断证明原件已交窗口"}]}
    )

    materials: list[Code] = Field(default_factory=list, max_length=40, description="Material codes handed in.")
    facts: Facts = Field(default_factory=Facts)
    note: Paragraphs | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.materials and not self.note and not self.facts.model_fields_set:
            raise PydanticCustomError("empty_supplement", "a supplement needs materials, facts or a note")
        return self


CallbackType = StrEnum(  # type: ignore[misc]
    "CallbackType",
    {act.name: f"handoff.{act}" for act in sorted(AGENCY_ACTS, key=lambda act: list(type(act)).index(act))},
)


def _ground(code: object) -> object:
    if code == "materials_missing":
        raise PydanticCustomError("materials_missing_is_no_ground", "ask with handoff.information_requested")
    return code


ReturnReason = Annotated[
    Literal["not_my_duty", "wrong_area", "duplicate", "recognised_elsewhere", "applicant_withdrew", "needs_joint"],
    BeforeValidator(_ground),
]


class CallbackData(BaseModel):
    """Which fields a callback needs depends on its type; fields that we do not know are ignored."""

    model_config = ConfigDict(strict=True, str_strip_whitespace=True)

    handoff_id: UUID | None = Field(None, description="If given, the handoff of the path.")
    handler: Line | None = Field(None, description="Who handles it, as the person may be told.")
    note: Paragraphs | None = None
    outcome: Literal["granted", "partly_granted", "not_granted", "referred"] | None = None
    materials: list[Line] | None = Field(None, max_length=40, description="All that is missing, in one list.")
    suspended_for: Literal["applicant", "verification", "court"] | None = None
    reason: Line | None = None
    reason_code: ReturnReason | None = None
    legal_basis: Line | None = None
    suggested_department: Code | None = None
    approver: Line | None = None
    due_at: Moment | None = None


REQUIRED: dict[str, tuple[str, ...]] = {
    "handoff.information_requested": ("materials",),
    "handoff.suspended": ("suspended_for",),
    "handoff.returned": ("reason_code", "legal_basis"),
    "handoff.extended": ("approver", "reason", "due_at"),
    "handoff.completed": ("outcome",),
}
# Whose duty it is then, or who has to join; of the others nobody else is to have it, or only its area is wrong.
NAMES_DEPARTMENT = frozenset({"not_my_duty", "needs_joint"})


class CallbackIn(BaseModel):
    """A signed message from an agency about its handoff (回告)."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "handoff.completed",
                    "timestamp": "2026-11-23T09:30:00Z",
                    "data": {"outcome": "granted", "note": "已发放", "handler": "医保局 王"},
                }
            ]
        },
    )

    type: CallbackType
    timestamp: Moment = Field(description="When it happened; an older one than the last applied is not applied.")
    data: CallbackData = Field(default_factory=CallbackData)

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        required = REQUIRED.get(self.type, ())
        if self.type == "handoff.returned" and self.data.reason_code in NAMES_DEPARTMENT:
            required += ("suggested_department",)
        missing = [name for name in required if not getattr(self.data, name)]
        if missing:
            raise PydanticCustomError(
                "callback_fields_missing",
                "{type} needs data.{field}",
                {"type": str(self.type), "field": ", data.".join(missing), "first": missing[0]},
            )
        return self


def plain(model: BaseModel) -> dict[str, Any]:
    """JSON-ready, without what was left out."""
    return model.model_dump(mode="json", exclude_none=True)

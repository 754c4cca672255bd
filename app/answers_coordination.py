"""What goes out about a coordinator's acts, disputes and the joint conference."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import HandoffSummary, Named, Outbound, Page
from app.answers_routing import RoutingTableView, TableDiff
from app.disputes import Why
from app.lifecycle import DisputeState, HandoffStatus, RequestStatus
from app.routing.rules import Role

Act = Literal["ruling", "reassign", "urge", "cancel", "extend"]


class RuleOffered(Outbound):
    """What `POST /v1/disputes/{dispute_id}/draft-rule` would change."""

    version: int = Field(description="The table in force.")
    rule: int
    department: str
    instead_of: str


class Coordinated(Outbound):
    """What became of a handoff, and of the request."""

    request_id: UUID
    request_status: RequestStatus
    handoff: HandoffSummary
    successor: HandoffSummary | None = Field(description="Whose the part is now; after a ruling it may be the same.")
    dispute_id: UUID | None = Field(description="The dispute that it was about.")
    draft_rule: RuleOffered | None = Field(None, description="After a ruling that the table in force contradicts.")
    allowed: list[Act] = Field(description="What a coordinator can do with the handoff now.")
    etag: str


class Said(Outbound):
    """A return. Words that may name somebody are null for those who may not see people."""

    handoff_id: UUID
    at: datetime
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    reason_code: str | None
    suggested_department: str | None
    legal_basis: str | None = Field(description="By which it says that the need is not its duty.")
    note: str | None
    sent_by_legal_basis: str = Field(description="Of the rule that sent it there.")


class Ruling(Outbound):
    """`agency` is null where nobody has to do it."""

    handoff_id: UUID
    agency: str | None
    name_zh: str | None
    name_en: str | None
    phone: str | None
    by: str
    at: datetime
    reason: str | None
    legal_basis: str | None


class DisputeSeen(Outbound):
    dispute_id: UUID
    request_id: UUID
    receipt_number: str
    division_code: str
    need: Named
    state: DisputeState
    why: Why
    opened_at: datetime
    handoffs: list[HandoffSummary] = Field(description="Every one of this need.")
    said: list[Said] = Field(description="Every return of this need, in order.")
    ruling: Ruling | None


class DisputePage(Page):
    items: list[DisputeSeen]


class DraftRule(Outbound):
    draft: RoutingTableView
    diff: TableDiff


Kind = Literal["dispute", "several_open", "overdue_twice"]


class OfAgency(Outbound):
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    role: Role
    status: HandoffStatus
    days: int = Field(description="Whole days since it was handed to it.")
    complete_due: datetime | None
    urged: int = Field(description="How often it was urged on.")
    legal_basis: str = Field(description="Of the rule that sent it there.")
    says: str | None = Field(description="The legal basis of its return; null for those who may not see people.")


class AgendaItem(Outbound):
    """Nothing of the person."""

    item: UUID = Field(description="Names it in the outcomes: a handoff.")
    kind: Kind
    dispute_id: UUID | None
    request_id: UUID
    receipt_number: str
    division_code: str
    need: Named
    since: datetime
    agencies: list[OfAgency]


class Agenda(Outbound):
    """The joint conference's list (联席会议), the oldest of each kind first."""

    at: datetime
    items: list[AgendaItem]
    more: list[Kind] = Field(description="The kinds of which there are more than were asked for.")


class OutcomeApplied(Outbound):
    item: UUID
    decision: Literal["ruling", "keep", "extend", "note"]
    applied: bool = Field(description="False where it was so already.")


class OutcomesApplied(Outbound):
    applied: int
    items: list[OutcomeApplied]

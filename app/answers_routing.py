"""What goes out about the routing table: previews, versions, proofs, comparisons, replays. All times are UTC."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from app.answers import Named, NeedRouted, Outbound, Page
from app.routing.rules import Role


class HandoffPreviewed(Outbound):
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    role: Role
    step: int
    mandatory: bool
    dispatched_at_once: bool
    sign_in_due: datetime | None = Field(description="Null if it begins with a later step, or has no limit.")
    accept_due: datetime | None
    complete_due: datetime | None
    sees: list[Named] = Field(description="The field groups of the person that it would be shown.")
    consent: list[str] = Field(description="What has to be agreed to first.")
    consent_of: str = Field(description="Whose consent it is; empty if nobody's.")
    publicity: str
    emergency_variant: str | None


class NeedPreviewed(NeedRouted):
    name_zh: str
    name_en: str
    handoffs: list[HandoffPreviewed]
    materials: list[Named] = Field(description="What to bring.")
    waived: list[Named] = Field(description="What data sharing supplies: it may not be asked for.")


class Preview(Outbound):
    """What would become of a request; nothing was stored."""

    version: int
    directory: int
    at: datetime
    division_code: str
    needs: list[NeedPreviewed]


class RoutingTableView(Outbound):
    version: int
    state: Literal["draft", "published", "retired"]
    effective_from: datetime
    rules: int
    checksum: str = Field(description="SHA-256 over the rules, in hex.")
    source: str
    created_at: datetime
    created_by: str
    published_at: datetime | None
    published_by: str | None
    certified: bool = Field(description="Its last check found no error.")


class RoutingTableListed(RoutingTableView):
    in_force: bool


class RoutingTablePage(Page):
    items: list[RoutingTableListed]


class RoutingTableWhole(RoutingTableView):
    rows: list[dict[str, str]] = Field(description="The rules, as the English sheet has them.")
    certificate: dict[str, Any] | None = Field(description="Of its last check, or of its publication with the reasons.")


class Witness(Outbound):
    """A concrete request that shows a finding; facts that are not named are not known."""

    need: str
    division_code: str
    day: date
    facts: dict[str, Any]


class Finding(Outbound):
    code: str
    severity: Literal["error", "warning"]
    rules: list[int]
    detail_zh: str
    detail_en: str
    witness: Witness
    regions: int = Field(description="How many regions of the space show it.")


class Certificate(Outbound):
    """The proof of a version against the directory and the codes of that moment."""

    version: int
    checksum: str
    directory: int
    checked_at: datetime
    counts: dict[str, int] = Field(description="Rules, needs, places, agencies, and the regions that were looked at.")
    errors: int
    warnings: int
    findings: list[Finding]


class FieldDiffers(Outbound):
    column: str
    old: str
    new: str


class RuleDiffers(Outbound):
    kind: Literal["added", "removed", "changed", "renumbered"]
    old_number: int | None
    new_number: int | None
    fields: list[FieldDiffers]
    sentence_zh: str
    sentence_en: str


class TableDiff(Outbound):
    since: int = Field(alias="from")
    to: int
    changes: list[RuleDiffers]


class SeatMoved(Outbound):
    agency: str
    role: Role
    step: int


class ReplayExample(Outbound):
    request: str = Field(description="The receipt number of a stored request, or which of the cases.")
    at: datetime
    gains: list[SeatMoved]
    loses: list[SeatMoved]


class NeedChanged(Outbound):
    need: str
    changed: int
    examples: list[ReplayExample] = Field(description="Of stored requests only for those who may see people.")


class LoadChanged(Outbound):
    agency: str
    before: int
    after: int


class Replayed(Outbound):
    """What a version would change of what came before; nothing was stored."""

    requests: int
    changed_requests: int
    needs: int
    undetermined_before: int
    undetermined_after: int
    by_need: list[NeedChanged]
    load: list[LoadChanged]

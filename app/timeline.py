"""The timeline (办理轨迹): the append-only history of a request, and the only writer of a status.

A `Case` is a request with its handoffs while one unit of work changes it. `advance` asks the lifecycle, moves the
handoff, writes the event that says so, and derives the request's status anew. Nothing is stored until the case's
unit is written; on PostgreSQL the request's row is locked from `load` on, on SQLite the whole database is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import bindparam, true, update

from app.bells import signing_bell, timeline_bell
from app.consents import Recorded
from app.disputes import Dispute
from app.hashchain import event_hash
from app.ledger import Unit
from app.lifecycle import (
    ENDED,
    SIGNED_FOR,
    Act,
    HandoffStatus,
    RequestStatus,
    Standing,
    allowed,
    request_status,
    target,
)
from app.routing.rules import Role
from app.sealing import NO_BOX, PERSON, Box, kept_at
from app.tables import debt, event, handoff, help_request
from app.wire import from_json, to_json

DUES = ("sign_in_due", "accept_due", "complete_due")
SIGNINGS = ("handoff.received", "handoff.accepted")
WAITS_FOR_CONSENT = "waits_for_consent"  # the reason of a handoff that is held back though its step is reached


class Clocks(NamedTuple):
    """When a handoff is due; instants are aware UTC."""

    sign_in_due: datetime | None
    accept_due: datetime | None
    complete_due: datetime | None
    due_provisional: bool


@dataclass(slots=True)
class Handoff:
    """A row of `handoff`; instants are aware UTC."""

    id: UUID
    request_id: UUID
    need: str
    agency_code: str
    role: Role
    step: int
    mandatory: bool
    routing_version: int
    rule_number: int
    opened_at: datetime
    status: HandoffStatus = HandoffStatus.WAITING
    suspended_for: str | None = None
    outcome: str | None = None
    reason: str | None = None
    replaced_by: UUID | None = None
    dispatched_at: datetime | None = None
    sign_in_due: datetime | None = None
    accept_due: datetime | None = None
    complete_due: datetime | None = None
    promised_due: datetime | None = None
    suspended_at: datetime | None = None
    # When its completion clock stood: for what, from, to (ISO 8601), and whether that moves when it is due.
    stood: list[tuple[str, str, str, bool]] | None = None
    material_requests: int = 0
    extensions: int = 0
    first_due: datetime | None = None
    next_look_at: datetime | None = None
    due_provisional: bool = False
    extended_until: datetime | None = None
    last_callback_at: datetime | None = None
    closed_at: datetime | None = None
    told: str | None = None
    told_at: datetime | None = None
    # By when it must be signed for in an emergency, though its rule may give more time.
    sign_in_by: datetime | None = None
    bound_by: str | None = None
    bound_at: datetime | None = None
    division_code: str = ""  # its request's, set when it is stored

    @property
    def is_open(self) -> bool:
        return self.status not in ENDED

    @property
    def waits_for_consent(self) -> bool:
        return self.reason == WAITS_FOR_CONSENT and self.status is HandoffStatus.WAITING

    @property
    def clocks(self) -> Clocks:
        return Clocks(self.sign_in_due, self.accept_due, self.complete_due, self.due_provisional)

    def set_clocks(self, clocks: Clocks) -> None:
        self.sign_in_due, self.accept_due, self.complete_due, self.due_provisional = clocks


def allowed_now(found: Handoff) -> list[str]:
    """The callback types that its agency may send: no return after a ruling."""
    returned = f"handoff.{Act.RETURNED}"
    return [each for each in allowed(found.status) if each != returned or found.bound_at is None]


_FIXED = (
    *("id", "request_id", "division_code", "need", "agency_code", "role", "step", "mandatory"),
    *("routing_version", "opened_at"),
)
_MOVING = tuple(each.name for each in fields(Handoff) if each.name not in (*_FIXED, "rule_number"))
_moving = attrgetter(*_MOVING)
HEAD = ("status", "closed_at", "events", "head", "emergency", "debts")

_UPDATE_HANDOFF = (
    update(handoff).where(handoff.c.id == bindparam("b_id")).values({name: bindparam(name) for name in _MOVING})
)
_PART = ("role", "step", "mandatory", "routing_version", "rule_number")
_UPDATE_PART = update(handoff).where(handoff.c.id == bindparam("b_id")).values({n: bindparam(n) for n in _PART})
_UPDATE_REQUEST = (
    update(help_request)
    .where(help_request.c.id == bindparam("b_id"))
    .values({**{name: bindparam(f"b_{name}") for name in HEAD}, "unanchored": true()})
)
# What the person took back is owed no more.
_FORGO = (
    update(debt)
    .where(debt.c.request_id == bindparam("b_request_id"), debt.c.settled_at.is_(None))
    .values(settled_at=bindparam("b_at"), settled_by=bindparam("b_actor"), outcome="withdrawn")
)
_AMENDED = "amended, and no event says so: the audit would take it for a change behind the service's back"
_UPDATE_SEALED = update(help_request).where(help_request.c.id == bindparam("b_id")).values(sealed=bindparam("b_sealed"))


_NOBODY: Mapping[str, Any] = {"applicant": {}, "household": [], "facts": {}, "needs": []}  # an erased one
_STATUSES = {str(status): status for status in RequestStatus}


@dataclass(slots=True)
class Case:
    """One request while a unit of work changes it. `request` holds the columns of `help_request`, `disputes` those
    that are open, by need."""

    request: dict[str, Any]
    handoffs: list[Handoff]
    is_new: bool
    unit: Unit = field(default_factory=Unit)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    box: Box = NO_BOX
    _person: dict[str, Any] | None = None
    _recorded: Recorded | None = None
    _amended: bool = False  # since its last event
    _changed: set[UUID] = field(default_factory=set)

    @property
    def id(self) -> UUID:
        request_id: UUID = self.request["id"]
        return request_id

    @property
    def person(self) -> dict[str, Any]:
        """The request as taken in."""
        if self._person is None:
            self._person = self.box.unseal(self.request["sealed"], PERSON) or dict(_NOBODY)
        return self._person

    def recorded(self, day: date) -> Recorded:
        """Its consents as they stand on a day."""
        if self._recorded is None or self._recorded.day != day:
            self._recorded = Recorded(self.person, day)
        return self._recorded

    def add_supplement(self, supplement: dict[str, Any], at: datetime) -> None:
        """What was added is a part of the request from now on: every later step is told of it."""
        self.amend({"supplements": [*self.person.get("supplements", ()), {"at": at, **supplement}]})

    def add_situation(self, situation: dict[str, Any]) -> None:
        """What happened and where, of a request that has become an emergency."""
        self.amend({"emergency": situation})

    def amend(self, parts: dict[str, Any]) -> None:
        """Put parts of the sealed data in place of those of their names. The next event names what is sealed now."""
        self._person = from_json(to_json({**self.person, **parts}))
        self.request["sealed"] = self.box.seal(self._person, PERSON)
        self._recorded, self._amended = None, True
        self.unit.update(_UPDATE_SEALED, {"b_id": self.id, "b_sealed": self.request["sealed"]})

    @property
    def status(self) -> RequestStatus:
        return _STATUSES[self.request["status"]]

    @property
    def is_emergency(self) -> bool:
        return self.request["emergency"] is not None

    @property
    def has_ended(self) -> bool:
        return self.status in (RequestStatus.CLOSED, RequestStatus.WITHDRAWN)

    def handoff(self, handoff_id: UUID) -> Handoff:
        return next(each for each in self.handoffs if each.id == handoff_id)

    def of_need(self, need: str) -> list[Handoff]:
        return [each for each in self.handoffs if each.need == need]

    def touch(self, changed: Handoff) -> None:
        """Mark a handoff whose fields other than the status were changed."""
        self._changed.add(changed.id)

    def record(
        self,
        kind: str,
        at: datetime,
        actor: str,
        *,
        handoff_id: UUID | None = None,
        data: Mapping[str, Any] | None = None,
        note: Any = None,
    ) -> None:
        """Append an event. `data` must hold nothing personal; what may is sealed as `note`."""
        sequence = self.request["events"] + 1
        entry: dict[str, Any] = {
            "request_id": self.id,
            "sequence": sequence,
            "at": at,
            "kind": kind,
            "actor": actor,
            "handoff_id": handoff_id,
            "data": dict(data or {}),
            "sealed": None if note is None else self.box.seal(note, kept_at("event.sealed", sequence)),
            "person": None,
        }
        if sequence == 1 or self._amended:
            entry["person"] = hashlib.sha256(self.request["sealed"]).digest()
            self._amended = False
        entry["hash"] = event_hash(self.request["head"], entry)
        self.request["events"] = entry["sequence"]
        self.request["head"] = entry["hash"]
        self.unit.insert(event, entry)

    def note_of(self, event: Mapping[Any, Any]) -> Any:
        """What was sealed with one of its events; None, too, for what was changed where it is kept: the chain says so."""
        try:
            return self.box.unseal(event["sealed"], kept_at("event.sealed", event["sequence"]))
        except InvalidTag:
            return None

    def advance(
        self,
        moved: Handoff,
        act: Act,
        at: datetime,
        actor: str,
        *,
        data: Mapping[str, Any] | None = None,
        note: Any = None,
    ) -> None:
        """Move a handoff and write its event. Raises ValueError for a move that the lifecycle forbids."""
        status = target(moved.status, act)
        if status is None:
            raise ValueError(f"{act} does not move a handoff that is {moved.status}")
        moves = {"from": moved.status, "to": status, **(data or {})}
        moved.status = status
        moved.closed_at = at if status in ENDED else None
        if status is not HandoffStatus.SUSPENDED:
            moved.suspended_for = moved.suspended_at = None
        if status in SIGNED_FOR and self.is_emergency:
            self.unit.woken.add(signing_bell(self.id))
        self.touch(moved)
        self.record(f"handoff.{act}", at, actor, handoff_id=moved.id, data=moves, note=note)

    def withdraw(self, at: datetime, actor: str, reason: str | None) -> None:
        """The person took the request back; its open handoffs must have been cancelled."""
        for each in self.disputes.values():
            each.withdraw(self.unit)
        self.disputes.clear()
        if self.request["debts"]:
            self.unit.update(_FORGO, {"b_request_id": self.id, "b_at": at, "b_actor": actor})
            self.request["debts"] = 0
        self._become(RequestStatus.WITHDRAWN, at, actor, note={"reason": reason} if reason else None)

    def settle(self, at: datetime, actor: str) -> None:
        """Derive the request's status from its handoffs; an event of its own when it changed."""
        if self.status is RequestStatus.WITHDRAWN:
            return
        led = {each.need for each in self.handoffs if each.role is Role.LEAD}
        derived = request_status(
            (
                # A co-handler that merely assists may return its part: nobody else has to take it.
                Standing(
                    each.status,
                    each.suspended_for == "applicant" or each.waits_for_consent,
                    each.replaced_by is not None or not each.mandatory,
                )
                for each in self.handoffs
                if each.role is not Role.INFORMED
            ),
            unled=any(each["need"] not in led for each in self.request["decision"]["needs"]),
            owed=self.request["debts"] > 0,
        )
        if derived is not self.status:
            self._become(derived, at, actor)
            if self.has_ended:
                self._dismiss_informed(at, actor)

    def _dismiss_informed(self, at: datetime, actor: str) -> None:
        """Who was only to be informed owes no answer: what it has not signed for ends with the request."""
        for each in self.handoffs:
            if each.role is Role.INFORMED and each.is_open:
                each.reason = "request_closed"
                self.advance(each, Act.CANCELLED, at, actor, data={"reason": each.reason})

    def _become(self, status: RequestStatus, at: datetime, actor: str, note: Any = None) -> None:
        before = self.status
        self.request["status"] = str(status)
        self.request["closed_at"] = at if self.has_ended else None
        self.record(f"request.{status}", at, actor, data={"from": str(before), "to": str(status)}, note=note)

    def changed(self) -> list[Handoff]:
        """The handoffs that are stored with the next unit: every one of a new request, else those that were touched."""
        return [each for each in self.handoffs if self.is_new or each.id in self._changed]

    def finish(self) -> Unit:
        """The unit of work that stores everything that was done to the case since the last one."""
        if self._amended:
            raise RuntimeError(_AMENDED)
        unit, self.unit = self.unit, Unit()
        if self.is_new:
            unit.insert(help_request, self.request)
            unit.insert(handoff, *map(self._placed, self.handoffs))
        else:
            for each in self.changed():
                unit.update(_UPDATE_HANDOFF, {"b_id": each.id, **dict(zip(_MOVING, _moving(each), strict=True))})
            names = ("id", *HEAD)
            unit.update(_UPDATE_REQUEST, {f"b_{name}": self.request[name] for name in names})
            unit.woken.add(timeline_bell(self.id))  # of a new one nobody can have a page open
        self._changed.clear()
        return unit

    def _placed(self, opened: Handoff) -> Handoff:
        opened.division_code = self.request["division_code"]
        return opened

    def take_part(self, taker: Handoff, part: Handoff) -> None:
        """Let a handoff that is already stored play another one's part in its need."""
        for name in _PART:
            setattr(taker, name, getattr(part, name))
        self.unit.update(_UPDATE_PART, {"b_id": taker.id, **{name: getattr(part, name) for name in _PART}})

    def open_more(self, opened: Handoff) -> None:
        """Add a handoff to a request that is already stored (the old one's replacement)."""
        self.handoffs.append(opened)
        self.unit.insert(handoff, self._placed(opened))
        self.touch(opened)

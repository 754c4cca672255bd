"""Queries: what happened, why it was routed so, what was sent. A page at a time, newest first, by right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app import disclosures, feedback, gates, looking, presenting, rights, same_person
from app.delivery import outbox
from app.desk import Desk
from app.disclosure import SITUATION, groups_held
from app.etags import etag
from app.guests import SIGNED_IN
from app.handoff_views import disclosed_view, view
from app.handoffs import is_with
from app.hashchain import first_break
from app.identifiers import now
from app.jurisdictions import Conditions, deliveries_within, within
from app.keys import Key, KeyRole
from app.last_events import last_event
from app.lifecycle import RequestStatus
from app.loading import from_row, stored_case
from app.office import Office, again_if_outdated
from app.paged import PageAsked, newest_first, of_each, of_place, page_of, steps
from app.problems import Problem
from app.purposes import Purpose, Way
from app.receipts import token_hash
from app.registry import Snapshot
from app.sealing import CANT_BE_OPENED, SHUT_BOX, Box, kept_at
from app.service_key import service_box
from app.shown import groups_shown
from app.tables import callback, callback_refused, delivery, delivery_attempt, event, guest_link, handoff, help_request
from app.timeline import Case, allowed_now

log = structlog.get_logger()
_OF_REQUEST = ("receipt_number", "division_code", "registered_at", "closed_at")
HANDOFFS = select(handoff, *(help_request.c[name].label(f"request_{name}") for name in _OF_REQUEST)).join_from(
    handoff, help_request, handoff.c.request_id == help_request.c.id
)
_OF_SITUATION = ("situation", "place", "people", "position")
_SHOWN_TO_THE_PERSON = 20
_ENDED = (RequestStatus.CLOSED, RequestStatus.WITHDRAWN)
_NO_PERSON = [column for column in help_request.c if column.name not in ("sealed", "decision")]


async def requests(
    office: Office, key: Key, page: PageAsked, status: str | None, emergency: bool | None
) -> dict[str, Any]:
    wanted = [] if status is None else [help_request.c.status == status]
    if emergency is not None:
        wanted.append(help_request.c.emergency.is_not(None) if emergency else help_request.c.emergency.is_(None))
    query = select(*_NO_PERSON).where(*wanted)
    # What is open, disputed or an emergency is few everywhere, and has its own index; what has ended is not.
    is_few = emergency is True or status not in (None, *_ENDED)
    if key.division_code is None or key.role is KeyRole.INTAKE or is_few:
        query = query.where(*rights.reached(key))
    else:
        query = query.where(help_request.c.id.in_(await _newest_ids(office, key, page, wanted)))
    rows, next_cursor = await page_of(office.database, query, help_request.c.id, page)
    return {"items": [presenting.request_summary(row) for row in rows], "next_cursor": next_cursor}


async def _newest_ids(
    office: Office, key: Key, page: PageAsked, wanted: Sequence[ColumnElement[bool]] = ()
) -> Select[Any]:
    """Enough for a page of those that are wanted; a door also reaches what it took in of other places."""
    codes = steps((await office.registry.current()).divisions, key.division_code)
    each_one: list[Conditions] = [(help_request.c.division_code == code,) for code in codes] or [rights.reached(key)]
    if codes and key.role in rights.TAKE_IN:
        each_one.append((help_request.c.registered_by == key.holder,))
    return of_each(newest_first(select(help_request.c.id).where(*wanted), help_request.c.id, page), each_one)


@again_if_outdated
async def request(office: Office, key: Key, request_id: UUID, purpose: Purpose | None = None) -> dict[str, Any]:
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        case = await _case(connection, key, help_request.c.id == request_id)
        needs = {each["need"] for each in case.request["decision"]["needs"]}
        with_person = rights.sees_people(key) and case.request["erased_at"] is None
        again = await same_person.others(connection, case.request, needs) if with_person else []
    seen = presenting.request_view(case, snapshot, with_person=with_person, same_person=again)
    if with_person:
        await looking.record(office, key, case, Way.REQUEST, groups_held(case.person), purpose)
        others = {each.request_id for each in again}
        await looking.record_each(office, key, others, Way.SEARCH, same_person.TOLD, purpose, others)
    return seen


async def timeline(office: Office, key: Key, request_id: UUID, purpose: Purpose | None = None) -> dict[str, Any]:
    async with office.database.reading() as connection:
        case = await _case(connection, key, help_request.c.id == request_id)
        events = await _events(connection, request_id)
    # Events may have been added between the two queries; the head that was read ends the part that is checked.
    events = events[: case.request["events"]]
    with_notes = (
        rights.sees_people(key)
        and case.request["erased_at"] is None
        and any(row["sealed"] is not None for row in events)
    )
    if with_notes:
        await looking.record(office, key, case, Way.TIMELINE, ("notes",), purpose)
    return {
        "request_id": request_id,
        "events": [
            {
                **{name: row[name] for name in ("sequence", "at", "kind", "actor", "handoff_id", "data")},
                "note": case.note_of(row) if with_notes else None,
                "hash": row["hash"].hex(),
            }
            for row in events
        ],
        "intact": first_break(events, case.request["head"]) is None,
    }


@again_if_outdated
async def decision(office: Office, key: Key, request_id: UUID, purpose: Purpose | None = None) -> dict[str, Any]:
    """Raises `not_found`, `purpose_needed`."""
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        case = await _case(connection, key, help_request.c.id == request_id)
    told = rights.sees_people(key) and case.request["erased_at"] is None
    if told:
        await looking.record(office, key, case, Way.REQUEST, ("routing",), purpose)
    record, place = case.request["decision"], case.request["division_code"]
    return presenting.decision(record, snapshot, place, with_conditions=told)


@again_if_outdated
async def tracked(office: Office, token: str) -> dict[str, Any]:
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        case = await _case(connection, None, help_request.c.tracking_hash == token_hash(token))
        events = (await _events(connection, case.id))[: case.request["events"]]
        who_saw = await disclosures.for_the_person(connection, case.id, events, snapshot, _SHOWN_TO_THE_PERSON)
        said = await feedback.given(connection, case, feedback.closing_of(case, events))
    return {**presenting.tracked(case, events, snapshot, now()), "disclosures": who_saw, **said}


@again_if_outdated
async def handoffs(
    office: Office, key: Key, page: PageAsked, status: str | None, agency_code: str | None
) -> dict[str, Any]:
    """An agency's inbox holds what was dispatched to it; others see all of their jurisdiction."""
    if key.role is KeyRole.AGENCY:
        if agency_code not in (None, key.agency_code):
            return {"items": [], "next_cursor": None}
        agency_code = key.agency_code
    snapshot = await office.registry.current()
    wanted: Conditions = ()
    if key.role is KeyRole.AGENCY:
        wanted += (handoff.c.dispatched_at.is_not(None),)
    if status is not None:
        wanted += (handoff.c.status == status,)
    if agency_code is not None:
        wanted += (handoff.c.agency_code == agency_code, *within(key.division_code))
    else:
        newest = newest_first(select(handoff.c.id), handoff.c.id, page)
        wanted = of_place(newest, wanted, handoff.c.division_code, snapshot.divisions, key.division_code)
    query = HANDOFFS.where(*wanted)
    rows, next_cursor = await page_of(office.database, query, handoff.c.id, page)
    return {
        "items": [listed(dict(row), snapshot, office.settings.public_url) for row in rows],
        "next_cursor": next_cursor,
    }


@again_if_outdated
async def one_handoff(
    office: Office,
    key: Key,
    handoff_id: UUID,
    public_url: str | None,
    way: Way = Way.HANDOFF,
    purpose: Purpose | None = None,
) -> dict[str, Any]:
    """A handoff with what its rule discloses; only its own agency is shown the person, and the situation in an
    emergency; who may see people is shown the latter."""
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        request_id = await connection.scalar(select(handoff.c.request_id).where(handoff.c.id == handoff_id))
        if request_id is None:
            raise Problem("not_found")
        # Before the rest: a tag may be older than what is shown with it, never newer.
        version = etag(await last_event(connection, request_id, handoff_id))
        case = await _case(connection, None, help_request.c.id == request_id)
        found = case.handoff(handoff_id)
        own = key.agency_code == found.agency_code
        again = await same_person.own_handoffs(connection, case.request, found.id, found.agency_code) if own else []
    if key.role is not KeyRole.AGENCY:
        rights.must_reach(key, case.request)
    elif not own or found.dispatched_at is None:
        raise Problem("not_found")
    desk = Desk(snapshot, now(), key.actor, public_url)
    opened = gates.opened(case, found, snapshot, desk.at)
    seen = disclosed_view(case, found, opened, desk)
    handles = own and is_with(found) and case.request["erased_at"] is None
    groups = groups_shown(case, opened) if handles else []
    if not handles:
        seen["person"] = None
        if case.is_emergency and (case.request["erased_at"] is not None or not rights.sees_people(key)):
            seen |= dict.fromkeys(_OF_SITUATION)
        elif case.is_emergency:
            groups = [SITUATION]
    if groups:
        await looking.record(office, key, case, way, groups, purpose, found)
    stands = presenting.standing(found, case.request, snapshot, desk.at)
    since = gates.withdrawn_at(case, found, snapshot, desk.at)
    more = {"consent_withdrawn_at": since, "allowed": allowed_now(found), "etag": version}
    return {**seen, **stands, "same_person": again, **more}


async def callbacks(office: Office, key: Key, handoff_id: UUID, page: PageAsked) -> dict[str, Any]:
    """What was reported on a handoff, accepted and refused. Raises `not_found`."""
    shared = ("id", "webhook_id", "received_at", "digest", "signature")
    only = ("type", "sent_at", "signed_at", "bulk_id", "applied")
    accepted = select(*(callback.c[name] for name in (*shared, *only)), null().label("code"))
    refused = select(
        *(callback_refused.c[name] for name in shared), *(null().label(name) for name in only), callback_refused.c.code
    )
    both = union_all(
        accepted.where(callback.c.handoff_id == handoff_id), refused.where(callback_refused.c.handoff_id == handoff_id)
    ).subquery()
    async with office.database.reading() as connection:
        await rights.request_of(connection, key, handoff_id)
    rows, next_cursor = await page_of(office.database, select(both), both.c.id, page)
    return {"items": [_callback(row) for row in rows], "next_cursor": next_cursor}


@again_if_outdated
async def deliveries(
    office: Office, key: Key, page: PageAsked, status: str | None, agency_code: str | None, subscription_id: UUID | None
) -> dict[str, Any]:
    snapshot = await office.registry.current()
    query = select(*_delivery_columns()).where(*deliveries_within(key.division_code))
    if status is not None:
        query = query.where(delivery.c.status == status)
    if agency_code is not None:
        query = query.where(delivery.c.receiver == agency_code)
    if subscription_id is not None:
        query = query.where(delivery.c.receiver == str(subscription_id))
    rows, next_cursor = await page_of(office.database, query, delivery.c.id, page)
    return {"items": [_delivery(row, snapshot) for row in rows], "next_cursor": next_cursor}


@again_if_outdated
async def one_delivery(office: Office, key: Key, delivery_id: UUID, purpose: Purpose | None = None) -> dict[str, Any]:
    """What an endpoint answered may echo the person: it is shown to those who may see people."""
    snapshot = await office.registry.current()
    tries = (
        select(delivery_attempt)
        .where(delivery_attempt.c.delivery_id == delivery_id)
        .order_by(delivery_attempt.c.started_at)
    )
    async with office.database.reading() as connection:
        columns = (*_delivery_columns(), delivery.c.digest)
        found = select(*columns).where(delivery.c.id == delivery_id, *deliveries_within(key.division_code))
        row = (await connection.execute(found)).mappings().first()
        if row is None:
            raise Problem("not_found")
        attempts = (await connection.execute(tries)).mappings().all()
        with_people = rights.sees_people(key)
        of = row["request_id"]
        case: Case | None = None
        box: Box = SHUT_BOX
        digest: bytes | None = None
        try:
            case = await _case(connection, None, help_request.c.id == of) if with_people and of else None
            box = case.box if case is not None else await service_box(connection)
            digest = outbox.digest_of(box, row) if with_people else None
        except CANT_BE_OPENED:  # why it could not be delivered is told all the same
            log.error("request_unreadable", request_id=str(of))
    if case is not None and attempts and case.request["erased_at"] is None:
        await looking.record(office, key, case, Way.DELIVERY, ("notes",), purpose)
    seen = [_attempt(each, box, with_people) for each in attempts]
    return {**_delivery(row, snapshot), "digest": digest.hex() if digest else None, "tries": seen}


async def guest_links(office: Office, key: Key, handoff_id: UUID, page: PageAsked) -> dict[str, Any]:
    """Of a handoff, those that have ended too; the timeline says which were used. Raises `not_found`."""
    async with office.database.reading() as connection:
        request_id = await rights.request_of(connection, key, handoff_id)
        used = select(event.c.data, event.c.at).where(event.c.request_id == request_id, event.c.kind == SIGNED_IN)
        by_link = {row.data["guest_link"]: row.at for row in await connection.execute(used.order_by(event.c.sequence))}
    names = ("created_at", "created_by", "expires_at", "revoked_at")
    query = select(guest_link.c.id, *(guest_link.c[name] for name in names)).where(
        guest_link.c.handoff_id == handoff_id
    )
    rows, next_cursor = await page_of(office.database, query, guest_link.c.id, page)
    items = [
        {
            "guest_link_id": row["id"],
            **{name: row[name] for name in names},
            "signed_in_at": by_link.get(str(row["id"])),
        }
        for row in rows
    ]
    return {"items": items, "next_cursor": next_cursor}


async def case_of(office: Office, request_id: UUID) -> Case:
    """To be looked at alone: whoever reads it has to ask whether it may. Raises `not_found`."""
    async with office.database.reading() as connection:
        return await _case(connection, None, help_request.c.id == request_id)


async def _case(connection: AsyncConnection, key: Key | None, which: ColumnElement[bool]) -> Case:
    row = (await connection.execute(select(help_request).where(which))).mappings().first()
    if row is None or (key is not None and not rights.reaches(key, row)):
        raise Problem("not_found")
    of_request = select(handoff).where(handoff.c.request_id == row["id"]).order_by(handoff.c.step, handoff.c.id)
    rows = (await connection.execute(of_request)).mappings()
    case = stored_case(connection, row)
    case.handoffs.extend(from_row(each) for each in rows)
    return case


async def _events(connection: AsyncConnection, request_id: UUID) -> list[Mapping[Any, Any]]:
    of_request = select(event).where(event.c.request_id == request_id).order_by(event.c.sequence)
    return list((await connection.execute(of_request)).mappings())


def listed(row: dict[str, Any], snapshot: Snapshot, public_url: str | None) -> dict[str, Any]:
    """A row of `HANDOFFS` as an inbox shows it."""
    request = {name: row.pop(f"request_{name}") for name in _OF_REQUEST}
    found = from_row(row)
    desk = Desk(snapshot, now(), "", public_url)
    told = {"told": found.told, "told_at": found.told_at}
    return {**view(request, found, desk), **presenting.standing(found, request, snapshot, desk.at), **told}


def _callback(row: Mapping[Any, Any]) -> dict[str, Any]:
    names = ("webhook_id", "type", "code", "signed_at", "received_at", "signature", "bulk_id")
    return {
        "outcome": "refused" if row["code"] else "applied" if row["applied"] else "recorded",
        **{name: row[name] for name in names},
        "happened_at": row["sent_at"],
        "digest": row["digest"].hex(),
    }


def _delivery_columns() -> list[ColumnElement[Any]]:
    return [column for column in delivery.c if column.name not in ("sealed", "digest")]


def _delivery(row: Mapping[Any, Any], snapshot: Snapshot) -> dict[str, Any]:
    of_subscription = row["receiver"] in snapshot.subscriptions
    return {
        "delivery_id": row["id"],
        "agency": None if of_subscription else row["receiver"],
        "agency_phone": None if of_subscription else snapshot.directory.agencies[row["receiver"]].phone,
        "subscription": row["receiver"] if of_subscription else None,
        "request_id": row["request_id"],
        "handoff_id": row["handoff_id"],
        "type": row["type"],
        "status": row["status"],
        "attempts": row["attempts"],
        "created_at": row["created_at"],
        "next_try_at": row["due_at"] if row["status"] == "pending" else None,
        "ended_at": row["ended_at"],
    }


def _attempt(row: Mapping[Any, Any], box: Box, with_answer: bool) -> dict[str, Any]:
    names = ("number", "started_at", "milliseconds", "status_code", "fault")
    answer = ""
    if with_answer:
        answered = box.unseal_bytes(row["sealed"], kept_at("delivery_attempt.sealed", row["id"]))
        answer = (answered or b"").decode("utf-8", "replace")
    return {**{name: row[name] for name in names}, "answer": answer}

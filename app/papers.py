"""Attachments as they are shown: listed, opened by a link, to whom they may be."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import attachment_links, gates, looking, rights, sessions
from app.attachment_groups import group_of, is_opened
from app.attachments import added, files_of
from app.cleaning.kinds import ENDINGS
from app.delivery.notices import finish
from app.file_store import FileStore
from app.handoffs import is_with
from app.identifiers import now
from app.keys import Key, KeyRole
from app.ledger import write_units
from app.loading import from_row, load, stored_case
from app.office import Office, again_if_outdated
from app.problems import Problem, Text
from app.purposes import Purpose, Way
from app.registry import Snapshot
from app.sealed_files import opening
from app.sealing import CANT_BE_OPENED, Box, kept_at
from app.tables import attachment, handoff, help_request, used_link
from app.timeline import Case, Handoff

log = structlog.get_logger()


@dataclass(frozen=True)
class Paper:
    """An attachment on its way to who may see it."""

    kind: str
    size: int
    name: str
    content: AsyncIterator[bytes]


@again_if_outdated
async def listed(office: Office, key: Key, request_id: UUID, purpose: Purpose | None = None) -> dict[str, Any]:
    """Those of a request that a key may see, in the order they came. Titles and names are what somebody wrote: that they
    were read is recorded. Raises `not_found`, `purpose_needed`."""
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        found = select(help_request).where(help_request.c.id == request_id)
        request = (await connection.execute(found)).mappings().first()
        if request is None:
            raise Problem("not_found")
        sees = await _sees(connection, key, request, snapshot)
        of_request = select(attachment).where(attachment.c.request_id == request_id, attachment.c.removed_at.is_(None))
        rows = (await connection.execute(of_request.order_by(attachment.c.id))).mappings().all()
        case = stored_case(connection, request)
        if key.role is KeyRole.AGENCY:
            case.handoffs += await _parts(connection, key, request_id)
    with_title = key.role is KeyRole.AGENCY or rights.sees_people(key)
    items = [_seen(row, case.box, with_title) for row in rows if sees(row["material"])]
    if read := [each for each in items if each["title"] or each["name"]]:
        part = _part(case, key, read[0]["material"], snapshot)
        way = Way.HANDOFF if part is not None else Way.REQUEST
        await looking.record(office, key, case, way, ("papers",), purpose, part)
    return {"items": items}


@again_if_outdated
async def link(
    office: Office, key: Key, attachment_id: UUID, address: str, purpose: Purpose | None = None
) -> dict[str, Any]:
    """Raises `not_found`, for what the key may not see too, `purpose_needed`."""
    looking.must_say(office, key, purpose)
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        await _must_see(connection, key, attachment_id, snapshot)
    token, ends_at = attachment_links.make(office.secret, attachment_id, key.id, now())
    stated = f"?purpose={purpose}" if purpose is not None else ""
    return {"link": f"{address}/v1/attachments/file/{token}{stated}", "ends_at": ends_at}


@again_if_outdated
async def opened(office: Office, token: str, purpose: Purpose | None = None) -> Paper:
    """By a link, once; that it was opened, and by whom, stands in the timeline and among the readings.

    Whether its caller may see it is asked anew. Raises `not_found`, `attachment_damaged`, `purpose_needed`.
    """
    snapshot, at = await office.registry.current(), now()
    found = attachment_links.read(office.secret, token, at)
    if found is None:
        raise _no_such_link()
    files = files_of(office)
    async with office.database.writing() as connection:
        key = await sessions.principal(connection, found.key_id)
        if key is None:
            raise _no_such_link()
        looking.must_say(office, key, purpose)
        row = await _must_see(connection, key, found.attachment_id, snapshot)
        case = await load(connection, row["request_id"])  # locked: of two who open it at once, one does
        use = attachment_links.use_of(token)
        if await connection.scalar(select(used_link.c.use_hash).where(used_link.c.use_hash == use)) is not None:
            raise _no_such_link()
        await connection.execute(used_link.insert(), {"use_hash": use, "ends_at": found.ends_at})
        data = {"attachment_id": str(row["id"]), "material": row["material"]}
        if key.agency_code is not None:
            data["agency"] = key.agency_code
        case.record("attachment.opened", at, key.actor, data=data)
        await write_units(connection, [finish(case, snapshot)])
        told = _told(case.box, row)
    if told is None:
        raise Problem("attachment_damaged")
    part = _part(case, key, row["material"], snapshot)
    await looking.record(office, key, case, Way.ATTACHMENT, (group_of(row["material"]),), purpose, part)
    content = _content(files, row, b64decode(told["key"]))
    return Paper(row["kind"], row["size"], _file_name(row, told), await _begun(content, row["id"]))


async def _sees(
    connection: AsyncConnection, key: Key, request: Mapping[Any, Any], snapshot: Snapshot
) -> Callable[[str | None], bool]:
    """Which of a request's papers a key may see, by what they are. Raises `not_found` if it may not see the request."""
    if key.role is not KeyRole.AGENCY:
        rights.must_reach(key, request)
        return lambda material: True
    parts = await _parts(connection, key, request["id"])
    if not any(is_with(each) for each in parts):
        raise Problem("not_found")
    case = stored_case(connection, request)
    groups = {group for each in parts if is_with(each) for group in gates.opened(case, each, snapshot, now()).groups}
    return lambda material: is_opened(material, groups)


async def _parts(connection: AsyncConnection, key: Key, request_id: UUID) -> list[Handoff]:
    own = (handoff.c.request_id == request_id) & (handoff.c.agency_code == key.agency_code)
    return [from_row(each) for each in (await connection.execute(select(handoff).where(own))).mappings()]


async def _must_see(
    connection: AsyncConnection, key: Key, attachment_id: UUID, snapshot: Snapshot
) -> Mapping[Any, Any]:
    row = (await connection.execute(select(attachment).where(attachment.c.id == attachment_id))).mappings().first()
    if row is None or row["removed_at"] is not None:
        raise Problem("not_found")
    found = select(help_request).where(help_request.c.id == row["request_id"])
    request = (await connection.execute(found)).mappings().one()
    if not (await _sees(connection, key, request, snapshot))(row["material"]):
        raise Problem("not_found")
    return row


def _part(case: Case, key: Key, material: str | None, snapshot: Snapshot) -> Handoff | None:
    """The part that opens a paper to an agency."""
    own = (each for each in case.handoffs if each.agency_code == key.agency_code and is_with(each))
    return next((each for each in own if is_opened(material, gates.opened(case, each, snapshot, now()).groups)), None)


def _no_such_link() -> Problem:
    text = Text(
        "链接无效、已过期或已打开过;请重新获取。",
        "The link is unknown, has ended or was opened already: ask for a new one.",
    )
    return Problem("not_found", text)


def _told(box: Box, row: Mapping[Any, Any]) -> dict[str, Any] | None:
    """What is kept of a paper beside its bytes; None of one that was erased or can't be opened: the others are shown."""
    try:
        told: dict[str, Any] | None = box.unseal(row["sealed"], kept_at("attachment.sealed", row["id"]))
    except CANT_BE_OPENED:
        log.error("attachment_damaged", attachment=str(row["id"]))
        return None
    return told


def _seen(row: Mapping[Any, Any], box: Box, with_title: bool) -> dict[str, Any]:
    told = (_told(box, row) if with_title else None) or {}
    return {**added(row), "title": told.get("title"), "name": told.get("name")}


def _file_name(row: Mapping[Any, Any], told: Mapping[str, Any]) -> str:
    given = (told["name"] or "").rpartition(".")[0] or told["name"]
    return (told["title"] or given or row["id"].hex) + ENDINGS[row["kind"]]


async def _content(files: FileStore, row: Mapping[Any, Any], file_key: bytes) -> AsyncIterator[bytes]:
    pieces = opening(file_key, row["id"].bytes)
    async for part in files.get(row["file"]):
        if done := pieces.add(part):
            yield done
    yield pieces.end()


async def _begun(content: AsyncIterator[bytes], attachment_id: UUID) -> AsyncIterator[bytes]:
    """Its beginning is opened before anything is answered; damage farther on cuts the answer off."""

    async def following(first: bytes) -> AsyncIterator[bytes]:
        yield first
        try:
            async for each in content:
                yield each
        except (InvalidTag, FileNotFoundError):
            log.error("attachment_damaged", attachment=str(attachment_id))
            raise

    try:
        return following(await anext(content))
    except (InvalidTag, FileNotFoundError):
        log.error("attachment_damaged", attachment=str(attachment_id))
        raise Problem("attachment_damaged") from None

"""Attachments (附件): papers added to a request, cleaned and sealed, and taken away for good. Who sees them: `papers`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import checks, gates, rights
from app.attachment_groups import group_of, is_opened
from app.cleaning.faults import Fault, FaultyFileError
from app.cleaning.kinds import Kind, kind_of
from app.cleaning.process import cleaned
from app.db import Database
from app.delivery.notices import finish
from app.desk import Desk
from app.disclosure import PAPERS
from app.disclosures import ATTACHMENT_TOLD
from app.file_store import FileStore
from app.gates import Opened
from app.handoffs import is_with, tell
from app.identifiers import new_id, now
from app.keys import Key
from app.ledger import write_units
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid, unavailable
from app.registry import Snapshot
from app.repeats import Repeat, first_answer
from app.sealed_files import Spool
from app.sealing import kept_at, new_file_key
from app.shown import disclosure
from app.tables import attachment, file_to_remove, help_request, idempotency
from app.timeline import Case, Handoff
from app.uploads import Upload
from app.wire import to_json

MOST = 40
_WRITTEN_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Giver:
    """Who adds something, and whether a request (its row) is one that they may add to."""

    actor: str
    reaches: Callable[[Mapping[Any, Any]], bool]

    @classmethod
    def of(cls, key: Key) -> Giver:
        return cls(key.actor, lambda request: rights.reaches(key, request))


async def must_be_reached(office: Office, giver: Giver, request_id: UUID) -> None:
    """Asked before a file is sent. Raises `not_found`, `already_closed`, `attachments_off`."""
    async with office.database.reading() as connection:
        found = select(help_request).where(help_request.c.id == request_id)
        row = (await connection.execute(found)).mappings().first()
    if row is None or not giver.reaches(row):
        raise Problem("not_found")
    _must_be_open(row)
    files_of(office)


@again_if_outdated
async def keep(office: Office, giver: Giver, request_id: UUID, upload: Upload, repeat: Repeat | None) -> bytes:
    """Keep a file with its request, and tell the agencies that have it and are shown it.

    Answers with an `AttachmentAdded`, JSON. Raises `validation_failed`, `file_type_refused`, `file_unusable`,
    `attachments_full`, `idempotency_conflict`, and what `must_be_reached` does.
    """
    files, snapshot = files_of(office), await office.registry.current()
    kind = _must_be_usable(upload, snapshot)
    async with office.database.reading() as connection:
        if repeat and (first := await first_answer(connection, repeat)):
            return bytes(first.answer)
        await _must_fit(connection, request_id)
    attachment_id, file_key = new_id(), new_file_key(office.settings.cipher)
    clean = Spool(file_key, attachment_id.bytes)
    try:
        async with office.cleaning:
            await _clean(upload.content, kind, clean)
        await _will_write(office.database, attachment_id.hex)
        await files.put(attachment_id.hex, clean.sealed)
        row: dict[str, Any] = {
            "id": attachment_id,
            "request_id": request_id,
            "material": upload.material,
            "kind": kind.kept_as,
            "size": clean.size,
            "file": attachment_id.hex,
            "created_at": now(),
            "created_by": giver.actor,
            "removed_at": None,
        }
        told = {"title": upload.title, "name": upload.name, "digest": clean.digest.hex()}
    finally:
        clean.close()
    desk = Desk(snapshot, row["created_at"], giver.actor, office.settings.public_url)
    return await _enter(office, giver, row, told, file_key, desk, repeat)


async def _enter(
    office: Office,
    giver: Giver,
    row: dict[str, Any],
    told: dict[str, Any],
    file_key: bytes,
    desk: Desk,
    repeat: Repeat | None,
) -> bytes:
    """The file is there: it becomes an attachment, or is swept away later."""
    async with office.database.writing() as connection:
        case = await load(connection, row["request_id"])
        if not giver.reaches(case.request):
            raise Problem("not_found")
        if repeat and (first := await first_answer(connection, repeat)):
            return bytes(first.answer)
        _must_be_open(case.request)
        await _must_fit(connection, case.id)
        if (await connection.execute(_no_longer_to_remove(row["file"]))).rowcount != 1:
            raise unavailable()  # it took so long that the file was swept away
        open_ = {name: row[name] for name in ("material", "kind", "size")}
        case.record("attachment.added", desk.at, desk.actor, data={"attachment_id": row["id"], **open_}, note=told)
        for each in case.handoffs:
            if each.is_open and is_with(each):
                opened = gates.opened(case, each, desk.snapshot, desk.at)
                if is_opened(row["material"], opened.groups):
                    _tell(case, each, opened, row, desk)
        answer = to_json(added(row))
        unit = finish(case, desk.snapshot)
        sealed = case.box.seal({**told, "key": b64encode(file_key).decode()}, kept_at("attachment.sealed", row["id"]))
        unit.insert(attachment, {**row, "sealed": sealed})
        if repeat:
            unit.insert(idempotency, repeat.row(case.id, desk.at, answer))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


async def forget_all(connection: AsyncConnection, request_id: UUID, at: datetime) -> int:
    """Of an erased request, inside the caller's transaction: their keys are destroyed, the sweep removes the files; how many
    there were."""
    kept = attachment.c.request_id == request_id, attachment.c.removed_at.is_(None)
    files = (await connection.scalars(select(attachment.c.file).where(*kept))).all()
    if files:
        await connection.execute(update(attachment).where(*kept).values(removed_at=at, sealed=None))
        await connection.execute(file_to_remove.insert(), [{"file": file, "due_at": at} for file in files])
    return len(files)


def files_of(office: Office) -> FileStore:
    if office.files is None:
        raise Problem("attachments_off")
    return office.files


def _must_be_usable(upload: Upload, snapshot: Snapshot) -> Kind:
    if not upload.content.size:
        text = Text("文件是空的。", "The file is empty.")
        raise invalid(FieldError("/file", "file_empty", text))
    if upload.material is not None and upload.material not in snapshot.materials:
        hint = Text("代码见 GET /v1/needs;也可以不填。", "GET /v1/needs lists the codes; it may be left out.")
        raise invalid(checks.unknown_code("/material", "material", upload.material, list(snapshot.materials), hint))
    kind = kind_of(upload.content.head)
    if kind is None:
        raise Problem("file_type_refused")
    return kind


_FAULTS = {
    Fault.BROKEN: None,
    Fault.TOO_LARGE: Text(
        "图像尺寸或页数过大,请用较低分辨率重新拍照,或分成几个文件。",
        "It has too many pixels or pages: take it at a lower resolution, or make several files of it.",
    ),
    Fault.LOCKED: Text("PDF 有密码,请去掉密码后再上传。", "The PDF has a password: save it without one."),
}


async def _clean(given: Spool, kind: Kind, into: Spool) -> None:
    try:
        await cleaned(given, kind, into)
    except FaultyFileError as error:
        raise Problem("file_unusable", _FAULTS[error.fault]) from None


def _must_be_open(request: Mapping[Any, Any]) -> None:
    if request["closed_at"] is not None or request["erased_at"] is not None:
        raise Problem("already_closed")


async def _must_fit(connection: AsyncConnection, request_id: UUID) -> None:
    kept = attachment.c.request_id == request_id, attachment.c.removed_at.is_(None)
    if (await connection.scalar(select(func.count()).where(*kept)) or 0) >= MOST:
        raise Problem("attachments_full")


async def _will_write(database: Database, file: str) -> None:
    async with database.writing() as connection:
        await connection.execute(file_to_remove.insert(), {"file": file, "due_at": now() + _WRITTEN_WITHIN})


def _no_longer_to_remove(file: str) -> Any:
    return delete(file_to_remove).where(file_to_remove.c.file == file)


def _tell(case: Case, part: Handoff, opened: Opened, row: Mapping[str, Any], desk: Desk) -> None:
    materials = [row["material"]] if row["material"] else []
    told: dict[str, Any] = {"materials": materials, "facts": {}, "note": None, "attachments": [row["id"]]}
    # What it is a paper of tells a circumstance; its id alone does not.
    if data := disclosure(part, opened.rule, [PAPERS] if materials else [], desk.snapshot):
        case.record(ATTACHMENT_TOLD, desk.at, desk.actor, handoff_id=part.id, data={"attachment_id": row["id"], **data})
    tell(case, part, "handoff.supplemented", desk, supplement=told)


def added(row: Mapping[Any, Any]) -> dict[str, Any]:
    names = ("request_id", "material", "kind", "size", "created_at")
    return {"attachment_id": row["id"], "group": group_of(row["material"]), **{name: row[name] for name in names}}

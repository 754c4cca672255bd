"""Idempotency-Key: a call that creates is done once, however often it is sent; its first answer is kept."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.constraints import IDEMPOTENCY_KEY, constraint_of
from app.db import Database
from app.identifiers import now
from app.keys import Key
from app.problems import Problem
from app.sealing import kept_at
from app.service_key import service_box
from app.tables import idempotency
from app.wire import to_json


@dataclass(frozen=True, slots=True)
class Repeat:
    """An Idempotency-Key as stored: by hash, with the digest of the body that it came with. That is keyed: by a plain one a
    guess of who is in the body could be confirmed."""

    key_id: UUID
    key_hash: bytes
    digest: bytes

    @classmethod
    def of(cls, secret: bytes, key: Key, idempotency_key: str, path: str, body: bytes) -> Repeat:
        """`secret`: the service's."""
        named = hashlib.sha256(idempotency_key.encode()).digest()
        return cls(key.holder, named, hmac.digest(secret, b"idempotency:" + path.encode() + b"\n" + body, "sha256"))

    @property
    def place(self) -> bytes:
        """Of an answer that is kept sealed."""
        return kept_at("idempotency.answer", self.key_id, self.key_hash.hex())

    def row(self, request_id: UUID | None, at: datetime, answer: bytes) -> dict[str, Any]:
        return {
            "api_key_id": self.key_id,
            "key_hash": self.key_hash,
            "digest": self.digest,
            "request_id": request_id,
            "created_at": at,
            "answer": answer,
        }


async def first_answer(connection: AsyncConnection, repeat: Repeat) -> Row[bytes, UUID | None, bytes] | None:
    """What this key was answered the first time: digest, request_id, answer. Raises `idempotency_conflict`."""
    stored = select(idempotency.c.digest, idempotency.c.request_id, idempotency.c.answer).where(
        idempotency.c.api_key_id == repeat.key_id, idempotency.c.key_hash == repeat.key_hash
    )
    row = (await connection.execute(stored)).first()
    if row is not None and row.digest != repeat.digest:
        raise Problem("idempotency_conflict")
    return row


async def once(
    database: Database,
    repeat: Repeat | None,
    make: Callable[[AsyncConnection], Awaitable[dict[str, Any]]],
    taken: str = "",
) -> bytes:
    """What `make` answers, JSON, or what it answered the first time; for answers that hold a signing secret.

    Two at the same moment, which meet at the key or at the constraint `taken`: the later one looks again. So it does where
    `make` refuses: what is in its way may be what the first one made.
    """
    try:
        return await _made(database, repeat, make)
    except IntegrityError as error:
        if constraint_of(error) not in (IDEMPOTENCY_KEY, taken):
            raise
    except Problem:
        if repeat is None:
            raise
        async with database.reading() as connection:
            if (first := await _answered(connection, repeat)) is not None:
                return first
        raise
    return await _made(database, repeat, make)


async def _answered(connection: AsyncConnection, repeat: Repeat) -> bytes | None:
    if (first := await first_answer(connection, repeat)) is None:
        return None
    return (await service_box(connection)).unseal_bytes(first.answer, repeat.place) or b""


async def _made(
    database: Database, repeat: Repeat | None, make: Callable[[AsyncConnection], Awaitable[dict[str, Any]]]
) -> bytes:
    async with database.writing() as connection:
        if repeat and (first := await _answered(connection, repeat)) is not None:
            return first
        answer = to_json(await make(connection))
        if repeat:
            sealed = (await service_box(connection)).seal_bytes(answer, repeat.place)
            await connection.execute(idempotency.insert(), repeat.row(None, now(), sealed))
    return answer

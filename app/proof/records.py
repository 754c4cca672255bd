"""What a proof rests on: every row of one handoff, read in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.identifiers import first_id
from app.loading import from_row
from app.problems import Problem
from app.sealing import Box, kept_at, vault_of
from app.service_key import service_box
from app.tables import (
    callback,
    callback_body,
    callback_refused,
    delivery,
    delivery_attempt,
    endpoint_secret,
    event,
    handoff,
    help_request,
)
from app.timeline import Handoff

Row = Mapping[Any, Any]
# Clocks of machines differ: a message may bear a somewhat earlier time than the handoff that it speaks of.
_EARLIEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Records:
    """Rows in the order in which they were made. `events` are the whole request's, `secrets` all that the agency
    ever had, `sent` the bytes of deliveries by their id (None: erased), `digests` what those were queued with, `bodies` those of callbacks by their digest;
    bytes that were changed where they are kept are empty."""

    handoff: Handoff
    request: Row
    events: list[Row]
    deliveries: list[Row]
    sent: Mapping[UUID, bytes | None]
    digests: Mapping[UUID, bytes | None]
    attempts: list[Row]
    callbacks: list[Row]
    bodies: Mapping[bytes, bytes]
    refused: list[Row]
    secrets: list[Row]

    @property
    def is_erased(self) -> bool:
        return self.request["erased_at"] is not None


async def read(database: Database, handoff_id: UUID) -> Records:
    """Raises `not_found`."""
    async with database.reading_as_one() as connection:
        found = await _rows(connection, select(handoff).where(handoff.c.id == handoff_id))
        if not found:
            raise Problem("not_found")
        own = from_row(found[0])
        (request,) = await _rows(connection, select(help_request).where(help_request.c.id == own.request_id))
        events = select(event).where(event.c.request_id == own.request_id).order_by(event.c.sequence)
        # By the agency's own index: an index by handoff would be paid for with every message.
        sent = select(delivery).where(
            delivery.c.receiver == own.agency_code,
            delivery.c.id >= first_id(own.opened_at - _EARLIEST),
            delivery.c.handoff_id == handoff_id,
        )
        deliveries = await _rows(connection, sent.order_by(delivery.c.id))
        tries = select(delivery_attempt).where(delivery_attempt.c.delivery_id.in_(each["id"] for each in deliveries))
        came = select(callback).where(callback.c.handoff_id == handoff_id).order_by(callback.c.id)
        callbacks = await _rows(connection, came)
        bodies = select(callback_body).where(callback_body.c.digest.in_({each["digest"] for each in callbacks}))
        refused = select(callback_refused).where(callback_refused.c.handoff_id == handoff_id)
        secrets = select(endpoint_secret).where(endpoint_secret.c.receiver == own.agency_code)
        box, service = (
            vault_of(connection).box(own.request_id.bytes, request["data_key"]),
            await service_box(connection),
        )
        return Records(
            handoff=own,
            request=request,
            events=await _rows(connection, events),
            deliveries=deliveries,
            attempts=await _rows(connection, tries.order_by(delivery_attempt.c.started_at)),
            callbacks=callbacks,
            sent={
                row["id"]: _opened(box, row["sealed"], kept_at("delivery.sealed", row["id"], row["receiver"]))
                for row in deliveries
            },
            digests={
                row["id"]: _opened(box, row["digest"], kept_at("delivery.digest", row["id"], row["receiver"]))
                for row in deliveries
            },
            bodies={
                row["digest"]: _opened(service, row["sealed"], kept_at("callback_body.sealed", row["digest"].hex()))
                or b""
                for row in await _rows(connection, bodies)
            },
            refused=await _rows(connection, refused.order_by(callback_refused.c.id)),
            secrets=[
                {
                    **row,
                    "secret": service.unseal(
                        row["sealed"], kept_at("endpoint_secret.sealed", row["id"], row["receiver"])
                    ),
                }
                for row in await _rows(connection, secrets.order_by(endpoint_secret.c.created_at.desc()))
            ],
        )


def _opened(box: Box, sealed: bytes, where: bytes) -> bytes | None:
    try:
        return box.unseal_bytes(sealed, where)
    except InvalidTag:
        return b""


async def _rows(connection: AsyncConnection, query: Any) -> list[Row]:
    return list((await connection.execute(query)).mappings())

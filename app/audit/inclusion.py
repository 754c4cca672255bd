"""A person's receipt held against the roots: how far the request had come when a root last covered it, and the way up
from its leaf. Nothing in it is about the person."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.publishing import shown
from app.audit.roots import PIECE, hash_of
from app.audit.statements import leaf_content, pem_of
from app.merkle import Step, leaf_hash, path_of
from app.office import Office
from app.problems import Problem
from app.receipts import token_hash
from app.tables import audit_key, audit_leaf, audit_piece, audit_root, help_request

Row = Mapping[Any, Any]


async def of_token(office: Office, token: str) -> dict[str, Any]:
    """An `Inclusion`. Raises `not_found`."""
    asked = select(help_request.c.id, help_request.c.receipt_number, help_request.c.events)
    async with office.database.reading_as_one() as connection:
        found = await connection.execute(asked.where(help_request.c.tracking_hash == token_hash(token)))
        request = found.mappings().first()
        if request is None:
            raise Problem("not_found")
        leaf = (await connection.execute(_last_leaf(request["id"]))).mappings().first()
        proof = await _proof(connection, leaf) if leaf is not None else None
    return {"receipt_number": request["receipt_number"], "events": request["events"], "proof": proof}


def _last_leaf(request_id: Any) -> Any:
    covered = select(audit_leaf, audit_root.c.salt, *(audit_root.c[name] for name in _OF_ROOT), audit_key.c.public_key)
    covered = covered.join_from(audit_leaf, audit_root, audit_leaf.c.day == audit_root.c.day)
    covered = covered.outerjoin(audit_key, audit_key.c.id == audit_root.c.key_id)
    covered = covered.where(audit_leaf.c.request_id == request_id, audit_root.c.signature.is_not(None))
    return covered.order_by(audit_leaf.c.day.desc()).limit(1)


_OF_ROOT = ("as_of", "root", "readings", "previous", "key_id", "signature")


async def _proof(connection: AsyncConnection, leaf: Row) -> dict[str, Any]:
    content = leaf_content(leaf["request_id"], leaf["receipt_number"], leaf["events"], leaf["head"])
    public_key = leaf["public_key"]
    return {
        "events": leaf["events"],
        "head": leaf["head"].hex(),
        "leaf": content.decode(),
        "path": [{"side": step.side, "hash": step.hash.hex()} for step in await _way_up(connection, leaf)],
        "root": shown(leaf),
        "public_key": b64encode(public_key).decode() if public_key else None,
        "public_key_pem": pem_of(public_key) if public_key else None,
    }


async def _way_up(connection: AsyncConnection, leaf: Row) -> list[Step]:
    """Within its piece, from the piece to the top, and past the salt."""
    day = leaf["day"]
    pieces = select(audit_piece.c.first, audit_piece.c.hash).where(audit_piece.c.day == day)
    all_pieces = (await connection.execute(pieces.order_by(audit_piece.c.first))).all()
    number = sum(each.first <= leaf["request_id"] for each in all_pieces) - 1
    piece = select(audit_leaf).where(audit_leaf.c.day == day, audit_leaf.c.request_id >= all_pieces[number].first)
    rows = (await connection.execute(piece.order_by(audit_leaf.c.request_id).limit(PIECE))).mappings().all()
    position = next(place for place, row in enumerate(rows) if row["request_id"] == leaf["request_id"])
    within = path_of([hash_of(row) for row in rows], position)
    return [*within, *path_of([each.hash for each in all_pieces], number), Step("left", leaf_hash(leaf["salt"]))]

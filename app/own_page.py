"""What a person does on their own page: hands in papers, and says that all that was asked for is there. The token is the
right; who has it is the person, or somebody who helps them."""

from __future__ import annotations

import hashlib
from uuid import UUID

from sqlalchemy import Row

from app import attachments, supplements
from app.attachments import Giver
from app.feedback import PERSON
from app.following import request_of
from app.office import Office
from app.problems import Problem
from app.receipts import token_hash
from app.repeats import Repeat
from app.schemas import SupplementIn
from app.uploads import Upload


async def may_give(office: Office, token: str) -> None:
    """Asked before a file is sent. Raises `not_found`, `already_closed`, `attachments_off`."""
    await attachments.must_be_reached(office, _giver(token), (await _found(office, token)).id)


async def give(office: Office, token: str, upload: Upload) -> None:
    """Keep a paper, once however often it is sent. Raises as `attachments.keep` does."""
    request = await _found(office, token)
    mark = upload.mark(office.secret)
    repeat = Repeat(request.registered_by, hashlib.sha256(b"own page:" + token.encode() + mark).digest(), mark)
    await attachments.keep(office, _giver(token), request.id, upload, repeat)


async def say_all_is_there(office: Office, token: str, said: SupplementIn) -> None:
    """Whoever waits for the person goes on; where nobody does, it was said before. Raises `not_found`, `already_closed`,
    `validation_failed`."""
    request_id = (await _found(office, token)).id
    try:
        await supplements.supplement(office, _giver(token), request_id, said, None)
    except Problem as problem:
        if problem.code != "not_waiting_for_applicant":
            raise


def _giver(token: str) -> Giver:
    digest = token_hash(token)
    return Giver(PERSON, lambda request: bool(request["tracking_hash"] == digest))


async def _found(office: Office, token: str) -> Row[UUID, UUID]:
    async with office.database.reading() as connection:
        return await request_of(connection, token)

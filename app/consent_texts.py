"""The texts that people consent to, by purpose and version: looked up, and followed by the next version."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select

from app import registry
from app.consents import ConsentText
from app.office import Office
from app.schemas_consents import ConsentTextIn
from app.tables import consent_text


async def texts(office: Office) -> dict[str, Any]:
    """`ConsentTextList`: every version, by purpose, the oldest first."""
    snapshot = await office.registry.current()
    return {"items": [described(each) for each in sorted(snapshot.consent_texts, key=lambda t: (t.purpose, t.version))]}


async def add(office: Office, asked: ConsentTextIn) -> dict[str, Any]:
    """The next version of a text (`ConsentTextSeen`). The same words from the same day again are the same version."""
    async with office.database.writing() as connection:
        await registry.held(connection)
        of_purpose = consent_text.c.purpose == asked.purpose
        last = await connection.scalar(select(func.max(consent_text.c.version)).where(of_purpose)) or 0
        newest = select(consent_text).where(of_purpose, consent_text.c.version == last)
        row = dict((await connection.execute(newest)).mappings().first() or {})
        if any(row.get(name) != value for name, value in asked.model_dump().items()):
            row = {**asked.model_dump(), "version": last + 1}
            await connection.execute(consent_text.insert(), row)
            await registry.moved(connection)
    await office.registry.refresh()
    return described(ConsentText(**row))


def described(text: ConsentText) -> dict[str, Any]:
    return {**asdict(text), "valid_from": text.valid_from.isoformat()}

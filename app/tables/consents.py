"""The texts that people consent to. The consents themselves are a part of the request's sealed data."""

from __future__ import annotations

from sqlalchemy import Column, Date, Integer, PrimaryKeyConstraint, String, Table

from app.tables.naming import metadata

consent_text = Table(
    "consent_text",
    metadata,
    Column("purpose", String(32)),
    Column("version", Integer, autoincrement=False),
    Column("valid_from", Date, nullable=False),
    Column("text_zh", String(4000), nullable=False),
    Column("text_en", String(4000), nullable=False),
    Column("source", String(120), nullable=False),
    PrimaryKeyConstraint("purpose", "version"),
)

"""Everything that one process works with, made once at its start."""

from __future__ import annotations

from dataclasses import dataclass

from app import metrics
from app.config import Settings
from app.db import Database
from app.keys import KeyRing
from app.ledger import Ledger
from app.registry import Registry


@dataclass(frozen=True)
class Office:
    settings: Settings
    secret: bytes
    database: Database
    ledger: Ledger
    registry: Registry
    keys: KeyRing

    @classmethod
    def of(cls, settings: Settings) -> Office:
        """Raises WrongSettingError; opens no connection yet."""
        secret = settings.secret_bytes()
        database = Database(settings)
        return cls(
            settings,
            secret,
            database,
            Ledger(database, group=settings.ledger_group, observe_group=metrics.LEDGER_GROUP.observe),
            Registry(database, settings.refresh_seconds),
            KeyRing(database, settings.refresh_seconds),
        )

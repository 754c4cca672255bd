"""Everything that one process works with, made once at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from app import metrics
from app.config import Settings
from app.db import Database
from app.deadlines import Pace
from app.file_store import FileStore, Folder
from app.keys import KeyRing
from app.ledger import Ledger
from app.moves import Moves
from app.oidc import Provider
from app.passwords import Passwords
from app.rates import Rates
from app.readings import DAILY, HOURLY, OWN_DAILY, Readings
from app.registry import OutdatedSnapshotError, Registry
from app.same_person import SamePerson
from app.sealing import Vault
from app.turns import Turns
from app.way import RightOfWay

_CLEANED_AT_ONCE = 2
Asked = ParamSpec("Asked")
Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Office:
    settings: Settings
    secret: bytes
    database: Database
    ledger: Ledger
    registry: Registry
    keys: KeyRing
    same_person: SamePerson
    readings: Readings
    rates: Rates
    moves: Moves
    files: FileStore | None = None  # where attachments are kept, once somebody has said where
    cleaning: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CLEANED_AT_ONCE))
    pings: Turns = field(default_factory=Turns)
    way: RightOfWay = field(default_factory=RightOfWay)
    passwords: Passwords = field(default_factory=Passwords)
    provider: Provider | None = None

    @property
    def vault(self) -> Vault:
        return self.database.vault

    @classmethod
    def of(cls, settings: Settings, secret: bytes | None = None) -> Office:
        """The secret is that of the settings, unless it is given: who hands out no tracking tokens needs none.

        Raises WrongSettingError; opens no connection yet.
        """
        secret = settings.secret_bytes() if secret is None else secret
        database, way = Database(settings), RightOfWay()
        return cls(
            settings,
            secret,
            database,
            Ledger(
                database,
                group=settings.ledger_group,
                observe_group=metrics.LEDGER_GROUP.observe,
                gather=way.gathered,
            ),
            Registry(database, settings.refresh_seconds, pace_of(settings)),
            KeyRing(database, settings.refresh_seconds),
            SamePerson(database, way.gathered),
            Readings(
                database,
                {
                    HOURLY: settings.reading_alarm_per_hour,
                    DAILY: settings.reading_alarm_per_day,
                    OWN_DAILY: settings.reading_alarm_own_work_per_day,
                },
            ),
            Rates.of(settings, secret, database),
            Moves(database),
            files=store_of(settings),
            way=way,
            provider=provider_of(settings),
        )


def store_of(settings: Settings) -> FileStore | None:
    """None where nobody has said yet where files are to be kept. Raises WrongSettingError."""
    if settings.s3_url:
        from app.bucket import Bucket  # with a library that most do without

        return Bucket(settings)
    if settings.attachments:
        return Folder(settings.attachments)
    beside = settings.sqlite_file.with_name(settings.sqlite_file.name + ".attachments")
    return Folder(beside) if settings.is_sqlite else None


def provider_of(settings: Settings) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    from app.oidc_provider import OidcProvider  # with libraries that most do without

    return OidcProvider(settings)


def pace_of(settings: Settings) -> Pace:
    suspensions = {
        "applicant": settings.suspension_applicant_days,
        "verification": settings.suspension_verification_days,
        "court": settings.suspension_court_days,
    }
    return Pace(settings.remind_working_days, settings.supervise_working_days, suspensions)


def again_if_outdated(
    verb: Callable[Concatenate[Office, Asked], Awaitable[Answered]],
) -> Callable[Concatenate[Office, Asked], Awaitable[Answered]]:
    """A verb that looks rows up in the snapshot: if they name something newer, it is done once more with a fresh one.

    What it had begun to write was rolled back with its transaction.
    """

    @wraps(verb)
    async def done(office: Office, /, *asked: Asked.args, **named: Asked.kwargs) -> Answered:
        try:
            return await verb(office, *asked, **named)
        except OutdatedSnapshotError:
            await office.registry.refresh()
            return await verb(office, *asked, **named)

    return done

"""How often a caller may call: a budget a minute, that holds over all processes.

A process takes a block of calls at a time from what all of them share, and spends it in memory, so that a call costs a
look-up and a subtraction. The first few calls of a minute ask nobody. So in a minute a caller gets at most the budget
and a twentieth of it for each process; and is refused at the earliest when the budget, less a tenth of it for each
other process, is spent. Around the turn of a minute, it may use two budgets in a row.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import structlog
from sqlalchemy import case, delete
from sqlalchemy.dialects import postgresql, sqlite

from app import metrics
from app.config import Settings, WrongSettingError
from app.db import Database, is_unavailable
from app.logs import describe
from app.problems import Problem, unavailable
from app.tables import calls_taken

MINUTE = 60
_FREE = 20  # one in so many asks nobody
_BLOCKS = 10
_FORGOTTEN_AFTER = 10
_MOST_REMEMBERED = 50_000
log = structlog.get_logger()


class Budget(StrEnum):
    EMERGENCIES = "emergencies"  # never refused: beyond it, people are told
    INTAKE = "intake"
    CALLS = "calls"
    LOOK_UPS = "look_ups"
    SIGN_INS = "sign_ins"
    STRANGERS = "strangers"
    PAIRINGS = "pairings"  # of everybody together: a code is short
    CATALOGUE = "catalogue"  # as many as strangers get; a wrong key closes it to nobody


# Where what is shared is away, a guess gets no further, and whoever asks for help does.
_CLOSED_WHEN_AWAY = (Budget.LOOK_UPS, Budget.SIGN_INS, Budget.PAIRINGS)


class Shared(Protocol):
    async def take(self, mark: bytes, minute: int, calls: int) -> int:
        """All that was taken of this mark in this minute, with these."""

    def is_away(self, error: BaseException) -> bool: ...

    async def close(self) -> None: ...


class InDatabase:
    """A row for each caller of the last minutes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert: Any = (sqlite if database.is_sqlite else postgresql).insert(calls_taken)
        kept, new = calls_taken.c, insert.excluded
        # Another process's clock may be ahead: then its minute is the one that counts.
        taken = case((kept.minute >= new.minute, kept.taken + new.taken), else_=new.taken)
        minute = case((kept.minute >= new.minute, kept.minute), else_=new.minute)
        self._take = insert.on_conflict_do_update(
            index_elements=[kept.mark], set_={"minute": minute, "taken": taken}
        ).returning(kept.taken)
        self._swept_in = 0

    async def take(self, mark: bytes, minute: int, calls: int) -> int:
        async with self._database.writing() as connection:
            if minute >= self._swept_in + _FORGOTTEN_AFTER:
                await connection.execute(delete(calls_taken).where(calls_taken.c.minute < minute - _FORGOTTEN_AFTER))
                self._swept_in = minute
            row = {"mark": mark, "minute": minute, "taken": calls}
            taken: int = (await connection.execute(self._take, row)).scalar_one()
        return taken

    def is_away(self, error: BaseException) -> bool:
        return is_unavailable(error)

    async def close(self) -> None:
        """The database is closed by whoever opened it."""


class InRedis:
    def __init__(self, url: str) -> None:
        try:
            from redis import RedisError
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise WrongSettingError(
                "ONE_WINDOW_REDIS_URL needs the client: pip install 'one-window[redis]', or leave the setting out"
            ) from None
        self._away = (RedisError, OSError, TimeoutError)
        self._redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))

    async def take(self, mark: bytes, minute: int, calls: int) -> int:
        name = b"one-window:calls:%d:" % minute + mark
        async with self._redis.pipeline(transaction=True) as commands:
            commands.incrby(name, calls)
            commands.expire(name, 2 * MINUTE)
            taken, _ = await commands.execute()
        return int(taken)

    def is_away(self, error: BaseException) -> bool:
        return isinstance(error, self._away)

    async def close(self) -> None:
        with suppress(*self._away):
            await self._redis.aclose()


@dataclass(slots=True)
class _Purse:
    minute: int
    left: int
    empty: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rates:
    def __init__(
        self, most: dict[Budget, int], secret: bytes, shared: Shared, clock: Callable[[], float] = time.time
    ) -> None:
        """`most`: calls a minute; 0: as many as anybody likes."""
        self._most = most
        self._secret = secret
        self._shared = shared
        self._clock = clock
        self._purses: dict[tuple[Budget, object], _Purse] = {}

    @classmethod
    def of(cls, settings: Settings, secret: bytes, database: Database) -> Rates:
        """Raises WrongSettingError."""
        most = {
            Budget.EMERGENCIES: settings.emergencies_a_minute,
            Budget.INTAKE: settings.intake_a_minute,
            Budget.CALLS: settings.calls_a_minute,
            Budget.LOOK_UPS: settings.look_ups_a_minute,
            Budget.SIGN_INS: settings.sign_ins_a_minute,
            Budget.STRANGERS: settings.strangers_a_minute,
            Budget.PAIRINGS: settings.sign_ins_a_minute,
            Budget.CATALOGUE: settings.strangers_a_minute,
        }
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        return cls(most, secret, InRedis(redis_url) if redis_url else InDatabase(database))

    async def spend(self, budget: Budget, who: object, calls: int = 1) -> None:
        """Raises `too_many_requests`; `unavailable` where nobody can be let in unasked."""
        most = self._most[budget]
        if not most:
            return
        now = self._clock()
        minute = int(now // MINUTE)
        purse = self._purses.get((budget, who))
        if purse is None or purse.minute != minute:
            free = most if budget is Budget.EMERGENCIES else max(1, most // _FREE)
            purse = self._new_purse(budget, who, minute, free)
        if purse.left >= calls:
            purse.left -= calls
            return
        if budget is Budget.EMERGENCIES:
            self._tell_once(purse, budget, who)
            return
        async with purse.turn:
            while purse.left < calls and not purse.empty:
                await self._refill(budget, who, purse, most)
            if purse.left < calls:
                metrics.REFUSED_FOR_RATE.labels(budget.value).inc()
                raise Problem("too_many_requests", headers={"Retry-After": str(int(MINUTE - now % MINUTE) + 1)})
            purse.left -= calls

    async def close(self) -> None:
        await self._shared.close()

    async def _refill(self, budget: Budget, who: object, purse: _Purse, most: int) -> None:
        block = max(1, most // _BLOCKS)
        mark = hmac.new(self._secret, f"calls:{budget}:{who}".encode(), hashlib.sha256).digest()
        try:
            taken = await self._shared.take(mark, purse.minute, block)
        except Exception as error:
            if not self._shared.is_away(error):
                raise
            log.warning("rates_not_shared", budget=budget.value, **describe(error))
            if budget in _CLOSED_WHEN_AWAY:
                raise unavailable() from error
            purse.left += most  # so that who waits for what is away waits once
            return
        granted = min(block, most - (taken - block))
        if granted > 0:
            purse.left += granted
        else:
            self._tell_once(purse, budget, who)

    def _tell_once(self, purse: _Purse, budget: Budget, who: object) -> None:
        """A machine that has run away is somebody's to stop; an address is nobody's to log."""
        if not purse.empty:
            purse.empty = True
            named = {} if budget in _BY_ADDRESS else {"caller": str(who)}
            log.warning("too_many_calls", budget=budget.value, **named)

    def _new_purse(self, budget: Budget, who: object, minute: int, free: int) -> _Purse:
        if len(self._purses) >= _MOST_REMEMBERED:
            self._purses = {key: purse for key, purse in self._purses.items() if purse.minute == minute}
            if len(self._purses) >= _MOST_REMEMBERED:
                self._purses.clear()  # more callers than there is room for: what is shared still counts them
        purse = self._purses[budget, who] = _Purse(minute, free)
        return purse


_BY_ADDRESS = (Budget.LOOK_UPS, Budget.SIGN_INS, Budget.STRANGERS, Budget.CATALOGUE)

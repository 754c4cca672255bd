"""Passwords: kept by Argon2id (RFC 9106), never as they are; which ones are good enough."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from dataclasses import dataclass, field

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from app.guessing import holds_name, is_easy
from app.problems import Text, unavailable

LEAST = 12
MOST = 128
_DIFFERENT = 5
# Each takes 64 MiB and all cores for a moment: a few at once, a few dozen in line, the rest come again.
_AT_ONCE = 2
_MOST_WAITING = 40
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_EASY = Text(
    "新密码太常见或太有规律,容易被猜到:请不要用常见密码、连续或重复的字符、日期、键盘顺序、地名或本系统的名称;"
    "几个互不相干的词连起来就很好。",
    "The new password is too common or too regular, and soon guessed: no common password, no sequences or repetitions, no "
    "date, no row of the keyboard, no name of a place or of this service; several words that have nothing to do with each "
    "other do well.",
)
_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def _nobodys(profile: Parameters) -> str:
    """Of a password that nobody knows: comparing with it takes as long as comparing with somebody's."""
    salt, digest = (
        b64encode(secrets.token_bytes(each)).decode().rstrip("=") for each in (profile.salt_len, profile.hash_len)
    )
    costs = f"m={profile.memory_cost},t={profile.time_cost},p={profile.parallelism}"
    return f"$argon2id$v={profile.version}${costs}${salt}${digest}"


_NOBODYS = _nobodys(RFC_9106_LOW_MEMORY)


@dataclass(slots=True)
class Passwords:
    """Of one process: hashes made and compared off the event loop."""

    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _waiting: int = 0

    async def hashed(self, password: str) -> str:
        """Raises `unavailable`."""
        async with _InLine(self):
            return await asyncio.to_thread(_HASHER.hash, password)

    async def match(self, kept: str | None, password: str) -> bool:
        """Whether it is the password that was kept; without one, no, after the same time. Raises `unavailable`."""
        async with _InLine(self):
            return await asyncio.to_thread(_matches, kept, password)


class _InLine:
    def __init__(self, of: Passwords) -> None:
        self._of = of

    async def __aenter__(self) -> None:
        if self._of._waiting >= _MOST_WAITING:
            raise unavailable()
        self._of._waiting += 1
        try:
            await self._of._turn.acquire()
        except BaseException:
            self._of._waiting -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._of._turn.release()
        self._of._waiting -= 1


def made() -> str:
    """A new one, easily read and typed: 20 letters and digits of 31 that can't be taken for each other, 99 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def fault_of(password: str, login_name: str, *names: str) -> Text | None:
    """Why it may not be chosen; None: it may. Length counts for more than kinds of characters (NIST SP 800-63B). `names`:
    what else would be tried first, such as the county's."""
    if not LEAST <= len(password) <= MOST:
        return Text(f"新密码应为 {LEAST} 到 {MOST} 个字符。", f"A new password has {LEAST} to {MOST} characters.")
    if holds_name(password, login_name):
        return Text("新密码不能包含登录名。", "A new password does not contain the login name.")
    if len(set(password)) < _DIFFERENT:
        return Text(
            f"新密码至少要有 {_DIFFERENT} 个不同的字符。",
            f"A new password has at least {_DIFFERENT} different characters.",
        )
    return _EASY if is_easy(password, login_name, *names) else None


def _matches(kept: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(kept or _NOBODYS, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False

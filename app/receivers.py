"""Receivers of messages: agencies, and subscribers. What sending needs to know of either."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class DeliveryMode(StrEnum):
    """What an agency's messages hold: what is disclosed to it, ids alone, or there are none and it reads its inbox."""

    FULL = "full"
    REFERENCE = "reference"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    value: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts: a private CA, and a client certificate with its key; either may be missing."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)


class Receiver(Protocol):
    """`max_in_flight` and `per_second` (messages) are None where the settings say."""

    @property
    def endpoint(self) -> str | None: ...
    @property
    def secrets(self) -> tuple[SigningSecret, ...]: ...
    @property
    def max_in_flight(self) -> int | None: ...
    @property
    def per_second(self) -> int | None: ...
    @property
    def tls(self) -> Tls | None: ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A system that is told of events: those of `types`, in `areas` (prefixes of division codes) and of `needs`; an
    empty tuple is no restriction."""

    id: UUID
    name: str
    endpoint: str
    types: tuple[str, ...]
    needs: tuple[str, ...]
    areas: tuple[str, ...]
    active: bool
    secrets: tuple[SigningSecret, ...] = ()
    max_in_flight: int | None = None
    per_second: int | None = None
    tls: Tls | None = None

    @property
    def code(self) -> str:
        """What its deliveries name it by."""
        return str(self.id)

    def wants(self, type_: str, division_code: str, needs: Iterable[str]) -> bool:
        return (
            self.active
            and type_ in self.types
            and (not self.areas or division_code.startswith(self.areas))
            and (not self.needs or not set(self.needs).isdisjoint(needs))
        )


def secrets_at(receiver: Receiver, at: datetime) -> list[str]:
    """Those in force, the newest first."""
    return [secret.value for secret in receiver.secrets if secret.ends_at is None or secret.ends_at > at]

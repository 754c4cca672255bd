"""Settings of the door: whose calls are counted as whose, how many there may be, and how slow a caller may be."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(each.strip()) for each in value.split(",") if each.strip())


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]


class DoorSettings(BaseSettings):
    trusted_proxies: Networks = Field(
        (),
        description="Networks (CIDR, separated by commas) of the proxies before this service, whose `X-Forwarded-For` "
        "says where a call comes from. Unset: the address that the connection comes from.",
        examples=["127.0.0.1/32"],
    )
    redis_url: SecretStr | None = Field(
        None,
        description="A Redis that keeps how much each caller has called, instead of the database.",
        examples=["redis://127.0.0.1:6379/0"],
    )
    intake_a_minute: int = Field(
        6000, ge=0, description="Requests that one key may take in within a minute; 0: no limit.", examples=[6000]
    )
    emergencies_a_minute: int = Field(
        60,
        ge=0,
        description="Emergencies of one key within a minute from which on the log raises an alarm; none is refused.",
        examples=[60],
    )
    calls_a_minute: int = Field(
        6000,
        ge=0,
        description="Other calls of one key within a minute, or signed callbacks from one address; 0: no limit.",
        examples=[6000],
    )
    look_ups_a_minute: int = Field(
        300,
        ge=0,
        description="Look-ups by a tracking token or a link, and calls of the pages, from one address within a minute, one "
        "that finds nothing for ten; 0: no limit.",
        examples=[300],
    )
    sign_ins_a_minute: int = Field(
        30,
        ge=0,
        description="Codes of guest links asked for and tried, and codes of kiosks tried, from one address within a minute; of "
        "kiosks also from everybody together; 0: no limit.",
        examples=[30],
    )
    strangers_a_minute: int = Field(
        600,
        ge=0,
        description="Calls without a key that counts from one address within a minute; 0: no limit.",
        examples=[600],
    )
    connections: int = Field(
        1000,
        ge=10,
        le=10_000,
        description="Connections that each API process keeps; beyond it those that have waited longest are closed for "
        "new ones.",
        examples=[1000],
    )
    open_pages: int = Field(
        2000,
        ge=0,
        le=10_000,
        description="People's own pages that each API process keeps informed while they are open; beyond it a page looks "
        "again by itself. Each is one of `ONE_WINDOW_CONNECTIONS`.",
        examples=[2000],
    )
    open_pages_per_address: int = Field(
        40, ge=1, le=10_000, description="Of these, so many from one address.", examples=[40]
    )
    head_seconds: float = Field(
        10, gt=0, le=600, description="Time for a caller to send a call's address and headers.", examples=[10]
    )
    body_seconds: float = Field(
        20,
        gt=0,
        le=600,
        description="Time for a caller to send a call's body, and a second more for each 4 KiB of it.",
        examples=[20],
    )
    unread_seconds: float = Field(
        30, gt=0, le=600, description="Time in which a caller must read some of its answer.", examples=[30]
    )

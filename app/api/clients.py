"""Where a call comes from: the peer's address, or what the proxies that are trusted say of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


def address_of(connection: HTTPConnection) -> Address | None:
    """The caller's address; None where there is none, as on a Unix socket. `X-Forwarded-For` counts only as far as it
    was written by ONE_WINDOW_TRUSTED_PROXIES: whoever calls can write anything in front of that."""
    peer = connection.client.host if connection.client else ""
    trusted: Networks = connection.app.office.settings.trusted_proxies
    forwarded = connection.headers.getlist("x-forwarded-for") if trusted else []
    return told_by(peer, forwarded, trusted)


def told_by(peer: str, forwarded: Sequence[str], trusted: Networks) -> Address | None:
    """From the right, the first address that is no trusted proxy's. What is no address ends the search: then the proxy
    that passed it on is all that is known."""
    found = _address(peer)
    if found is None or not forwarded:
        return found
    for written in reversed(",".join(forwarded).split(",")):
        if not is_within(found, trusted):
            break
        before = _address(written.strip())
        if before is None:
            break
        found = before
    return found


@lru_cache(4096)
def _address(written: str) -> Address | None:
    """Also with a port, and IPv4 within IPv6 as what it is."""
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        found = ip_address(written)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_within(address: Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)

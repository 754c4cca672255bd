"""Where messages may go: to public addresses, and to the networks that the operator named. Nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NewType
from urllib.parse import SplitResult, urlsplit

from app.refusals import RefusedError

# One that `agencies.check_endpoint` has let pass: only that is saved.
Endpoint = NewType("Endpoint", str)
# All IPv6 addresses of the public Internet (RFC 4291, 2.5.4); mapped and translated IPv4 lies outside it.
_GLOBAL_UNICAST = ip_network("2000::/3")
# Called global by `ipaddress`, and still no place of one's own: 6to4 and its relays (RFC 7526), documentation (RFC 9637).
_NOT_PUBLIC = [ip_network(each) for each in ("192.88.99.0/24", "2002::/16", "3fff::/20")]


class AddressNotAllowedError(OSError):
    """Raised in place of opening a socket; its text is the same for every address."""

    def __init__(self) -> None:
        super().__init__("the address is not allowed")


class WrongEndpointError(RefusedError):
    """An endpoint that can't be one."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """`networks` are those of ONE_WINDOW_ALLOWED_NETWORKS; only there a message may go without TLS."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allows(self, address: str, encrypted: bool) -> bool:
        """Of an address as numbers. IPv4 inside IPv6 (mapped, NAT64, 6to4) is allowed only by a named IPv6 network."""
        try:
            numbers = ip_address(address)
        except ValueError:
            return False
        return any(numbers in network for network in self.networks) or (encrypted and is_public(numbers))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is one machine's address on the public Internet."""
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and (address.version == 4 or address in _GLOBAL_UNICAST)


def parse_endpoint(endpoint: str) -> SplitResult:
    """Raises WrongEndpointError for what is no http(s) address in its plain form, or holds a user or password."""
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port that is no number or too large
        is_address = False
    if not is_address or any(each.isspace() or each == "\\" or not each.isprintable() for each in endpoint):
        raise WrongEndpointError(
            "An endpoint is an http:// or https:// address, its port (if any) 1 to 65535; "
            "write one such as https://housing.example.gov.cn/one-window."
        )
    if "@" in parts.netloc:
        raise WrongEndpointError("An endpoint holds no user or password; messages are signed instead.")
    if _is_odd_ipv4(parts.hostname or ""):
        raise WrongEndpointError("An IPv4 address is written as four decimal numbers, such as 203.0.113.7.")
    return parts


def _is_odd_ipv4(host: str) -> bool:
    """Octal, hexadecimal or shortened: what ends in a number is an address (WHATWG URL, 3.5), read by few alike."""
    last = host.rstrip(".").rpartition(".")[2]
    if not (last.isdigit() or last.startswith("0x")):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False

"""Where a call comes from, behind proxies and without them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from app.api.clients import told_by

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # no proxy of ours: it may say what it likes
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the caller wrote the first
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [" 198.51.100.1 " + "," * 20_000], "10.0.0.1"),
    ],
)
def test_the_address_is_the_rightmost_that_no_trusted_proxy_wrote_of_another(
    peer: str, forwarded: list[str], found: str
) -> None:
    assert told_by(peer, forwarded, PROXIES) == ip_address(found)


def test_where_no_proxy_is_trusted_the_peer_is_the_caller_and_a_socket_without_address_has_none() -> None:
    assert told_by("10.0.0.1", ["198.51.100.1"], ()) == ip_address("10.0.0.1")
    assert told_by("", ["198.51.100.1"], PROXIES) is None

"""Where messages may go: what is refused when an endpoint is saved, and again at the very socket that would connect."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agencies import check_endpoint
from app.delivery import names
from app.delivery.addresses import AllowList, Endpoint, WrongEndpointError, parse_endpoint
from app.delivery.outbox import Attempt
from app.delivery.sender import open_session
from tests import serving
from tests.county import EDUCATION, County
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.sending import an_agency, known_to, send_in, sent
from tests.watching import until

PUBLIC = ["8.8.8.8", "223.5.5.5", "192.31.196.1", "2400:3200::1", "2001:4860:4860::8888"]
NOT_PUBLIC = {
    "0.0.0.0/8": "0.0.0.0",
    "10.0.0.0/8": "10.1.2.3",
    "100.64.0.0/10": "100.64.0.1",
    "127.0.0.0/8": "127.255.255.254",
    "169.254.0.0/16": "169.254.169.254",
    "172.16.0.0/12": "172.31.255.255",
    "192.168.0.0/16": "192.168.1.1",
    "192.88.99.0/24": "192.88.99.1",
    "198.18.0.0/15": "198.18.0.1",
    "203.0.113.0/24": "203.0.113.7",
    "224.0.0.0/4": "224.0.0.1",
    "240.0.0.0/4": "255.255.255.255",
    "::/128": "::",
    "::1/128": "::1",
    "::/96": "::8.8.8.8",
    "::ffff:0:0/96": "::ffff:8.8.8.8",
    "::ffff:7f00:0/104": "::ffff:127.0.0.1",
    "64:ff9b::/96": "64:ff9b::8.8.8.8",
    "64:ff9b:1::/48": "64:ff9b:1::a00:1",
    "2001::/32": "2001:0:7f00:1::",
    "2002::/16": "2002:808:808::1",
    "2001:db8::/32": "2001:db8::1",
    "3fff::/20": "3fff::1",
    "5f00::/16": "5f00::1",
    "fc00::/7": "fd00:ec2::254",
    "fe80::/10": "fe80::1%eth0",
    "fec0::/10": "fec0::1",
    "ff00::/8": "ff0e::1",
}
WRITTEN = ["127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "0x7f000001", "①②⑦.0.0.1", "localhost"]
WRITTEN += ["[::1]", "[::ffff:127.0.0.1]", "127.0.0.1.", "0"]


def of(*networks: str) -> AllowList:
    return AllowList(tuple(ip_network(each) for each in networks))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached_with_tls_and_never_without(address: str) -> None:
    assert of().allows(address, encrypted=True)
    assert not of("10.0.0.0/8", "fd00::/8").allows(address, encrypted=False)


@pytest.mark.parametrize(("network", "address"), NOT_PUBLIC.items())
def test_any_other_address_is_reached_only_if_its_network_is_named(network: str, address: str) -> None:
    for encrypted in (True, False):
        assert not of("192.0.2.0/24", "fd36::/16").allows(address, encrypted)
        assert of("192.0.2.0/24", network).allows(address, encrypted)


def test_ipv4_inside_ipv6_is_not_allowed_by_the_ipv4_network() -> None:
    for address in ("::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "::127.0.0.1", "2002:7f00:1::"):
        assert not of("127.0.0.0/8").allows(address, encrypted=True)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0177.0.0.1", "0x7f.1", "8.8.8.8:80"])
def test_what_is_not_an_address_as_numbers_is_no_address(text: str) -> None:
    assert not of("0.0.0.0/0", "::/0").allows(text, encrypted=True)


@given(st.ip_addresses().map(str))
def test_whatever_is_public_is_none_of_the_addresses_with_a_special_use(address: str) -> None:
    numbers = ip_address(address)
    if not of().allows(address, encrypted=True):
        return
    assert numbers.is_global
    uses = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified", "site_local")
    assert not any(getattr(numbers, f"is_{use}", False) for use in uses)
    if isinstance(numbers, IPv6Address):
        assert not any([numbers.ipv4_mapped, numbers.sixtofour, numbers.teredo])


@given(st.data())
def test_a_named_network_allows_each_of_its_addresses_and_no_others_without_tls(data: st.DataObject) -> None:
    base = data.draw(st.ip_addresses())
    network = ip_network((base, data.draw(st.integers(0, base.max_prefixlen))), strict=False)
    assert isinstance(network, IPv4Network | IPv6Network)
    inside = data.draw(st.integers(int(network.network_address), int(network.broadcast_address)))
    assert of(str(network)).allows(str(type(base)(inside)), encrypted=False)
    other = data.draw(st.ip_addresses())
    of_same_kind = other.version == network.version
    first, last = int(network.network_address), int(network.broadcast_address)
    assert of(str(network)).allows(str(other), encrypted=False) == (of_same_kind and first <= int(other) <= last)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://127.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.0.0.1/",
        "https://0X7F000001/",
        "https://8.8.8/",
        "https://8.8.8.8./",
        "https://08.8.8.8/",
        "https://8.8.8.8.8/",
        "https://me@a.example/",
        "https://me:secret@a.example/",
        "https://@a.example/",
        "https://a.example\\b.example/",
        "https://a.example/ x",
        "https://a.exam\nple/",
        "https://a.example/\x00",
        "https:///x",
        "ftp://a.example/",
        "//a.example/",
        "",
    ],
)
def test_an_endpoint_that_two_readers_could_read_differently_is_not_saved(endpoint: str) -> None:
    with pytest.raises(WrongEndpointError):
        parse_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["https://8.8.8.8:8443/x?y=1", "https://[2400:3200::1]/", "http://a1.example/0x7f"]
)
def test_an_endpoint_in_its_plain_form_is_taken(endpoint: str) -> None:
    assert parse_endpoint(endpoint).geturl() == endpoint


class Dns:
    """What every name means, one answer after the other; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int | None, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [self._entry(each, port or 0) for each in found]

    def _entry(self, address: str, port: int) -> tuple[Any, ...]:
        if ":" in address:
            return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
        return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dns]:
    def set_answers(*answers: list[str]) -> Dns:
        dns = Dns(*answers)
        monkeypatch.setattr(socket, "getaddrinfo", dns)
        return dns

    return set_answers


@pytest.mark.parametrize(
    ("endpoint", "addresses", "saved"),
    [
        ("https://a.example/", ["8.8.8.8"], True),
        ("https://a.example/", ["10.1.2.3"], True),
        ("http://a.example/", ["10.1.2.3"], True),
        ("https://a.example/", [], True),  # a name that is not known yet
        ("http://a.example/", [], False),
        ("http://a.example/", ["8.8.8.8"], False),
        ("https://a.example/", ["127.0.0.1", "::1"], False),
        ("https://a.example/", ["::ffff:10.1.2.3"], False),
        ("https://a.example/", ["127.0.0.1", "8.8.8.8"], True),  # only the second is ever connected to
    ],
)
def test_an_endpoint_is_saved_when_its_name_has_an_address_that_is_allowed(
    endpoint: str, addresses: list[str], saved: bool, dns: Callable[..., Dns]
) -> None:
    dns(addresses)
    if saved:
        assert asyncio.run(check_endpoint(endpoint, of("10.0.0.0/8"))) == endpoint
    else:
        with pytest.raises(WrongEndpointError, match="no address that is allowed"):
            asyncio.run(check_endpoint(endpoint, of("10.0.0.0/8")))


@pytest.mark.parametrize("host", WRITTEN)
def test_no_way_of_writing_loopback_is_saved(host: str) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(WrongEndpointError):
            asyncio.run(check_endpoint(f"{scheme}://{host}:9/", of()))


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    """Sockets on one port of loopback, old and new; nobody may knock."""
    with socket.socket() as old, socket.socket(socket.AF_INET6) as new:
        old.bind(("127.0.0.1", 0))
        new.bind(("::1", old.getsockname()[1]))
        for each in (old, new):
            each.listen()
            each.setblocking(False)
        yield [old, new]


def untouched(sockets: list[socket.socket]) -> bool:
    for each in sockets:
        with pytest.raises(BlockingIOError):
            each.accept()
    return True


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", WRITTEN)
def test_no_way_of_writing_loopback_is_connected_to(host: str, scheme: str, listening: list[socket.socket]) -> None:
    port = listening[0].getsockname()[1]
    attempt = asyncio.run(sent(an_agency(f"{scheme}://{host}:{port}/"), allowed_networks="127.0.0.2/32"))
    assert (attempt.status_code, attempt.fault) == (None, "address_not_allowed")
    assert untouched(listening)


def test_a_name_that_meant_a_public_address_when_it_was_saved_and_loopback_now_is_not_connected_to(
    listening: list[socket.socket], dns: Callable[..., Dns]
) -> None:
    asked_of = dns(["8.8.8.8"], ["127.0.0.1"])
    endpoint = f"https://rebound.example:{listening[0].getsockname()[1]}/"
    assert asyncio.run(check_endpoint(endpoint, of())) == endpoint
    attempt = asyncio.run(sent(an_agency(endpoint), allowed_networks=""))
    assert (attempt.fault, asked_of.asked) == ("address_not_allowed", 2)
    assert untouched(listening)


def test_a_name_is_asked_for_once_and_the_address_that_was_checked_is_the_one_connected_to(
    receiver: Receiver, dns: Callable[..., Dns]
) -> None:
    asked_of = dns(["127.0.0.1"], ["10.255.255.1"])
    agency = known_to(receiver, host="agency.example")
    assert asyncio.run(sent(agency, allowed_networks="127.0.0.1/32")).status_code == 200
    assert asked_of.asked == 1


def test_of_several_addresses_only_those_that_are_allowed_are_connected_to(
    receiver: Receiver, dns: Callable[..., Dns]
) -> None:
    dns(["169.254.169.254", "fe80::1", "127.0.0.1", "10.255.255.1"])
    agency = known_to(receiver, host="agency.example")
    assert asyncio.run(sent(agency, allowed_networks="127.0.0.1/32")).status_code == 200


def test_a_public_address_is_not_connected_to_without_tls(
    dns: Callable[..., Dns], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError("a test opens no socket to the world")

    monkeypatch.setattr("app.delivery.sender.socket", SimpleNamespace(socket=none))
    dns(["8.8.8.8", "2400:3200::1"])
    assert asyncio.run(sent(an_agency("http://agency.example/"))).fault == "address_not_allowed"


def test_an_endpoint_that_falls_silent_is_a_failure_at_the_limit_for_reading(receiver: Receiver) -> None:
    receiver.then("civil", Answer(hang=True))
    limits = {"delivery_read_seconds": 0.2, "delivery_total_seconds": 120, "delivery_lease_seconds": 300}
    attempt = asyncio.run(sent(known_to(receiver), **limits))
    assert (attempt.fault, len(receiver.received)) == ("timeout", 1)
    assert attempt.milliseconds < 60_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_refused_address_is_recorded_and_tried_again_by_the_ordinary_schedule(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    secrets = serving.set_endpoints(database_url, receiver.endpoint)
    county = County(run_service(embedded_worker=True, allowed_networks="127.0.0.2/32"), secrets)
    county.ask("education_aid")

    def seen() -> Any:
        (found,) = county.coordinator.get("/v1/deliveries", params={"agency": EDUCATION}).json()["items"]
        return county.coordinator.get(f"/v1/deliveries/{found['delivery_id']}").json() if found["attempts"] else None

    view = until(seen)
    (attempt,) = view["tries"]
    assert (view["status"], attempt["fault"], attempt["status_code"]) == ("pending", "address_not_allowed", None)
    begun, again = (datetime.fromisoformat(each) for each in (attempt["started_at"], view["next_try_at"]))
    assert 4 <= (again - begun).total_seconds() <= 7
    assert receiver.received == []


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names that begin with `hang` mean nothing before this is set; every other one is loopback."""
    released = threading.Event()
    loopback = Dns(["127.0.0.1"])

    def look(host: str, port: int | None, *how: Any, **more: Any) -> list[tuple[Any, ...]]:
        if host.startswith("hang"):
            released.wait(60)
        return loopback(host, port, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    yield released
    released.set()


def test_names_that_hang_keep_no_other_name_waiting(receiver: Receiver, hanging: threading.Event) -> None:
    hang = [f"hang-{number}.example" for number in range(40)]

    async def run() -> tuple[Attempt, bool, Endpoint]:
        async with open_session(serving.settings_for("sqlite:///unused.sqlite3")) as session:
            stuck = [asyncio.create_task(send_in(session, an_agency(f"http://{each}:9/"))) for each in hang]
            stuck += [asyncio.create_task(check_endpoint(f"https://{each}/", of())) for each in hang]  # type: ignore[list-item]
            await asyncio.sleep(0.1)
            attempt = await send_in(session, known_to(receiver, host="answers.example"))
            saved = await check_endpoint("https://answers.example/", of("127.0.0.0/8"))
            nobody_else = not any(each.done() for each in stuck)
            for each in stuck:
                each.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
        return attempt, nobody_else, saved

    attempt, nobody_else, saved = asyncio.run(run())
    assert (attempt.status_code, attempt.fault) == (200, None)
    assert (nobody_else, saved) == (True, "https://answers.example/")


def test_a_name_that_hangs_is_a_failure_and_asked_for_in_one_thread_and_so_many_at_most(
    receiver: Receiver, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_room", threading.Semaphore(1))

    async def run() -> list[str | None]:
        settings = serving.settings_for("sqlite:///unused.sqlite3", delivery_connect_seconds=0.2)
        async with open_session(settings) as session:
            several = [send_in(session, an_agency(f"http://hangs.example:9/{number}")) for number in range(3)]
            faults = [each.fault for each in await asyncio.gather(*several)]
        # Whoever is to arrive has the usual limits of time.
        async with open_session(serving.settings_for("sqlite:///unused.sqlite3")) as session:
            faults.append((await send_in(session, known_to(receiver, host="answers.example"))).fault)
            hanging.set()
            for each in threading.enumerate():
                if each.name == "look-up":
                    each.join(10)
            attempt = await send_in(session, known_to(receiver, host="answers.example"))
        return [*faults, attempt.fault]

    assert asyncio.run(run()) == ["timeout"] * 3 + ["unreachable", None]

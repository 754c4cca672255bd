"""TLS of one endpoint's own: a private authority, a client certificate, and everything that is not that one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from app.delivery.sender import open_session
from app.delivery.tls import WrongTlsError, tls_context
from app.receivers import Tls
from tests import serving
from tests.certificates import Authority, Identity, server_context
from tests.receivers import Receiver
from tests.sending import known_to, send_in, sent

AUTHORITY, STRANGER = Authority(), Authority("Some other CA")
SERVER, CLIENT = AUTHORITY.issue(), AUTHORITY.issue("one-window.example")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    """An agency's HTTPS endpoint; with `clients`, only for those that this authority vouches for."""
    receivers = []

    def start(
        identity: Identity = SERVER, clients: Authority | None = None, newest: ssl.TLSVersion | None = None
    ) -> Receiver:
        context = server_context(identity, tmp_path, clients)
        if newest is not None:
            context.maximum_version = newest
        receivers.append(Receiver(context))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


def outcome(receiver: Receiver, tls: Tls | None) -> int | str | None:
    attempt = asyncio.run(sent(known_to(receiver, tls=tls)))
    assert (attempt.status_code is None) == (receiver.received == [])
    return attempt.status_code or attempt.fault


def shown_with(identity: Identity) -> Tls:
    return Tls(AUTHORITY.certificate, identity.certificate, identity.key)


def test_an_endpoint_of_a_private_authority_is_reached_with_its_bundle_and_not_without(
    serve: Callable[..., Receiver],
) -> None:
    receiver = serve()
    assert outcome(receiver, None) == "tls"
    assert outcome(receiver, Tls(STRANGER.certificate)) == "tls"
    assert outcome(receiver, Tls(STRANGER.certificate + AUTHORITY.certificate)) == 200


@pytest.mark.parametrize(
    "identity",
    [AUTHORITY.issue("other.example"), AUTHORITY.issue("127.0.0.2"), AUTHORITY.issue(days=-1), STRANGER.issue()],
    ids=["another name", "another address", "expired", "another authority"],
)
def test_an_endpoint_that_shows_what_it_should_not_is_sent_nothing(
    identity: Identity, serve: Callable[..., Receiver]
) -> None:
    assert outcome(serve(identity), Tls(AUTHORITY.certificate)) == "tls"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_endpoint_that_asks_who_we_are_gets_the_client_certificate_that_it_knows(
    newest: ssl.TLSVersion, serve: Callable[..., Receiver]
) -> None:
    receiver = serve(clients=AUTHORITY, newest=newest)
    assert outcome(receiver, Tls(AUTHORITY.certificate)) == "tls"
    assert outcome(receiver, shown_with(STRANGER.issue("one-window.example"))) == "tls"
    assert outcome(receiver, shown_with(AUTHORITY.issue("one-window.example", days=-1))) == "tls"
    assert outcome(receiver, shown_with(CLIENT)) == 200


def test_a_connection_opened_with_one_agencys_certificate_never_carries_anothers_message(
    serve: Callable[..., Receiver],
) -> None:
    receiver = serve(clients=AUTHORITY)
    trusted, stranger = (known_to(receiver, tls=tls) for tls in (shown_with(CLIENT), Tls(AUTHORITY.certificate)))

    async def in_turn() -> list[int | str | None]:
        async with open_session(serving.settings_for("sqlite:///unused.sqlite3")) as session:
            attempts = [await send_in(session, agency) for agency in (trusted, trusted, stranger)]
        return [each.status_code or each.fault for each in attempts]

    receiver.secrets["civil"] = trusted.secrets[0].value
    assert asyncio.run(in_turn()) == [200, 200, "tls"]


def test_one_that_cannot_be_read_any_more_is_a_fault_and_nothing_is_sent(serve: Callable[..., Receiver]) -> None:
    assert outcome(serve(), Tls("no certificate")) == "tls"


@pytest.mark.parametrize("parts", [(None, None, None), (AUTHORITY.certificate, CLIENT.certificate, CLIENT.key)])
def test_old_tls_is_not_spoken_and_every_certificate_and_name_is_checked(parts: tuple[str | None, ...]) -> None:
    context = tls_context(*parts)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_bundle_stands_in_place_of_the_systems_authorities() -> None:
    assert len(tls_context(AUTHORITY.certificate, None, None).get_ca_certs()) == 1


def test_the_same_texts_give_the_same_context_and_others_another() -> None:
    again = Identity(str(CLIENT.certificate.encode(), "ascii"), str(CLIENT.key.encode(), "ascii"))
    mine = tls_context(AUTHORITY.certificate, CLIENT.certificate, CLIENT.key)
    assert tls_context(AUTHORITY.certificate, again.certificate, again.key) is mine
    assert tls_context(AUTHORITY.certificate, None, None) is not mine


def locked(key: str) -> str:
    private = load_pem_private_key(key.encode(), None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("ca", "certificate", "key", "sentence"),
    [
        ("", None, None, "The CA bundle can't be read"),
        ("证书", None, None, "The CA bundle can't be read"),
        (AUTHORITY.certificate[:-40], None, None, "The CA bundle can't be read"),
        (CLIENT.key, None, None, "The CA bundle can't be read"),
        (None, "x", CLIENT.key, "The client certificate can't be read"),
        (None, CLIENT.certificate, "x", "The key can't be read"),
        (None, CLIENT.certificate, "", "The key can't be read"),
        (None, CLIENT.certificate, CLIENT.certificate, "The key can't be read"),
        (None, CLIENT.certificate, locked(CLIENT.key), "without a password"),
        (None, CLIENT.certificate, SERVER.key, "The key is not the client certificate's"),
        (None, CLIENT.certificate, None, "belong together"),
        (None, None, CLIENT.key, "belong together"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence_that_repeats_nothing_of_it(
    ca: str | None, certificate: str | None, key: str | None, sentence: str
) -> None:
    with pytest.raises(WrongTlsError, match=sentence) as refused:
        tls_context(ca, certificate, key)
    texts = [each for each in (ca, certificate, key) if each and len(each) > 1]
    assert not [each for each in texts if any(line in str(refused.value) for line in each.splitlines()[1:-1])]


def test_a_client_certificate_that_has_expired_is_used_and_said_once() -> None:
    expired, valid = (AUTHORITY.issue("one-window.example", days) for days in (-1, 30))
    with capture_logs() as logs:
        for _ in range(2):
            tls_context(None, expired.certificate, expired.key)
    with capture_logs() as silence:
        tls_context(None, valid.certificate, valid.key)
    assert silence == []
    assert [each["event"] for each in logs] == ["client_certificate_expired"]


def test_a_key_is_shown_by_no_repr() -> None:
    assert "PRIVATE" not in repr(shown_with(CLIENT))

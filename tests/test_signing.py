"""Standard Webhooks, in both directions, beside the specification's own library."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.signing import matches, new_secret, sign

# The vector of the specification's libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = "1614265330"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
AT = datetime.fromtimestamp(int(TIMESTAMP), UTC)
OTHER = "whsec_" + "b3RoZXIgc2VjcmV0LCBhbHNvIG9mIHRlc3Rz"

secrets = st.builds(new_secret)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_the_vector_of_the_specification_is_signed_as_written_there() -> None:
    assert sign([SECRET], MESSAGE, AT, BODY) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": TIMESTAMP,
        "webhook-signature": SIGNATURE,
    }


def test_the_vector_of_the_specification_is_accepted() -> None:
    assert matches([SECRET], MESSAGE, TIMESTAMP, SIGNATURE, BODY)


@given(secrets, names, jsons)
def test_what_we_sign_their_library_accepts(secret: str, message_id: str, content: Any) -> None:
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = sign([secret], message_id, datetime.now(UTC), body)
    assert Webhook(secret).verify(body, headers) == content


@given(secrets, names, st.text(), st.integers(0, 2**33))
def test_what_their_library_signs_we_accept_and_would_have_signed_alike(
    secret: str, message_id: str, text: str, seconds: int
) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    theirs = Webhook(secret).sign(message_id, at, text)
    ours = sign([secret], message_id, at, text.encode())
    assert ours["webhook-signature"] == theirs
    assert matches([secret], message_id, ours["webhook-timestamp"], theirs, text.encode())


@given(secrets, names, st.binary())
def test_any_bytes_can_be_signed_and_accepted(secret: str, message_id: str, body: bytes) -> None:
    headers = sign([secret], message_id, AT, body)
    assert matches([secret], message_id, TIMESTAMP, headers["webhook-signature"], body)


@pytest.mark.parametrize(
    "forged",
    [
        {"message_id": MESSAGE + "x"},
        {"timestamp": "1614265331"},
        {"body": b'{"test": 2432232315}'},
        {"body": BODY + b"\n"},
        {"body": b""},
        {"signing_secrets": [OTHER]},
        {"signing_secrets": []},
        {"message_id": MESSAGE[:-1], "timestamp": f"{MESSAGE[-1]}.{TIMESTAMP}"},
    ],
    ids=str,
)
def test_another_id_time_body_or_secret_is_not_accepted(forged: dict[str, Any]) -> None:
    said = {"message_id": MESSAGE, "timestamp": TIMESTAMP, "body": BODY, "signing_secrets": [SECRET]}
    assert matches(**said, signature=SIGNATURE)
    assert not matches(**{**said, **forged}, signature=SIGNATURE)


@given(secrets, st.binary(min_size=1), st.data())
def test_one_changed_bit_of_the_body_is_found(secret: str, body: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    signature = sign([secret], MESSAGE, AT, body)["webhook-signature"]
    assert not matches([secret], MESSAGE, TIMESTAMP, signature, bytes(changed))


def test_while_a_secret_is_rotated_both_sign_and_either_is_enough() -> None:
    body = b'{"type": "handoff.dispatched"}'
    headers = sign([OTHER, SECRET], MESSAGE, datetime.now(UTC), body)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(body, headers) == {"type": "handoff.dispatched"}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_while_a_secret_is_rotated_both_are_accepted_in_either_order() -> None:
    for signing_secrets in ([SECRET, OTHER], [OTHER, SECRET]):
        assert matches(signing_secrets, MESSAGE, TIMESTAMP, SIGNATURE, BODY)


def test_one_good_signature_among_others_is_enough() -> None:
    for among in (f"v1,{'A' * 43}= {SIGNATURE}", f"{SIGNATURE} v1,junk", f"v1a,ed25519 {SIGNATURE} v2,later"):
        assert matches([SECRET], MESSAGE, TIMESTAMP, among, BODY)


@pytest.mark.parametrize(
    "signature",
    [
        *("", " ", "v1", "v1,", ",", "v1,=", "v1,签名", "v1,\x00", "v1," * 500, SIGNATURE.lower()),
        *(SIGNATURE[:-1], f"{SIGNATURE}=", f"{SIGNATURE},", SIGNATURE.replace("+", "-").replace("/", "_")),
        *(form + SIGNATURE[3:] for form in ("", "v2,", "v1a,", "V1,", "v1 ", "v1;")),
    ],
)
def test_a_malformed_signature_is_no_signature(signature: str) -> None:
    assert not matches([SECRET], MESSAGE, TIMESTAMP, signature, BODY)


@given(st.text(), st.text(), st.text(), st.binary())
def test_whatever_stands_in_the_headers_is_judged_and_never_raises(
    message_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    assert not matches([SECRET, OTHER], message_id, timestamp, signature, body)
    assert not matches([SECRET, OTHER], message_id, timestamp, f"v1,{signature}", body)


def test_the_time_is_the_callers_to_judge() -> None:
    old = AT - timedelta(days=4000)
    headers = sign([SECRET], MESSAGE, old, BODY)
    assert matches([SECRET], MESSAGE, headers["webhook-timestamp"], headers["webhook-signature"], BODY)


def test_a_new_secret_is_32_random_bytes_in_the_form_of_the_specification() -> None:
    made = [new_secret() for _ in range(50)]
    assert len(set(made)) == 50
    for secret in made:
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
        assert len(b64decode(secret.removeprefix("whsec_"), validate=True)) == 32

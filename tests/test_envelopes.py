"""Bodies that a device seals for the service alone: opened, or refused with a plain word; a sealed one counts as a plain."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select, update

from app import envelope_keys
from app.db import Database
from app.envelopes import opened
from app.problems import Problem
from app.tables import envelope_key, help_request
from tests.commands import said
from tests.devices import JOSE, b64, new_key, numbers, paired, sealed, sealing_key
from tests.examples import PERSONAL, a_request, a_request_in_full
from tests.running import Running
from tests.test_attachments import a_photo
from tests.watching import change, count, fetch, on, until

FIRE = {"what": "失火", "where": "老街", "kind": "fire", "division_code": "360803101"}


def send(device: httpx.Client, content: bytes, path: str = "/v1/requests", **headers: str) -> httpx.Response:
    return device.post(path, content=content, headers={**JOSE, **headers})


def test_a_sealed_request_equals_a_plain_one(service: Running) -> None:
    device = paired(service)
    body = json.dumps(a_request_in_full()).encode()
    secretly = send(device, sealed(sealing_key(device), body))
    plainly = device.post("/v1/requests", content=body, headers={"content-type": "application/json"})
    assert secretly.status_code == plainly.status_code == 201
    own = ("request_id", "receipt_number", "receipt_number_spoken", "tracking_token", "registered_at", "handoffs")
    one, other = ({k: v for k, v in each.json().items() if k not in own} for each in (secretly, plainly))
    assert one == other
    coordinator = service.client("coordinator")
    paths = [f"/v1/requests/{each.json()['request_id']}" for each in (secretly, plainly)]
    people = [coordinator.get(path).json()["person"] for path in paths]
    assert people[0] == people[1]
    assert people[0]["applicant"]["name"] == PERSONAL["name"]


def test_a_sealed_emergency_is_acted_on(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    told = json.dumps({**FIRE, "receipt_number": one["receipt_number"]}).encode()
    answer = send(device, sealed(sealing_key(device), told), "/v1/emergencies")
    assert (answer.status_code, answer.json()["receipt_number"]) == (201, one["receipt_number"])


def test_the_same_content_sealed_anew_is_the_same_call(service: Running) -> None:
    device, key, repeat = paired(service), None, new_key()
    key = sealing_key(device)
    body = json.dumps(a_request()).encode()
    first = send(device, sealed(key, body), **repeat)
    assert send(device, sealed(key, body), **repeat).json() == first.json()
    plain = device.post("/v1/requests", content=body, headers={"content-type": "application/json", **repeat})
    assert plain.json() == first.json()
    assert count(service.url, help_request)["help_request"] == 1
    conflict = send(device, sealed(key, json.dumps(a_request("legal_aid")).encode()), **repeat)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")


def spoilt(key: dict[str, str], content: bytes) -> dict[str, bytes]:
    """What may be wrong with an envelope."""
    whole = sealed(key, content)
    parts = whole.split(b".")

    def with_part(at: int, part: bytes) -> bytes:
        return b".".join([*parts[:at], part, *parts[at + 1 :]])

    def flipped(part: bytes) -> bytes:
        return (b"B" if part[:1] != b"B" else b"C") + part[1:]

    strange = ECKey.generate_key("P-256", private=False).as_dict(private=False)
    epk = {name: str(strange[name]) for name in ("kty", "crv", "x", "y")}
    private = ECKey.generate_key("P-256").as_dict(private=True)
    header = json.loads(_unb64(parts[0]))
    twice = json.dumps(header)[:-1] + ', "alg": "ECDH-ES"}'
    return {
        "its tag was changed": with_part(4, flipped(parts[4])),
        "its content was changed": with_part(3, flipped(parts[3])),
        "its nonce was changed": with_part(2, flipped(parts[2])),
        "its tag was cut short": with_part(4, parts[4][:8]),
        "another's epk": with_part(0, b64(json.dumps({**header, "epk": epk}).encode())),
        "no epk": sealed(key, content, epk=None),
        "an epk off the curve": sealed(key, content, epk={**epk, "y": epk["x"]}),
        "an epk of another curve": sealed(key, content, epk={**epk, "crv": "P-384"}),
        "an epk that is no key": sealed(key, content, epk="x"),
        "an epk with numbers": sealed(key, content, epk={"kty": "EC", "crv": "P-256", "x": 1, "y": 2}),
        "an epk of octets": sealed(key, content, epk={"kty": "oct", "k": "AAAA"}),
        "a private epk": with_part(0, b64(json.dumps({**header, "epk": dict(private)}).encode())),
        "no kid": sealed(key, content, kid=None),
        "a kid that is a number": sealed(key, content, kid=7),
        "another alg": sealed(key, content, alg="ECDH-ES+A256KW"),
        "alg dir": sealed(key, content, alg="dir"),
        "alg none": sealed(key, content, alg="none"),
        "an alg that is a list": sealed(key, content, alg=["ECDH-ES"]),
        "another enc": sealed(key, content, enc="A128GCM"),
        "cbc": sealed(key, content, enc="A128CBC-HS256"),
        "no enc": sealed(key, content, enc=None),
        "compressed": sealed(key, zlib.compress(content), zip="DEF"),
        "critical": sealed(key, content, crit=["exp"], exp=1),
        "a header of its own": sealed(key, content, jku="https://evil.example/keys"),
        "a file that is none": sealed(key, content, file="x"),
        "a header twice": with_part(0, b64(twice.encode())),
        "a header that is a list": with_part(0, b64(b"[]")),
        "a header too long": sealed(key, content, cty="x" * 9000),
        "a wrapped key": with_part(1, b64(b"x" * 40)),
        "four parts": b".".join(parts[:4]),
        "six parts": whole + b".x",
        "no base64": with_part(0, b"\xff\xfe"),
        "json": content,
        "nothing": b"",
        "dots": b"....",
    }


def _unb64(part: bytes) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def test_what_does_not_open_is_refused_with_one_plain_word_and_nothing_of_it_is_said(service: Running) -> None:
    device = paired(service)
    wrong = spoilt(sealing_key(device), json.dumps(a_request_in_full()).encode())
    found = {}
    for what, content in wrong.items():
        for path in ("/v1/requests", "/v1/emergencies"):
            answer = send(device, content, path)
            found[what] = (answer.status_code, answer.json()["code"])
            assert PERSONAL["name"] not in answer.text
    assert found == dict.fromkeys(wrong, (422, "sealed_body_refused"))
    assert count(service.url, help_request)["help_request"] == 0


def test_a_kid_that_nobody_has_is_told_apart_since_the_device_can_mend_it(service: Running) -> None:
    device = paired(service)
    answer = send(device, sealed({**sealing_key(device), "kid": "A" * 43}, b"{}"))
    assert (answer.status_code, answer.json()["code"]) == (422, "sealing_key_unknown")
    other = ECKey.generate_key("P-256", private=False).as_dict(private=False)
    key = {**sealing_key(device), "x": str(other["x"]), "y": str(other["y"])}
    assert send(device, sealed(key, b"{}")).json()["code"] == "sealed_body_refused", "our kid, another's key"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no json", 400, "malformed_json"),
        (b'{"channel": 1}', 422, "validation_failed"),
        (b'{"a": 1, "a": 2}', 400, "malformed_json"),
        (b"[" * 40 + b"]" * 40, 400, "too_complex"),
        (b"", 400, "malformed_json"),
        (b'{"a": "' + b"x" * 256 * 1024 + b'"}', 413, "body_too_large"),
        (b"x" * 600 * 1024, 413, "body_too_large"),
    ],
)
def test_what_was_sealed_is_held_to_what_a_plain_body_is(
    service: Running, content: bytes, status: int, code: str
) -> None:
    device = paired(service)
    answer = send(device, sealed(sealing_key(device), content))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_largest_body_that_may_come_plain_may_come_sealed(service: Running) -> None:
    device = paired(service)
    whole = {**a_request(), "narrative": "x" * 4000}
    content = json.dumps(whole).encode()
    content += b" " * (256 * 1024 - len(content))
    assert send(device, sealed(sealing_key(device), content)).status_code == 201


def test_an_envelope_is_sent_as_it_is(service: Running) -> None:
    device = paired(service)
    content = sealed(sealing_key(device), json.dumps(a_request()).encode())
    packed = send(device, content, **{"content-encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "unsupported_media_type")
    assert device.post("/v1/requests", content=content, headers={"content-type": "text/plain"}).status_code == 415
    other = service.client("coordinator").post("/v1/look-ups", content=content, headers=JOSE)
    assert other.status_code == 415, "what nobody seals is not opened"


# ---- photographs ----


def test_a_sealed_photograph_is_kept_as_a_plain_one(run_service: Callable[..., Running], tmp_path: Any) -> None:
    service = run_service(attachments=str(tmp_path / "papers"))
    device, photo, repeat = paired(service), a_photo(), new_key()
    key = sealing_key(device)
    path = f"/v1/requests/{device.post('/v1/requests', json=a_request()).json()['request_id']}/attachments"
    file = {"title": "诊断证明", "material": "diagnosis", "name": "1.jpg"}
    first = send(device, sealed(key, photo, file=file), path, **repeat)
    assert first.status_code == 201, first.text
    assert (first.json()["material"], first.json()["kind"]) == ("diagnosis", "image/jpeg")
    assert send(device, sealed(key, photo, file=file), path, **repeat).json() == first.json()
    plain = device.post(
        path, files={"file": ("1.jpg", photo)}, data={"title": "诊断证明", "material": "diagnosis"}, headers=repeat
    )
    assert plain.json() == first.json(), "the same file, meant as the same"
    assert send(device, sealed(key, photo), path).status_code == 201, "what it is may be left out"


def test_a_sealed_file_is_held_to_its_limits(run_service: Callable[..., Running], tmp_path: Any) -> None:
    service = run_service(attachments=str(tmp_path / "papers"))
    device = paired(service)
    key = sealing_key(device)
    path = f"/v1/requests/{device.post('/v1/requests', json=a_request()).json()['request_id']}/attachments"
    photo = a_photo()
    wrong: dict[str, tuple[bytes, tuple[int, str]]] = {
        "too large": (sealed(key, photo + b"\0" * 3 * 1024 * 1024), (413, "body_too_large")),
        "no picture": (sealed(key, b"hello"), (415, "file_type_refused")),
        "empty": (sealed(key, b""), (422, "validation_failed")),
        "unknown field": (sealed(key, photo, file={"x": 1}), (422, "validation_failed")),
        "half a character": (sealed(key, photo, file={"title": "\ud800"}), (422, "sealed_body_refused")),
        "half a name": (sealed(key, photo, file={"name": "\udc00.jpg"}), (422, "sealed_body_refused")),
        "a huge number": (sealed(key, photo, file={"title": 10**40}), (422, "validation_failed")),
        "no number": (sealed(key, photo, file={"title": float("nan")}), (422, "sealed_body_refused")),
        "a name of no text": (sealed(key, photo, file={"name": ["x"]}), (422, "validation_failed")),
        "unknown material": (sealed(key, photo, file={"material": "nothing"}), (422, "validation_failed")),
        "tampered": (sealed(key, photo)[:-1] + b"~", (422, "sealed_body_refused")),
    }
    for what, (content, expected) in wrong.items():
        answer = send(device, content, path)
        assert (answer.status_code, answer.json()["code"]) == expected, what
    large = photo + b"\0" * (3 * 1024 * 1024 - len(photo))
    assert send(device, sealed(key, large), path).status_code in (201, 422), "three megabytes are read"


# ---- the keys ----


def test_every_process_has_the_key_and_a_restart_keeps_it(run_service: Callable[..., Running]) -> None:
    first, second = run_service(), run_service()
    device = paired(first)
    content = sealed(sealing_key(device), json.dumps(a_request()).encode())
    there = second.client(None, authorization=device.headers["authorization"])
    assert sealing_key(there) == sealing_key(device)
    assert send(there, content).status_code == 201
    (row,) = fetch(first.url, select(envelope_key))
    assert b'"d"' not in row["sealed"], "its private half lies sealed"


def test_what_was_sealed_before_the_key_was_renewed_still_opens(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    service = run_service(refresh_seconds=60)  # a process that has not heard of the new one
    device = paired(service)
    old = sealing_key(device)
    kid = said("kiosks", "renew-sealing-key", database=database_url)
    fresh = run_service(refresh_seconds=0.2)
    new = sealing_key(fresh.client(None, authorization=device.headers["authorization"]))
    assert new["kid"] == kid != old["kid"]
    body = json.dumps(a_request()).encode()
    assert send(device, sealed(new, body)).status_code == 201, "a kid that is new here is looked up"
    assert send(device, sealed(old, body)).status_code == 201
    until(lambda: sealing_key(device) == new, what="the new key in the pack")


def test_a_key_that_was_replaced_long_ago_goes_when_the_next_is_made(database_url: str) -> None:
    async def renew(database: Database) -> str:
        async with database.writing() as connection:
            return await envelope_keys.renew(connection)

    first = on(database_url, renew)
    over = envelope_keys.now() - envelope_keys.STILL_OPENS
    change(database_url, update(envelope_key).where(envelope_key.c.replaced_at.is_not(None)).values(replaced_at=over))
    second = on(database_url, renew)
    assert {row["kid"] for row in fetch(database_url, select(envelope_key))} == {first, second}


def test_an_envelope_is_opened_by_our_own_hand_as_by_the_library_that_made_it() -> None:
    """The worked example of RFC 7518, appendix C, in our algorithms: what another library seals, ours opens."""
    from joserfc.jwe import encrypt_compact

    key = ECKey.generate_key("P-256")
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": "k"}
    made = encrypt_compact(header, b"content", key, algorithms=["ECDH-ES", "A256GCM"]).encode()
    assert asyncio.run(opened(made, {"k": key}, 100)).content == b"content"
    with pytest.raises(Problem) as refused:
        asyncio.run(opened(made, {"k": key}, 6))
    assert refused.value.code == "body_too_large"


def test_the_worked_example_of_the_guide_works(service: Running) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "kiosk.md").read_text("utf-8")
    (example,) = re.findall(r"<!-- the worked example; a test runs it -->\n```python\n(.*?)```", guide, re.DOTALL)
    key = paired(service).headers["authorization"].removeprefix("Bearer ")
    exec(compile(example, "docs/kiosk.md", "exec"), {"SERVICE": service.address, "KEY": key})
    assert count(service.url, help_request)["help_request"] == 1

"""Bodies that readers differ on, that never end, or that make a name look like another."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from app.api import bodies
from app.problems import Problem
from app.schemas import RequestIn
from tests.examples import a_request, a_request_in_full
from tests.running import Running

OVERRIDE, ISOLATE, END = "\u202e", "\u2066", "\u2069"


def refusal(body: bytes) -> str:
    with pytest.raises(Problem) as refused:
        bodies.parse(RequestIn, body)
    return refused.value.code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 33 + b"]" * 33, "too_complex"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "too_complex"),
        (b"[" * 200_000, "malformed_json"),
        (b"[" * 100_000 + b"]" * 100_000, "too_complex"),
        (b"[" + b"1," * 20_001 + b"1]", "too_complex"),
        (b"[" + b"[]," * 20_001 + b"1]", "too_complex"),
        (b'{"a":1,"a":2}', "malformed_json"),
        (b'{"a":{"b":1,"\\u0062":2}}', "malformed_json"),
        (b'"' + b'\\"' * 100_000, "malformed_json"),
        (b'"\\ud800"', "malformed_json"),
        (b"\xff\xfe{\x00}\x00", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        ("{}".encode("utf-16"), "malformed_json"),
        (json.dumps(a_request(), ensure_ascii=False).encode("gb18030"), "malformed_json"),
        (b'{"channel": "window\x00"}', "malformed_json"),
        (b"{} {}", "malformed_json"),
        (b"", "malformed_json"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "malformed_json"),
    ],
    ids=lambda given: given[:24] if isinstance(given, bytes) else given,
)
def test_what_is_wrong_with_it_is_said_and_the_reader_does_not_fall_over(body: bytes, code: str) -> None:
    assert refusal(body) == code


def test_depth_and_number_are_not_mistaken_for_what_stands_in_a_text() -> None:
    said = '[{,"\\' * 600
    asked = bodies.parse(RequestIn, json.dumps(a_request(narrative=said)).encode())
    assert asked.narrative == said
    wordy = a_request(needs=[{"code": "education_aid", "details": "," * 4000}] * 6)
    assert len(bodies.parse(RequestIn, json.dumps(wordy).encode()).needs) == 6
    assert refusal(b"[" * 32 + b"]" * 32) == "validation_failed", "as deep as may be"


def test_the_same_name_may_stand_in_two_objects_and_not_twice_in_one() -> None:
    whole = json.dumps(a_request_in_full(), ensure_ascii=False)
    bodies.parse(RequestIn, whole.encode())
    twice = whole[:-1] + ', "channel": "hotline"}'
    with pytest.raises(Problem) as refused:
        bodies.parse(RequestIn, twice.encode())
    assert refused.value.detail is not None
    assert '"channel"' in refused.value.detail.en


def test_controls_of_direction_leave_names_and_stay_in_stories() -> None:
    person = {"name": f"张{OVERRIDE}三{END}", "phone": "\u202d13800000000\u202c", "id_number": None}
    asked = bodies.parse(RequestIn, json.dumps(a_request(applicant=person, narrative=f"a{OVERRIDE}b")).encode())
    assert asked.applicant is not None
    assert (asked.applicant.name, asked.applicant.phone) == ("张三", "13800000000")
    assert asked.narrative == f"a{OVERRIDE}b"
    with pytest.raises(Problem):
        bodies.parse(RequestIn, json.dumps(a_request(applicant={"name": OVERRIDE})).encode())


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "application/json; charset=gb18030"}, 415, "unsupported_media_type"),
        ({"content-type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
        ({"content-type": 'application/json;charset="UTF-8"'}, 201, None),
        ({"content-type": "application/json; charset=utf8"}, 201, None),
        ({"content-type": "application/jsonp"}, 415, "unsupported_media_type"),
        ({"content-type": "application/json", "content-encoding": "br"}, 415, "unsupported_media_type"),
        ({"content-type": "application/json", "content-encoding": "identity"}, 201, None),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-type": ""}, 415, "unsupported_media_type"),
    ],
)
def test_only_utf_8_json_as_it_is(service: Running, headers: dict[str, str], status: int, code: str | None) -> None:
    answer = service.client("intake").post("/v1/requests", content=json.dumps(a_request()).encode(), headers=headers)
    assert answer.status_code == status
    assert answer.json().get("code") == code


def test_a_bomb_is_not_unpacked_and_a_flood_not_read(service: Running) -> None:
    client = service.client("intake")
    bomb = gzip.compress(b" " * 50_000_000)
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post("/v1/requests", content=bomb, headers=packed).status_code == 415

    def flood() -> Any:
        for _ in range(1000):
            yield b" " * 65536

    try:
        answer = client.post("/v1/requests", content=flood(), headers={"content-type": "application/json"})
        assert answer.json()["code"] == "body_too_large"
    except httpx.TransportError:
        pass  # it was cut off before it had finished sending
    assert client.post("/v1/requests", json=a_request()).status_code == 201

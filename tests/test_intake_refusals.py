"""What intake refuses: each fault points to its field in a plain sentence, and nothing of it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.tables import delivery, event, handoff, help_request, idempotency
from tests import examples
from tests.examples import a_request
from tests.running import Running
from tests.watching import count

CHINESE = re.compile("[一-鿿]")
STORED = (help_request, handoff, event, delivery, idempotency)
MOST_BYTES = 256 * 1024
JSON = {"content-type": "application/json"}
THIRTY_ONE = [{"name": "测试", "relation": "child"}] * 31
TWENTY_ONE = [{"code": f"need_{n}"} for n in range(21)]
TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()


def applicant(**fields: Any) -> dict[str, Any]:
    return {"applicant": fields}


def need(**fields: Any) -> dict[str, Any]:
    return {"needs": [{"code": "education_aid", **fields}]}


def a_consent(person: str, from_now: int = -1, **changes: Any) -> dict[str, Any]:
    """Given so many minutes from now."""
    given_at = datetime.now(UTC) + timedelta(minutes=from_now)
    return examples.a_consent("medical_data", person, **{"given_at": given_at.isoformat(), **changes})


# The field that the answer must point to, and what is wrong with the request.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("/channel", {"channel": "pigeon"}),
    ("/division_code", {"division_code": "999999"}),
    ("/division_code", {"division_code": "3608"}),
    ("/division_code", {"division_code": 360803}),
    ("/applicant", {"applicant": "me"}),
    ("/applicant", {"applicant": None}),
    ("/applicant/name", applicant(name="   ")),
    ("/applicant/name", applicant(name="长" * 201)),
    ("/applicant/name", applicant(name="a\u0000b")),
    ("/applicant/id_number", applicant(id_number="36012219700101123X")),
    ("/applicant/id_number", applicant(id_number="110105491231002")),
    ("/applicant/id_number", applicant(id_number="11010519490231002X")),
    ("/applicant/id_number", applicant(id_number="1101051949123100２X")),
    ("/applicant/id_type", applicant(id_type="library_card")),
    ("/applicant/birth_date", applicant(birth_date=TOMORROW)),
    ("/applicant/birth_date", applicant(birth_date="1950-02-30")),
    ("/applicant/birth_date", applicant(birth_date=0)),
    ("/applicant/phone", applicant(phone="12")),
    ("/applicant/phone", applicant(phone="call me")),
    ("/applicant/nick~0~1name", applicant(**{"nick~/name": "x"})),
    ("/helper/relation", {"helper": {"name": "测试乙"}}),
    ("/helper/phone", {"helper": {"relation": "friend", "phone": "0"}}),
    ("/household", {"household": THIRTY_ONE}),
    ("/household/1/id_number", {"household": [{"relation": "child"}, {"relation": "child", "id_number": "1"}]}),
    ("/household/0/birth_date", {"household": [{"relation": "child", "birth_date": TOMORROW}]}),
    ("/facts/household_size", {"facts": {"household_size": 0}}),
    ("/facts/household_size", {"facts": {"household_size": 2.5}}),
    ("/facts/monthly_income_yuan", {"facts": {"monthly_income_yuan": 1200.5}}),
    ("/facts/monthly_income_yuan", {"facts": {"monthly_income_yuan": 1200}}),
    ("/facts/monthly_income_yuan", {"facts": {"monthly_income_yuan": "1e3"}}),
    ("/facts/monthly_income_yuan", {"facts": {"monthly_income_yuan": "-5.00"}}),
    ("/facts/disaster_date", {"facts": {"disaster_date": TOMORROW}}),
    ("/needs/0/facts/disaster_date", need(facts={"disaster_date": TOMORROW})),
    ("/facts/recognised_status/1", {"facts": {"recognised_status": ["orphan", "rich"]}}),
    ("/needs", {"needs": []}),
    ("/needs", {"needs": TWENTY_ONE}),
    ("/needs/0/code", {"needs": [{"code": "Medical Assistance"}]}),
    ("/needs/0/code", {"needs": [{"code": "medical_assistance_aplied"}]}),
    ("/needs/1/code", {"needs": [{"code": "education_aid"}, {"code": "education_aid"}]}),
    ("/needs/0/facts/out_of_pocket_yuan", need(facts={"out_of_pocket_yuan": "48,200.00"})),
    ("/needs/0/facts/out_of_pocket_yuan", need(facts={"out_of_pocket_yuan": "48200.001"})),
    ("/needs/0/details", need(details="长" * 4001)),
    ("/narrative", {"narrative": ["a", "list"]}),
    ("/consents/0/given_at", {"consents": [a_consent("applicant", given_at="2026-11-20T02:00:00")]}),
    ("/consents/0/person", {"consents": [a_consent("neighbour")]}),
    ("/consents/0/evidence/kind", {"consents": [a_consent("applicant", evidence={"kind": "hearsay"})]}),
    ("/consents/0/text_version", {"consents": [a_consent("applicant", text_version=99)]}),
    ("/consents/0/person", {"consents": [a_consent("obligors/0")]}),
    ("/consents/0/person", {"consents": [a_consent("helper")]}),
    ("/consents/1/person", {"consents": [a_consent("applicant"), a_consent("household/0")]}),
    ("/consents/0/person", {"household": [{"relation": "child"}], "consents": [a_consent("household/1")]}),
    ("/consents/0/person", {"household": [{"relation": "child"}], "consents": [a_consent("household/00")]}),
    ("/consents/0/given_at", {"consents": [a_consent("applicant", from_now=24 * 60)]}),
    ("/colour", {"colour": "blue"}),
]


@pytest.fixture
def window(service: Running) -> Iterator[httpx.Client]:
    """A door that is tried with much that is wrong: at the end nothing is stored."""
    yield service.client("intake", **{"idempotency-key": "once-and-the-same"})
    assert set(count(service.url, *STORED).values()) == {0}


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"/v1/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


def test_each_fault_points_to_its_field_in_a_sentence_of_either_language(window: httpx.Client) -> None:
    wrong = []
    for pointer, change in FAULTS:
        english = window.post("/v1/requests", json=a_request(**change))
        chinese = window.post("/v1/requests", json=a_request(**change), headers={"accept-language": "zh-CN,en;q=0.5"})
        if (english.status_code, chinese.status_code) != (422, 422):
            wrong.append(f"{pointer} {change}: {english.status_code}")
            continue
        (in_english,) = refusal(english, 422, "validation_failed")["errors"]
        (in_chinese,) = refusal(chinese, 422, "validation_failed")["errors"]
        assert (in_english["pointer"], in_chinese["pointer"]) == (pointer, pointer)
        assert in_english["code"] == in_chinese["code"]
        assert re.fullmatch(r"[ -~]+[.?]", in_english["detail"]), in_english
        assert CHINESE.search(in_chinese["detail"])
        assert in_chinese["detail"].endswith("。")
    assert not wrong, "these were not refused"


def test_who_names_no_language_is_answered_in_chinese(window: httpx.Client) -> None:
    del window.headers["accept-language"]
    problem = refusal(window.post("/v1/requests", json=a_request(channel="pigeon")), 422, "validation_failed")
    for sentence in (problem["title"], problem["detail"], problem["errors"][0]["detail"]):
        assert CHINESE.search(sentence)


def test_every_fault_of_a_request_is_told_at_once(window: httpx.Client) -> None:
    shape = a_request(channel="pigeon", needs=[{"code": "education_aid", "facts": {"household_size": "many"}}])
    problem = refusal(window.post("/v1/requests", json=shape), 422, "validation_failed")
    assert {each["pointer"] for each in problem["errors"]} == {"/channel", "/needs/0/facts/household_size"}
    meaning = a_request("food", division_code="360899", applicant={"phone": "12", "birth_date": TOMORROW})
    problem = refusal(window.post("/v1/requests", json=meaning), 422, "validation_failed")
    told = {each["pointer"] for each in problem["errors"]}
    assert told == {"/needs/0/code", "/division_code", "/applicant/phone", "/applicant/birth_date"}


@pytest.mark.parametrize(
    ("wrong", "language", "told"),
    [
        (50, "en", "Correct each item of `errors` and send again."),
        (51, "en", "Correct each item of `errors` and send again. Further errors, not listed: 1."),
        (9000, "en", "Correct each item of `errors` and send again. Further errors, not listed: 8950."),
        (9000, "zh", "请按 errors 逐项改正后重发。另有 8950 项有误,未逐一列出。"),
    ],
)
def test_of_very_many_faults_fifty_are_listed_and_the_others_counted(
    window: httpx.Client, wrong: int, language: str, told: str
) -> None:
    body = a_request(**{f"colour_{number}": "blue" for number in range(wrong)})
    answer = window.post("/v1/requests", json=body, headers={"accept-language": language})
    problem = refusal(answer, 422, "validation_failed")
    assert len(problem["errors"]) == 50
    assert problem["detail"] == told
    assert len(answer.content) < 10_000


def test_a_missing_field_is_named(window: httpx.Client) -> None:
    body = {name: content for name, content in a_request().items() if name != "needs"}
    (error,) = refusal(window.post("/v1/requests", json=body), 422, "validation_failed")["errors"]
    assert (error["pointer"], error["code"]) == ("/needs", "missing")


def test_a_need_that_is_misspelt_is_answered_with_the_one_that_was_meant(window: httpx.Client) -> None:
    for language in ("en", "zh"):
        answer = window.post(
            "/v1/requests", json=a_request("medical_assistance_aplied"), headers={"accept-language": language}
        )
        (error,) = answer.json()["errors"]
        assert error["code"] == "unknown_need"
        assert "medical_assistance_applied" in error["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"channel": "window",}', b"\xff\xfe", b"None", b'{"a": "\\ud800"}'])
def test_what_is_no_json_is_400(window: httpx.Client, body: bytes) -> None:
    refusal(window.post("/v1/requests", content=body, headers=JSON), 400, "malformed_json")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"7"])
def test_json_that_is_no_object_is_refused_whole(window: httpx.Client, body: bytes) -> None:
    (error,) = refusal(window.post("/v1/requests", content=body, headers=JSON), 422, "validation_failed")["errors"]
    assert error["pointer"] == ""


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 40_000, b'{"applicant":' + b"[" * 50_000])
def test_deep_nesting_is_refused_and_breaks_nothing(window: httpx.Client, body: bytes) -> None:
    refusal(window.post("/v1/requests", content=body, headers=JSON), 400, "malformed_json")
    assert window.get("/health/live").status_code == 200


def padded(length: int) -> bytes:
    body = json.dumps(a_request()).encode()
    return body + b" " * (length - len(body))


def test_a_body_over_256_kib_is_413_whether_its_length_is_declared_or_not(window: httpx.Client) -> None:
    too_much = padded(MOST_BYTES + 1)
    declared = window.post("/v1/requests", content=too_much, headers=JSON)
    assert declared.request.headers["content-length"] == str(len(too_much))
    refusal(declared, 413, "body_too_large")
    chunks = (too_much[at : at + 10_000] for at in range(0, len(too_much), 10_000))
    chunked = window.post("/v1/requests", content=chunks, headers=JSON)
    assert chunked.request.headers["transfer-encoding"] == "chunked"
    refusal(chunked, 413, "body_too_large")


def test_a_body_of_exactly_256_kib_is_taken(service: Running) -> None:
    answer = service.client("intake").post("/v1/requests", content=padded(MOST_BYTES), headers=JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", None])
def test_a_body_that_is_not_declared_as_json_is_415(window: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = window.post("/v1/requests", content=json.dumps(a_request()), headers=headers)
    refusal(answer, 415, "unsupported_media_type")


def test_of_a_header_that_stands_twice_the_first_counts(window: httpx.Client) -> None:
    kinds = ["application/json", "text/plain"]
    answers = [
        window.post("/v1/requests", content=b"{}", headers=[("Content-Type", each) for each in order])
        for order in (kinds, kinds[::-1])
    ]
    assert [each.status_code for each in answers] == [422, 415]


@pytest.mark.parametrize("key", ["two words", "x" * 201, ""])
def test_an_idempotency_key_that_can_not_be_one_is_refused_by_name(service: Running, key: str) -> None:
    answer = service.client("intake").post("/v1/requests", json=a_request(), headers={"idempotency-key": key})
    assert "Idempotency-Key" in refusal(answer, 400, "malformed_header")["detail"]
    assert set(count(service.url, *STORED).values()) == {0}

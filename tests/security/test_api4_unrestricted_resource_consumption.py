"""API4:2023 Unrestricted resource consumption: a call that costs us more than it costs whoever makes it.

Held by tests/security/test_connections.py (slow, many and endless connections), tests/security/test_bodies.py (depth, number,
bombs, floods), tests/test_rates.py (how often, over all processes), uploads:
tests/test_attachments.py::test_more_than_20_mb_are_cut_off_while_they_come_and_memory_stays_bounded, passwords:
tests/test_staff.py::test_a_line_of_many_who_sign_in_at_once_is_told_to_come_again; and here that everything has an end.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.county import CIVIL_AFFAIRS
from tests.examples import a_request
from tests.running import Running
from tests.security.test_api3_broken_object_property_level_authorization import inbound
from tests.test_openapi import DOCUMENT, SCHEMAS

ENDS = {"maxLength", "pattern", "enum", "const", "format", "$ref"}


def endless(node: dict[str, Any], where: str) -> list[str]:
    if any(name in node for name in ("anyOf", "oneOf")):
        return [each for one in node.get("anyOf", node.get("oneOf", ())) for each in endless(one, where)]
    match node.get("type"):
        case "string":
            return [] if ENDS & node.keys() else [where]
        case "array":
            return ([] if "maxItems" in node else [f"{where}[]"]) + endless(node["items"], f"{where}[*]")
        case _:
            return []


@pytest.mark.parametrize("name", inbound())
def test_every_text_and_every_list_that_comes_in_has_an_end(name: str) -> None:
    fields = SCHEMAS[name]["properties"].items()
    assert [each for field, node in fields for each in endless(node, f"{name}.{field}")] == []


def most_of(schema: dict[str, Any]) -> int | None:
    """Of a number that may be left out, too."""
    return next((each["maximum"] for each in (schema, *schema.get("anyOf", ())) if "maximum" in each), None)


def test_every_list_goes_out_by_pages_and_every_wait_ends() -> None:
    asked = [
        (path, each["name"], most_of(each["schema"]))
        for path, calls in DOCUMENT["paths"].items()
        for call in calls.values()
        for each in call.get("parameters", ())
        if each["name"] in ("limit", "wait")
    ]
    assert len(asked) > 12
    most = {"limit": 10_000, "wait": 60}
    assert [each for each in asked if not (each[2] and each[2] <= most[each[1]])] == []
    assert {path for path, name, maximum in asked if name == "limit" and maximum > 200} == {
        "/v1/deliveries/redeliver-exhausted",
        "/v1/agencies/{code}/redeliver",
    }


def test_who_asks_for_more_than_a_page_is_refused(service: Running) -> None:
    auditor = service.client("auditor")
    for asked in ("limit=201", "limit=0", "limit=-1", "limit=99999999999999999999"):
        assert auditor.get(f"/v1/requests?{asked}").status_code == 422, asked


def test_many_who_wait_for_an_inbox_keep_nobody_else_waiting(service: Running) -> None:
    waits = [service.client("agency", CIVIL_AFFAIRS) for _ in range(2)] * 20
    with ThreadPoolExecutor(len(waits)) as threads:
        answers = [threads.submit(each.get, "/v1/handoffs?wait=2&status=suspended") for each in waits]
        assert service.client("intake").post("/v1/requests", json=a_request()).status_code == 201
        assert not any(each.done() and each.result().status_code >= 500 for each in answers)
        assert {each.result().status_code for each in answers} <= {200, 429}

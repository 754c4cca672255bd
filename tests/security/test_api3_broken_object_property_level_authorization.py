"""API3:2023 Broken object property level authorization: somebody reads or writes a field that is not theirs.

Read: tests/test_disclosure.py::test_for_any_groups_nothing_is_shown_but_their_fields,
tests/security/test_matrix.py::test_whoever_may_not_see_people_is_shown_none_of_their_words,
tests/test_attachments.py::test_an_agency_sees_the_papers_that_its_rule_opens_and_no_others. Written (mass assignment): here.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.tables import api_key, help_request, staff_account
from tests.examples import a_request
from tests.running import Running
from tests.test_openapi import DOCUMENT, SCHEMAS

# A callback's new fields are for agencies newer than this service: they are passed over and never read.
PASSED_OVER = {"CallbackIn", "CallbackData", "CallbackItem", "CallbacksIn", "BulkData"}
# Of a bank account, and of a message in bulk; a kiosk names a number that was given to it, and gets no other's
# (tests/test_reserved_numbers.py).
NAMED_ALIKE = {"BankAccount": {"holder"}, "CallbackItem": {"id"}}
NAMED_ALIKE |= {name: {"receipt_number"} for name in ("RequestIn", "EmergencyIn")}
OURS = {
    *("id", "head", "sealed", "data_key", "tracking_hash", "key_hash", "password_hash", "holder", "created_by"),
    *("registered_by", "receipt_number", "registered_at", "closed_at", "erased_at", "revoked_at", "failed_tries"),
    *("locked_until", "last_used_at"),
}


def inbound() -> list[str]:
    """Every object that comes in, however deep."""
    seen: set[str] = set()
    calls = (call for path in DOCUMENT["paths"].values() for call in path.values())
    bodies: list[Any] = [call["requestBody"] for call in calls if "requestBody" in call]
    while bodies:
        match bodies.pop():
            case dict() as node:
                if (name := str(node.get("$ref", "")).rpartition("/")[2]) and name not in seen:
                    seen.add(name)
                    bodies.append(SCHEMAS[name])
                bodies += node.values()
            case list() as nodes:
                bodies += nodes
    return sorted(name for name in seen if "properties" in SCHEMAS[name])


@pytest.mark.parametrize("name", inbound())
def test_no_body_takes_a_field_that_it_does_not_name_nor_one_that_is_ours_to_write(name: str) -> None:
    schema = SCHEMAS[name]
    assert name in PASSED_OVER or schema.get("additionalProperties") is False
    assert (OURS - NAMED_ALIKE.get(name, set())) & schema["properties"].keys() == set()


def test_the_names_are_those_of_columns() -> None:
    columns = {each.name for table in (help_request, api_key, staff_account) for each in table.c}
    assert columns >= OURS


@pytest.mark.parametrize(
    ("role", "path", "body", "more"),
    [
        ("intake", "/v1/requests", a_request(), {"status": "closed", "registered_by": "key:x"}),
        ("intake", "/v1/emergencies", {"what": "断粮", "where": "镇上"}, {"handoffs": [], "debts": 0}),
        ("security", "/v1/keys", {"name": "x", "role": "intake"}, {"holder": "x", "key_hash": "x"}),
        (
            "security",
            "/v1/staff",
            {"login_name": "x.y", "display_name": "x", "role": "intake"},
            {"password_hash": "x", "must_change_password": False},
        ),
    ],
)
def test_what_is_ours_to_write_is_refused_by_name(
    service: Running, role: str, path: str, body: dict[str, Any], more: dict[str, Any]
) -> None:
    refused = service.client(role).post(path, json={**body, **more})
    assert refused.status_code == 422
    assert {each["pointer"] for each in refused.json()["errors"]} == {f"/{name}" for name in more}

"""The OpenAPI document: whole, current, with an example of every body that is valid against its own schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.config import Settings
from app.main import create_app

COMMITTED = Path(__file__).parent.parent / "openapi" / "openapi.json"
DOCUMENT: dict[str, Any] = create_app(Settings(secret="0" * 32)).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def bodies() -> set[str]:
    """The names of every schema that a body in, a body out or a message has."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            for kind in node.get("content", {}).values():
                schema = kind.get("schema", {})
                for each in (schema, *schema.get("anyOf", ())):
                    if "$ref" in each:
                        found.add(each["$ref"].rsplit("/", 1)[1])
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look([DOCUMENT["paths"], DOCUMENT["webhooks"]])
    return found


def test_the_committed_document_is_the_applications() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == json.loads(json.dumps(DOCUMENT))


def test_there_are_bodies_to_look_at() -> None:
    assert {
        "RequestIn",
        "RequestReceipt",
        "CallbackIn",
        "DispatchedMessage",
        "ReferenceMessage",
        "ProblemBody",
    } <= bodies()


@pytest.mark.parametrize("name", sorted(bodies()))
def test_every_body_has_an_example_that_is_valid(name: str) -> None:
    examples = SCHEMAS[name].get("examples")
    assert examples, f"{name} has no example"
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for example in examples:
        assert [str(error) for error in validator.iter_errors(example)] == []


def test_every_operation_has_a_summary_a_tag_in_order_and_declares_its_errors() -> None:
    tags = [tag["name"] for tag in DOCUMENT["tags"]]
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"
            assert set(operation["tags"]) <= set(tags), f"{method} {path}"
            assert "500" in operation["responses"], f"{method} {path}"


def test_every_message_out_is_described() -> None:
    handoff = {"dispatched", "supplemented", "urged", "rescheduled", "cancelled", "due_soon", "supervised", "resumed"}
    handoff |= {"extended"}
    notices = {"notice.request", "notice.handoff", "notice.delivery", "notice.emergency", "notice.endpoint"}
    others = {"ping", "consent.withdrawn", "agency.supervised", "emergency.dispatched"}
    assert set(DOCUMENT["webhooks"]) == {f"handoff.{each}" for each in handoff} | others | notices

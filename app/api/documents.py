"""What every route declares: its answers, its errors, and where the OpenAPI document puts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.answers import ProblemBody
from app.problems import KINDS

_REQUEST_ID = {"X-Request-ID": {"description": "Names this call in the logs.", "schema": {"type": "string"}}}
ETAG = {"ETag": {"description": "Of the state that is shown, for `If-Match`.", "schema": {"type": "string"}}}
_ALWAYS = ("internal_error", "unavailable")
_WITH_KEY = ("unauthenticated", "forbidden")
_WITH_BODY = ("malformed_json", "too_complex", "body_too_large", "unsupported_media_type", "validation_failed")


def answers(
    model: type[BaseModel] | None,
    *codes: str,
    status: int = 200,
    key: bool = True,
    body: bool = False,
    limited: bool = True,
    what: str = "OK",
    headers: Mapping[str, Any] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its good answer and every problem that it may answer instead."""
    good: dict[str, Any] = {"description": what, "headers": {**_REQUEST_ID, **(headers or {})}}
    if model is not None:
        good["model"] = model
    declared: dict[int | str, dict[str, Any]] = {status: good}
    all_codes = [*codes, *(_WITH_KEY if key else ()), *(_WITH_BODY if body else ()), *_ALWAYS]
    all_codes += ["too_many_requests"] if limited else []
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(all_codes):
        by_status.setdefault(KINDS[code].status, []).append(code)
    for number, of_status in sorted(by_status.items()):
        described = "; ".join(f"`{code}`: {KINDS[code].title.en}" for code in of_status)
        reference = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
        declared[number] = {
            "description": described,
            "headers": _REQUEST_ID,
            "content": {"application/problem+json": {"schema": reference}},
        }
    if 412 in declared:
        declared[412]["headers"] = {**_REQUEST_ID, **ETAG}
    for later in declared.keys() & {429, 503}:
        declared[later]["headers"] = {**_REQUEST_ID, "Retry-After": {"schema": {"type": "string"}}}
    return declared

"""Errors that a caller can be told of: one catalogue, one envelope (RFC 9457), each text in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.problem_kinds import KINDS as KINDS
from app.problem_kinds_http import Kind
from app.problem_kinds_http import Text as Text

MOST_ERRORS = 50


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: a JSON pointer (RFC 6901) or a parameter's name, a code, a sentence."""

    pointer: str
    code: str
    detail: Text


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Raised by verbs, answered by the API as `application/problem+json`."""

    code: str
    detail: Text | None = None
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    def body(self, language: str) -> dict[str, Any]:
        kind = self.kind
        answer: dict[str, Any] = {
            "type": f"/v1/problems/{self.code}",
            "title": kind.title.pick(language),
            "status": kind.status,
            "detail": (self.detail or kind.advice).pick(language),
            "code": self.code,
            **self.extra,
        }
        if self.errors:
            answer["errors"] = [
                {"pointer": error.pointer, "code": error.code, "detail": error.detail.pick(language)}
                for error in self.errors
            ]
        return answer

    def __str__(self) -> str:
        return self.code


def unavailable() -> Problem:
    return Problem("unavailable", headers={"Retry-After": "2"})


def invalid(*errors: FieldError, unlisted: int = 0) -> Problem:
    """At most 50 errors are listed; the detail says how many more there are, with `unlisted` that were not even told."""
    unlisted += max(len(errors) - MOST_ERRORS, 0)
    if not unlisted:
        return Problem("validation_failed", errors=errors)
    advice = KINDS["validation_failed"].advice
    detail = Text(
        f"{advice.zh}另有 {unlisted} 项有误,未逐一列出。",
        f"{advice.en} Further errors, not listed: {unlisted}.",
    )
    return Problem("validation_failed", detail, errors[:MOST_ERRORS])

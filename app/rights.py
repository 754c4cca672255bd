"""Whose is it: what a key reaches beyond its role. Nothing is said of what it does not reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.keys import Key, KeyRole
from app.problems import Problem

_SEE_ALL = frozenset({KeyRole.COORDINATOR, KeyRole.AUDITOR})
_SEE_PEOPLE = frozenset({KeyRole.INTAKE, KeyRole.COORDINATOR})


def reaches(key: Key, request: Mapping[Any, Any]) -> bool:
    """An intake key reaches the requests that it, or a key of its line, took in; coordinators and auditors reach all."""
    return key.role in _SEE_ALL or (key.role is KeyRole.INTAKE and request["registered_by"] == key.holder)


def must_reach(key: Key, request: Mapping[Any, Any]) -> None:
    if not reaches(key, request):
        raise Problem("not_found")


def sees_people(key: Key) -> bool:
    return key.role in _SEE_PEOPLE

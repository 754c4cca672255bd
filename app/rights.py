"""Whose is it: what a key reaches beyond its role. Nothing is said of what it does not reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.jurisdictions import Conditions, lies_in, within
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import FieldError, Problem, Text
from app.tables import handoff, help_request

TAKE_IN = frozenset({KeyRole.INTAKE, KeyRole.TOWNSHIP})
_REACH_OWN = TAKE_IN | {KeyRole.KIOSK}  # a kiosk to add to it: it may call nothing that shows it
_SEE_ALL = frozenset({KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR})
_SEE_PEOPLE = frozenset({KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR})


def reaches(key: Key, request: Mapping[Any, Any]) -> bool:
    """Whoever took a request in reaches it, as do the keys of its line; others what lies in their jurisdiction."""
    if key.role in _REACH_OWN and request["registered_by"] == key.holder:
        return True
    return key.role in _SEE_ALL and lies_in(request["division_code"], key.division_code)


def must_reach(key: Key, request: Mapping[Any, Any]) -> None:
    if not reaches(key, request):
        raise Problem("not_found")


def reached(key: Key) -> Conditions:
    """The same as conditions on a query that holds `help_request`."""
    took_in = help_request.c.registered_by == key.holder
    if key.role is KeyRole.INTAKE:
        return (took_in,)
    if key.role is KeyRole.TOWNSHIP:
        return tuple(each | took_in for each in within(key.division_code))
    return within(key.division_code)


async def request_of(connection: AsyncConnection, key: Key, handoff_id: UUID) -> UUID:
    """The request of a handoff that a key reaches. Raises `not_found`."""
    names = (help_request.c.id, help_request.c.division_code, help_request.c.registered_by)
    of_handoff = select(*names).join_from(handoff, help_request, handoff.c.request_id == help_request.c.id)
    request = (await connection.execute(of_handoff.where(handoff.c.id == handoff_id))).mappings().first()
    if request is None:
        raise Problem("not_found")
    must_reach(key, request)
    request_id: UUID = request["id"]
    return request_id


def sees_people(key: Key) -> bool:
    return key.role in _SEE_PEOPLE


async def must_hold_all(office: Office, key: Key) -> None:
    """What is one for all places is set by whoever answers for all of them. Raises `forbidden`."""
    if not lies_in((await office.registry.current()).directory.place, key.division_code):
        text = Text(
            f"此项对所有辖区生效,而您的密钥只管 {key.division_code};请由全部辖区的管理人员办理。",
            f"This is one for every place, and your key is for {key.division_code}: ask whoever answers for all of them.",
        )
        raise Problem("forbidden", text)


def outside(pointer: str, place: str | None) -> FieldError:
    """Of a place that is to be set for, by a key of another."""
    text = Text(
        f"不在您的辖区({place})内;请填本辖区的区划代码。",
        f"It lies outside your jurisdiction ({place}): name a division in it.",
    )
    return FieldError(pointer, "outside_jurisdiction", text)


def taken_in_elsewhere(key: Key, division_code: str) -> list[FieldError]:
    """A warning, never a reason to refuse: a person in need is not turned away."""
    if lies_in(division_code, key.division_code):
        return []
    text = Text(
        f"此地不在本窗口辖区({key.division_code})内;已照常受理并转办,请核对地点。",
        f"This place lies outside this door's jurisdiction ({key.division_code}); it was taken in and handed off all "
        "the same: check the place.",
    )
    return [FieldError("/division_code", "outside_jurisdiction", text)]

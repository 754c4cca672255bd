"""Jurisdictions (辖区): a division and every place in it, as a condition on rows. No division: everywhere.

Codes are hierarchical digits: what lies in 3608 begins with it. The condition is on purpose none that an index is
chosen for: rows are walked newest first, or by whatever else orders them, and those of other places are passed over.
Sorting all that a county ever had would grow with its history.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select, union_all

from app.columns import before_slash, digits_of
from app.tables import agency, api_key, delivery, help_request

Conditions = tuple[ColumnElement[bool], ...]


def lies_in(division_code: str, place: str | None) -> bool:
    return place is None or division_code.startswith(place)


def within(place: str | None, division_code: Any = help_request.c.division_code) -> Conditions:
    return () if place is None else (func.substr(division_code, 1, len(place)) == place,)


def of_requests_within(place: str | None, request_id: Any) -> Conditions:
    """The same of rows that belong to a request, each looked up by its id."""
    if place is None:
        return ()
    return (exists().where(help_request.c.id == request_id, *within(place)),)


def deliveries_within(place: str | None) -> Conditions:
    """A message about no request is its agency's."""
    if place is None:
        return ()
    to_agency = exists().where(agency.c.code == delivery.c.receiver, *within(place, agency.c.division_code))
    (about,) = of_requests_within(place, delivery.c.request_id)
    return (or_(about, and_(delivery.c.request_id.is_(None), to_agency)),)


def principals_within(place: str | None) -> Conditions:
    """Keys and accounts; who acts for an agency is where it is."""
    if place is None:
        return ()
    of_agency = exists().where(agency.c.code == api_key.c.agency_code, *within(place, agency.c.division_code))
    return (or_(*within(place, api_key.c.division_code), of_agency),)


def actors_within(place: str | None, actor: Any) -> Conditions:
    """Whoever did something, as events and alarms name them: an agency, its officer by a guest link, a key, a person.

    Those of a place are found once, however many rows name them.
    """
    if place is None:
        return ()
    digits = digits_of(api_key.c.id)
    of_place = principals_within(place)
    principals = union_all(*(select(literal(kind) + digits).where(*of_place) for kind in ("key:", "staff:")))
    agencies = select(literal("agency:") + agency.c.code).where(*within(place, agency.c.division_code))
    return (or_(func.replace(actor, "-", "").in_(principals), before_slash(actor).in_(agencies)),)

"""Keys: narrowed to scopes and networks, their last use, who may not hold two, and issued over the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Select, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import keys
from app.db import Database
from app.identifiers import new_id, now
from app.jurisdictions import within
from app.keys import KeyRing, KeyRole, WrongKeyError
from app.office import Office
from app.paged import PageAsked
from app.reading import _newest_ids
from app.tables import api_key, help_request
from tests import serving
from tests.examples import a_request
from tests.plans import plan_of
from tests.running import Running
from tests.watching import change, fetch, on

FORWARDED = "x-forwarded-for"


def with_key(service: Running, role: str, **more: Any) -> httpx.Client:
    key = serving.make_key(service.url, KeyRole(role), **more)
    return service.client(None, authorization=f"Bearer {key}")


def make(url: str, name: str, role: KeyRole, *given: Any, **more: Any) -> str:
    async def work(database: Database) -> str:
        async with database.writing() as connection:
            return (await keys.create(connection, name, role, *given, **more))[1]

    return on(url, work)


def detail(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    return str(answer.json()["detail"])


def test_a_key_narrowed_to_scopes_does_nothing_else_of_its_role(service: Running) -> None:
    kiosk = with_key(service, "intake", scopes=["requests:write"])
    taken = kiosk.post("/v1/requests", json=a_request())
    assert taken.status_code == 201
    assert "requests:read" in detail(kiosk.get("/v1/requests"))
    assert "emergencies:write" in detail(kiosk.post("/v1/emergencies", json={"what": "x", "where": "y"}))
    reader = with_key(service, "coordinator", scopes=["handoffs:read"])
    assert reader.get("/v1/handoffs").status_code == 200
    assert "coordination:write" in detail(reader.post(f"/v1/handoffs/{uuid4()}/urge", json={}))
    assert "guest_links:read" in detail(reader.get(f"/v1/handoffs/{uuid4()}/guest-links"))


def test_a_key_bound_to_networks_is_refused_from_elsewhere(run_service: Callable[..., Running]) -> None:
    service = run_service()
    assert with_key(service, "coordinator", networks=["127.0.0.0/8", "::1/128"]).get("/v1/requests").status_code == 200
    far = with_key(service, "coordinator", networks=["10.36.0.0/16"])
    assert "networks" in detail(far.get("/v1/requests"))
    assert "networks" in detail(far.get("/v1/requests", headers={FORWARDED: "10.36.1.2"})), "nobody trusts this peer"


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("10.36.1.2", True),
        ("8.8.8.8, 10.36.1.2", True),
        ("10.36.1.2, 127.0.0.9", True),
        ("::ffff:10.36.1.2", True),
        ("10.36.1.2, 8.8.8.8", False),
        ("10.36.1.2, nonsense", False),
        (None, False),
    ],
)
def test_behind_a_trusted_proxy_the_address_is_whom_the_proxy_heard(
    run_service: Callable[..., Running], forwarded: str | None, allowed: bool
) -> None:
    service = run_service(trusted_proxies="127.0.0.0/8")
    client = with_key(service, "coordinator", networks=["10.36.0.0/16"])
    answer = client.get("/v1/requests", headers={FORWARDED: forwarded} if forwarded else {})
    assert answer.status_code == (200 if allowed else 403)


def test_the_last_use_is_noted_beside_the_calls_and_not_again_within_five_minutes(database_url: str) -> None:
    presented = make(database_url, "one", KeyRole.INTAKE)
    make(database_url, "never used", KeyRole.INTAKE)
    of_one = select(api_key.c.last_used_at).where(api_key.c.name == "one")

    def use() -> datetime | None:
        async def work(database: Database) -> None:
            ring = KeyRing(database, 2)
            assert await ring.find(presented)
            assert await ring.find(presented)
            await ring.note_used()
            await ring.note_used()

        on(database_url, work)
        used: datetime | None = fetch(database_url, of_one)[0]["last_used_at"]
        return used

    first = use()
    assert first is not None
    assert use() == first
    change(
        database_url, update(api_key).values(last_used_at=first - timedelta(minutes=6)).where(api_key.c.name == "one")
    )
    assert use() > first - timedelta(minutes=1)  # type: ignore[operator]
    never = select(api_key.c.last_used_at).where(api_key.c.name == "never used")
    assert fetch(database_url, never)[0]["last_used_at"] is None


def test_all_who_come_with_a_key_at_once_wait_for_one_look(database_url: str) -> None:
    presented = make(database_url, "one", KeyRole.INTAKE)

    async def work(database: Database) -> None:
        looks = 0
        reading = database.reading

        def counted() -> AbstractAsyncContextManager[AsyncConnection]:
            nonlocal looks
            looks += 1
            return reading()

        database.reading = counted  # type: ignore[method-assign]
        ring = KeyRing(database, 60)
        asking = [asyncio.create_task(ring.find(presented)) for _ in range(8)]
        await asyncio.sleep(0)
        asking.pop(0).cancel()  # who leaves takes nobody along
        found = await asyncio.gather(*asking, ring.find(presented), ring.find("another"))
        assert [key.name if key else None for key in found] == ["one"] * 8 + [None]
        assert looks == 2
        assert await ring.find("another") is None
        assert looks == 3, "who has no key may have one the next moment"

    on(database_url, work)


def test_a_service_that_stops_notes_what_was_used(database_url: str) -> None:
    presented = make(database_url, "one", KeyRole.INTAKE)

    async def work(database: Database) -> None:
        ring, stopping = KeyRing(database, 2), asyncio.Event()
        noting = asyncio.create_task(ring.keep_noting(stopping))
        await ring.find(presented)
        stopping.set()
        await noting

    on(database_url, work)
    assert fetch(database_url, select(api_key.c.last_used_at))[0]["last_used_at"] is not None


KEPT_APART = [KeyRole.ADMIN, KeyRole.SECURITY, KeyRole.AUDITOR]


@pytest.mark.parametrize("written", ["Officer  7", "officer 7", "ofﬁcer7", " officer\u200b 7 ", "OFFICER\u3000７"])
def test_the_three_are_kept_apart_however_a_name_is_written(database_url: str, written: str) -> None:
    make(database_url, "first", KeyRole.ADMIN, owner="officer 7")
    with pytest.raises(WrongKeyError, match="kept apart"):
        make(database_url, "second", KeyRole.AUDITOR, owner=written)
    make(database_url, "of somebody else", KeyRole.AUDITOR, owner="officer 77")


@pytest.mark.parametrize("other", KEPT_APART)
@pytest.mark.parametrize("role", KEPT_APART)
def test_nobody_holds_two_of_the_three_roles_that_are_kept_apart(
    database_url: str, role: KeyRole, other: KeyRole
) -> None:
    with pytest.raises(WrongKeyError, match="--owner"):
        make(database_url, "whose", role)
    make(database_url, "first", role, owner="officer 7")
    if role is other:
        make(database_url, "second", other, owner="officer 7")
    else:
        with pytest.raises(WrongKeyError, match="kept apart"):
            make(database_url, "second", other, owner="officer 7")
        make(database_url, "of somebody else", other, owner="officer 8")
        change(database_url, update(api_key).where(api_key.c.name == "first").values(revoked_at=datetime.now(UTC)))
        make(database_url, "after it was revoked", other, owner="officer 7")
    make(database_url, "a window", KeyRole.INTAKE, owner="officer 7")


@pytest.mark.parametrize(
    ("role", "more", "said"),
    [
        (KeyRole.TOWNSHIP, {}, "names its division"),
        (KeyRole.INTAKE, {"division_code": "999999"}, "no division 999999"),
        (KeyRole.AGENCY, {"agency_code": "360803-education", "division_code": "360803"}, "names no division"),
        (KeyRole.INTAKE, {"agency_code": "360803-education"}, "names its agency"),
        (KeyRole.AGENCY, {"agency_code": "nobody"}, "no agency nobody"),
        (KeyRole.INTAKE, {"scopes": ["agencies:write"]}, "has no agencies:write"),
        (KeyRole.INTAKE, {"networks": ["10.36.0.1/16"]}, "10.36.0.1/16 is no network"),
    ],
)
def test_a_key_that_can_not_be_is_not_made(database_url: str, role: KeyRole, more: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongKeyError, match=said):
        make(database_url, "wrong", role, **more)
    assert fetch(database_url, select(api_key.c.id)) == []


def test_keys_are_issued_replaced_and_revoked_over_the_api(service: Running) -> None:
    security = service.client("security", None, "360803")
    asked = {
        "name": "kiosk",
        "role": "intake",
        "division_code": "360803101",
        "scopes": ["requests:read", "requests:write"],
        "networks": ["127.0.0.0/8", "::1/128"],
        "expires_at": "2090-01-01T00:00:00Z",
    }
    first = security.post("/v1/keys", json=asked, headers={"idempotency-key": "a"})
    assert first.status_code == 201, first.text
    assert first.headers["cache-control"] == "no-store"
    made = first.json()
    assert security.post("/v1/keys", json=asked, headers={"idempotency-key": "a"}).json() == made
    taken = security.post("/v1/keys", json=asked)
    assert [(e["pointer"], e["code"]) for e in taken.json()["errors"]] == [("/name", "name_taken")]
    kiosk = service.client(None, authorization=f"Bearer {made['key']}")
    request_id = kiosk.post("/v1/requests", json=a_request()).json()["request_id"]
    path = f"/v1/keys/{made['key_id']}"
    seen = security.get(path).json()
    assert seen == {name: value for name, value in made.items() if name != "key"}
    assert seen["created_by"].startswith("key:")
    assert made["key"] not in security.get("/v1/keys").text

    again = security.post(f"{path}/replace", json={"name": "kiosk 2", "overlap_hours": 0}).json()
    same = ("role", "agency", "division_code", "scopes", "networks", "owner", "expires_at")
    assert {name: again[name] for name in same} == {name: made[name] for name in same}
    assert again["replaced"] == made["key_id"]
    second = service.client(None, authorization=f"Bearer {again['key']}")
    assert second.get(f"/v1/requests/{request_id}").status_code == 200
    ended = security.post(f"{path}/replace", json={"name": "kiosk 3"})
    assert (ended.status_code, ended.json()["code"]) == (409, "key_ended")
    revoked = security.post(f"/v1/keys/{again['key_id']}/revoke").json()
    assert revoked["revoked_at"] is not None
    assert security.post(f"/v1/keys/{again['key_id']}/revoke").json() == revoked
    listed = security.get("/v1/keys?role=intake").json()["items"]
    assert [each["name"] for each in listed] == ["kiosk 2", "kiosk"]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"networks": ["10.36.0.1/16"]}, "/networks/0", "network_malformed"),
        ({"scopes": ["agencies:write"]}, "/scopes", "unknown_scope"),
        ({"scopes": []}, "/scopes", "too_short"),
        ({"role": "agency", "division_code": None}, "/agency", "agency_of_role"),
        ({"role": "nobody"}, "/role", "enum"),
        ({"role": "admin"}, "/owner", "owner_needed"),
        ({"role": "township", "division_code": None}, "/division_code", "division_needed"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "time_past"),
    ],
)
def test_what_is_wrong_with_a_new_key_is_told_by_field(
    service: Running, changes: dict[str, Any], pointer: str, code: str
) -> None:
    asked = {"name": "kiosk", "role": "intake", "division_code": "360803", **changes}
    refused = service.client("security").post("/v1/keys", json=asked)
    assert refused.status_code == 422, refused.text
    assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [(pointer, code)]


MANY = 30_000


async def fill(database: Database, request_id: str) -> None:
    """Many requests of another county, all of them later."""
    found = select(help_request).where(help_request.c.id == UUID(request_id))
    async with database.writing() as connection:
        template = dict((await connection.execute(found)).mappings().one())
        rows = [
            {
                **template,
                "id": new_id(),
                "receipt_number": f"{number:012}",
                "tracking_hash": number.to_bytes(32),
                "division_code": "360424101",
                "status": "closed",
                "closed_at": now(),
            }
            for number in range(MANY)
        ]
        await connection.execute(help_request.insert(), rows)
        await connection.execute(text("ANALYZE"))


@pytest.mark.parametrize(
    "wanted",
    [[], [help_request.c.status == "closed"], [help_request.c.emergency.is_(None)]],
    ids=["all", "closed", "none"],
)
def test_lists_of_a_jurisdiction_read_no_history_of_others_and_sort_none_of_their_own(
    service: Running, wanted: list[Any]
) -> None:
    """By the plans, and where the few of a county are the oldest of thirty thousand."""
    taken = service.client("intake").post("/v1/requests", json=a_request()).json()["request_id"]
    newest = select(help_request.c.id).order_by(help_request.c.id.desc()).limit(51)

    async def work(database: Database) -> Select[Any]:
        await fill(database, taken)
        office = Office.of(serving.settings_for(service.url), b"x" * 32)
        key = keys.Key(new_id(), "x", KeyRole.COORDINATOR, None, new_id(), "360803")
        try:
            ids = await _newest_ids(office, key, PageAsked(50, None), wanted)
        finally:
            await office.database.close()
        return newest.add_columns(help_request.c.status).where(help_request.c.id.in_(ids))

    stepped = plan_of(service.url, on(service.url, work))
    walked = plan_of(service.url, newest.add_columns(help_request.c.status).where(*within("36")))
    assert "ix_help_request_division_code_id" in stepped, stepped
    assert "SCAN help_request\n" not in stepped, stepped
    assert "Seq Scan on help_request" not in stepped, stepped
    # The condition of all other lists chooses no index: they walk in their own order.
    assert "ix_help_request_division_code_id" not in walked, walked
    assert "TEMP B-TREE" not in walked, walked
    assert "Sort" not in walked, walked
    assert service.client("coordinator", None, "360803").get("/v1/requests").json()["items"][0]["request_id"] == taken

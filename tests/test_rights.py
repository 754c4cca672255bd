"""Rights: every route for every caller. A route that is not in the table below fails the walk: deny by default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from app import keys
from app.db import Database
from app.keys import KeyRole
from app.main import create_app
from app.tables import api_key
from tests import serving
from tests.examples import a_request
from tests.running import Running
from tests.test_house import ANSWERING, FORMS, KIOSK_FILES, KIOSKS, OWN_PAGE, SIGNING_IN
from tests.watching import fetch, on, until

ANYONE = frozenset(KeyRole) | {None}
TAKE_IN = {KeyRole.INTAKE, KeyRole.TOWNSHIP}
DOORS = {*TAKE_IN, KeyRole.KIOSK}
WATCH = {KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR}
SEE_REQUESTS = TAKE_IN | WATCH
CHANGE_REQUESTS = {*TAKE_IN, KeyRole.COORDINATOR}
SEE_HANDOFFS = {KeyRole.AGENCY, KeyRole.TOWNSHIP} | WATCH
SEE_PROOF = {KeyRole.COORDINATOR, KeyRole.AUDITOR}
SEE_DELIVERIES = SEE_AGENCIES = SEE_CALENDAR = {*WATCH, KeyRole.ADMIN}
EDIT_AGENCIES = EDIT_SUBSCRIPTIONS = EDIT_TABLES = EDIT_CALENDAR = {KeyRole.COORDINATOR, KeyRole.ADMIN}
SEE_SUBSCRIPTIONS = SEE_TABLES = {KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR}
ACT_IN_EMERGENCIES = {*CHANGE_REQUESTS, KeyRole.AGENCY}
SEE_ALARMS = {KeyRole.AUDITOR, KeyRole.SECURITY}
SEE_RETENTION = {KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR}
HOLD = {KeyRole.COORDINATOR, KeyRole.AUDITOR}
PAIR_KIOSKS = CHANGE_REQUESTS
SEE_STAFF = {KeyRole.SECURITY, KeyRole.AUDITOR}
ALLOWED: dict[tuple[str, str], set[KeyRole] | frozenset[KeyRole | None]] = {
    ("POST", "/v1/requests"): DOORS,
    ("GET", "/v1/kiosk"): {KeyRole.KIOSK},
    ("POST", "/v1/kiosk/numbers"): {KeyRole.KIOSK},
    ("GET", "/v1/kiosks"): {*PAIR_KIOSKS, KeyRole.SECURITY, KeyRole.AUDITOR},
    ("POST", "/v1/kiosks"): ANYONE,
    ("POST", "/v1/kiosks/pairings"): PAIR_KIOSKS,
    ("POST", "/v1/kiosks/{kiosk_id}/revoke"): {*PAIR_KIOSKS, KeyRole.SECURITY},
    ("GET", "/v1/requests"): SEE_REQUESTS,
    ("GET", "/v1/requests/{request_id}"): SEE_REQUESTS,
    ("POST", "/v1/look-ups"): CHANGE_REQUESTS,
    ("GET", "/v1/requests/{request_id}/timeline"): SEE_REQUESTS,
    ("GET", "/v1/requests/{request_id}/decision"): SEE_REQUESTS,
    ("GET", "/v1/requests/{request_id}/disclosures"): CHANGE_REQUESTS | {KeyRole.AUDITOR},
    ("GET", "/v1/alarms"): SEE_ALARMS,
    ("POST", "/v1/alarms/{alarm_id}/acknowledge"): SEE_ALARMS,
    ("POST", "/v1/requests/{request_id}/supplements"): CHANGE_REQUESTS,
    ("POST", "/v1/requests/{request_id}/withdraw"): CHANGE_REQUESTS,
    ("POST", "/v1/emergencies"): {*DOORS, KeyRole.EMERGENCY},
    ("GET", "/v1/emergencies/board"): {*WATCH, KeyRole.TOWNSHIP},
    ("GET", "/v1/requests/{request_id}/consents"): ACT_IN_EMERGENCIES | {KeyRole.AUDITOR},
    ("POST", "/v1/requests/{request_id}/consents"): ACT_IN_EMERGENCIES,
    ("POST", "/v1/requests/{request_id}/consents/{consent_id}/withdraw"): ACT_IN_EMERGENCIES,
    ("GET", "/v1/consent-texts"): ACT_IN_EMERGENCIES | {KeyRole.ADMIN, KeyRole.AUDITOR},
    ("POST", "/v1/consent-texts"): EDIT_AGENCIES,
    ("POST", "/v1/requests/{request_id}/attachments"): CHANGE_REQUESTS | {KeyRole.KIOSK},
    ("GET", "/v1/requests/{request_id}/attachments"): ACT_IN_EMERGENCIES | {KeyRole.AUDITOR},
    ("GET", "/v1/attachments/{attachment_id}/link"): ACT_IN_EMERGENCIES,
    ("GET", "/v1/attachments/file/{token}"): ANYONE,
    ("POST", "/v1/requests/{request_id}/emergency"): ACT_IN_EMERGENCIES,
    ("GET", "/v1/debts"): ACT_IN_EMERGENCIES | WATCH,
    ("POST", "/v1/requests/{request_id}/debts/{kind}/settle"): ACT_IN_EMERGENCIES,
    ("GET", "/v1/aid-rules"): SEE_AGENCIES,
    ("PATCH", "/v1/aid-rules"): EDIT_AGENCIES,
    ("GET", "/v1/agencies/{code}/duty-list"): SEE_AGENCIES,
    ("PUT", "/v1/agencies/{code}/duty-list"): EDIT_AGENCIES,
    ("GET", "/v1/handoffs"): SEE_HANDOFFS,
    ("GET", "/v1/handoffs/{handoff_id}"): SEE_HANDOFFS,
    ("POST", "/v1/handoffs/{handoff_id}/callbacks"): {KeyRole.AGENCY},
    ("GET", "/v1/handoffs/{handoff_id}/callbacks"): SEE_PROOF,
    ("GET", "/v1/handoffs/{handoff_id}/proof"): SEE_PROOF,
    ("POST", "/v1/callbacks"): {KeyRole.AGENCY},
    **{
        ("POST", f"/v1/handoffs/{{handoff_id}}/{act}"): {KeyRole.COORDINATOR}
        for act in ("ruling", "reassign", "cancel", "extend")
    },
    ("POST", "/v1/handoffs/{handoff_id}/urge"): {KeyRole.COORDINATOR, KeyRole.SUPERVISOR},
    ("GET", "/v1/disputes"): WATCH,
    ("GET", "/v1/conference"): WATCH,
    ("POST", "/v1/conference/outcomes"): {KeyRole.COORDINATOR},
    ("POST", "/v1/disputes/{dispute_id}/draft-rule"): {KeyRole.COORDINATOR},
    ("GET", "/v1/reopenings"): WATCH,
    **{("POST", f"/v1/reopenings/{{reopening_id}}/{act}"): {KeyRole.COORDINATOR} for act in ("reopen", "decline")},
    ("GET", "/v1/satisfaction"): WATCH,
    ("GET", "/v1/handoffs/{handoff_id}/guest-links"): SEE_PROOF,
    ("POST", "/v1/handoffs/{handoff_id}/guest-links"): {KeyRole.COORDINATOR},
    ("DELETE", "/v1/guest-links/{guest_link_id}"): {KeyRole.COORDINATOR},
    ("POST", "/v1/guest-links/{guest_link_id}/code"): {KeyRole.COORDINATOR},
    ("GET", "/v1/deliveries"): SEE_DELIVERIES,
    ("GET", "/v1/deliveries/{delivery_id}"): SEE_DELIVERIES,
    ("POST", "/v1/deliveries/{delivery_id}/redeliver"): {KeyRole.COORDINATOR, KeyRole.ADMIN},
    ("POST", "/v1/deliveries/redeliver-exhausted"): EDIT_AGENCIES,
    ("GET", "/v1/agencies"): SEE_AGENCIES,
    ("POST", "/v1/agencies"): EDIT_AGENCIES,
    ("GET", "/v1/agencies/{code}"): SEE_AGENCIES,
    ("PATCH", "/v1/agencies/{code}"): EDIT_AGENCIES,
    ("POST", "/v1/agencies/{code}/secrets"): EDIT_AGENCIES,
    ("POST", "/v1/agencies/{code}/ping"): EDIT_AGENCIES,
    ("POST", "/v1/agencies/{code}/redeliver"): EDIT_AGENCIES,
    ("POST", "/v1/agencies/{code}/resume-endpoint"): EDIT_AGENCIES,
    ("GET", "/v1/subscriptions"): SEE_SUBSCRIPTIONS,
    ("POST", "/v1/subscriptions"): EDIT_SUBSCRIPTIONS,
    ("GET", "/v1/subscriptions/{subscription_id}"): SEE_SUBSCRIPTIONS,
    ("PATCH", "/v1/subscriptions/{subscription_id}"): EDIT_SUBSCRIPTIONS,
    ("DELETE", "/v1/subscriptions/{subscription_id}"): EDIT_SUBSCRIPTIONS,
    ("POST", "/v1/subscriptions/{subscription_id}/secrets"): EDIT_SUBSCRIPTIONS,
    ("POST", "/v1/subscriptions/{subscription_id}/ping"): EDIT_SUBSCRIPTIONS,
    ("GET", "/v1/routing-tables"): SEE_TABLES,
    ("POST", "/v1/routing-tables"): EDIT_TABLES,
    ("GET", "/v1/routing-tables/{version}"): SEE_TABLES,
    ("GET", "/v1/routing-tables/{version}/sheet"): SEE_TABLES,
    ("GET", "/v1/routing-tables/{version}/diff"): SEE_TABLES,
    ("POST", "/v1/routing-tables/{version}/check"): EDIT_TABLES,
    ("POST", "/v1/routing-tables/{version}/publish"): EDIT_TABLES,
    ("POST", "/v1/routing-tables/{version}/retire"): EDIT_TABLES,
    ("POST", "/v1/routing-tables/{version}/replay"): EDIT_TABLES,
    ("POST", "/v1/routing/preview"): TAKE_IN | SEE_TABLES,
    ("GET", "/v1/working-days"): SEE_CALENDAR,
    ("PUT", "/v1/working-days/{day}"): EDIT_CALENDAR,
    ("POST", "/v1/working-days"): EDIT_CALENDAR,
    ("GET", "/v1/retention"): SEE_RETENTION,
    ("GET", "/v1/retention/preview"): SEE_RETENTION,
    ("PATCH", "/v1/retention"): {KeyRole.ADMIN},
    ("GET", "/v1/holds"): HOLD,
    ("POST", "/v1/requests/{request_id}/hold"): HOLD,
    ("POST", "/v1/requests/{request_id}/release"): HOLD,
    ("POST", "/v1/requests/{request_id}/erase"): {KeyRole.COORDINATOR},
    ("GET", "/v1/staff"): SEE_STAFF,
    ("POST", "/v1/staff"): {KeyRole.SECURITY},
    ("GET", "/v1/sign-ins"): SEE_STAFF,
    ("GET", "/v1/staff/{staff_id}"): SEE_STAFF,
    ("PATCH", "/v1/staff/{staff_id}"): {KeyRole.SECURITY},
    ("POST", "/v1/staff/{staff_id}/reset"): {KeyRole.SECURITY},
    ("POST", "/v1/staff/{staff_id}/unlock"): {KeyRole.SECURITY},
    ("GET", "/v1/track/{token}"): ANYONE,
    ("GET", "/v1/track/{token}/inclusion"): ANYONE,
    ("GET", "/v1/public/audit-key"): ANYONE,
    ("GET", "/v1/public/audit-roots"): ANYONE,
    ("GET", "/v1/public/audit-roots/{day}"): ANYONE,
    ("GET", "/v1/needs"): ANYONE,
    ("GET", "/v1/divisions"): ANYONE,
    ("GET", "/v1/problems/{code}"): ANYONE,
    ("GET", "/health/live"): ANYONE,
    ("GET", "/health/ready"): ANYONE,
    ("GET", "/metrics"): {*WATCH, KeyRole.ADMIN, KeyRole.SECURITY},
    **{
        (method, f"/v1/keys{rest}"): {KeyRole.SECURITY}
        for method, rest in (
            *(("GET", ""), ("POST", ""), ("GET", "/{key_id}")),
            *(("POST", "/{key_id}/replace"), ("POST", "/{key_id}/revoke")),
        )
    },
}
SAMPLES = {
    "kind": "aid",
    "token": "A" * 27,
    "code": "not_found",
    "version": "1",
    "day": "2026-12-01",
    "consent_id": "1",
}


def make_ended_key(url: str, *, revoked: bool) -> str:
    """A coordinator's key that was revoked, or that has expired."""

    async def run() -> str:
        database = Database(serving.settings_for(url))
        expires_at = None if revoked else datetime.now(UTC) - timedelta(seconds=1)
        async with database.writing() as connection:
            name = f"ended {uuid4().hex}"
            _, key = await keys.create(connection, name, KeyRole.COORDINATOR, expires_at=expires_at)
            if revoked:
                assert await keys.revoke(connection, name)
        await database.close()
        return key

    return asyncio.run(run())


def call(client: httpx.Client, method: str, template: str) -> int:
    names = [part[1:-1] for part in template.split("/") if part.startswith("{")]
    path = template.format(**{name: SAMPLES.get(name, str(uuid4())) for name in names})
    return client.request(method, path, **({"json": {}} if method in ("POST", "PATCH", "PUT") else {})).status_code


def test_every_route_is_in_the_table(service: Running) -> None:
    document = service.client(None).get("/openapi.json").json()
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert documented == ALLOWED.keys()
    routes = create_app(serving.settings_for(service.url)).routes
    hidden = {route.path for route in routes if not getattr(route, "include_in_schema", False)}  # type: ignore[attr-defined]
    assert (
        hidden
        == {"/openapi.json", "/docs", "/docs/assets"} | ANSWERING | SIGNING_IN | FORMS | KIOSKS | KIOSK_FILES | OWN_PAGE
    ), "a route outside the document is walked by nobody"


def test_each_route_answers_the_roles_of_the_table_and_nobody_else(service: Running) -> None:
    agencies = {KeyRole.AGENCY: "360803-civil-affairs"}
    wrong = []
    for caller in (*KeyRole, None):
        client = service.client(caller, agencies.get(caller) if caller else None)
        for (method, template), allowed in ALLOWED.items():
            status = call(client, method, template)
            refusal = 403 if caller else 401
            if (status in (401, 403)) if caller in allowed else (status != refusal):
                wrong.append(f"{method} {template} answered {status} to {caller}")
            if status >= 500 and template != "/health/ready":
                wrong.append(f"{method} {template} failed with {status}")
    assert not wrong


@pytest.mark.parametrize("which", ["revoked", "expired", "unknown", "empty", "longer", "not bearer"])
def test_a_key_that_does_not_count_opens_nothing_that_needs_one(service: Running, which: str) -> None:
    make: dict[str, Callable[[], str]] = {
        "revoked": lambda: f"Bearer {make_ended_key(service.url, revoked=True)}",
        "expired": lambda: f"Bearer {make_ended_key(service.url, revoked=False)}",
        "unknown": lambda: "Bearer ow_coordinator_" + "A" * 43,
        "empty": lambda: "Bearer",
        "longer": lambda: "Bearer " + "A" * 5000,
        "not bearer": lambda: f"Basic {serving.make_key(service.url, KeyRole.COORDINATOR)}",
    }
    client = service.client(None, authorization=make[which]())
    for (method, template), allowed in ALLOWED.items():
        status = call(client, method, template)
        if allowed is ANYONE:
            assert status not in (401, 403), f"{method} {template}"
        else:
            assert status == 401, f"{method} {template}"
    answer = client.get("/v1/requests")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_right_to_call_is_judged_before_the_body_is(service: Running) -> None:
    headers = {"content-type": "text/plain"}
    for client, status in ((service.client(None), 401), (service.client("auditor"), 403)):
        for path in ("/v1/requests", f"/v1/requests/{uuid4()}/withdraw", f"/v1/requests/{uuid4()}/supplements"):
            assert client.post(path, content=b"{", headers=headers).status_code == status


def test_a_revoked_key_is_refused_within_the_refresh_time(run_service: Callable[..., Running]) -> None:
    seconds = 1.0
    service = run_service(refresh_seconds=seconds)
    client = service.client("intake")
    assert client.post("/v1/requests", json=a_request()).status_code == 201
    (row,) = fetch(service.url, select(api_key.c.name).where(api_key.c.role == "intake"))

    async def revoke() -> bool:
        database = Database(serving.settings_for(service.url))
        async with database.writing() as connection:
            revoked = await keys.revoke(connection, row["name"])
        await database.close()
        return revoked

    assert asyncio.run(revoke())
    until(lambda: client.get("/v1/requests").status_code == 401, within=20 * seconds, what="the end of the key")
    assert client.post("/v1/requests", json=a_request()).status_code == 401


def test_a_key_that_replaced_another_sees_what_that_one_took_in(service: Running) -> None:
    def replace(name: str, new_name: str, hours: int) -> str:
        async def work(database: Database) -> str:
            async with database.writing() as connection:
                ends_at = datetime.now(UTC) + timedelta(hours=hours)
                return (await keys.replace(connection, name, new_name, ends_at))[1]

        return on(service.url, work)

    first = service.client("intake")
    repeated = {"idempotency-key": "once"}
    receipt = first.post("/v1/requests", json=a_request(), headers=repeated).json()
    path = f"/v1/requests/{receipt['request_id']}"
    (row,) = fetch(service.url, select(api_key.c.name).where(api_key.c.role == "intake"))
    second = service.client(None, authorization=f"Bearer {replace(row['name'], 'next', 1)}")
    assert first.get(path).status_code == second.get(path).status_code == 200, "both work while they overlap"
    assert second.post("/v1/requests", json=a_request(), headers=repeated).json() == receipt
    third = service.client(None, authorization=f"Bearer {replace('next', 'the one after', 0)}")
    assert [each["request_id"] for each in third.get("/v1/requests").json()["items"]] == [receipt["request_id"]]
    taken = third.post("/v1/requests", json=a_request()).json()["request_id"]
    assert first.get(f"/v1/requests/{taken}").status_code == 200
    assert service.client("intake").get(path).status_code == 404, "another window's key"
    with pytest.raises(keys.WrongKeyError, match="no key named next in force"):
        replace("next", "too late", 1)


def test_a_key_ends_at_its_time_even_while_it_is_in_use(service: Running) -> None:
    for life in (1.5, 6, 24):  # seconds; on a machine that is busy the shortest may be over before it is used
        ends = datetime.now(UTC) + timedelta(seconds=life)
        key = serving.make_key(service.url, KeyRole.COORDINATOR, expires_at=ends)
        client = service.client(None, authorization=f"Bearer {key}")
        if client.get("/v1/requests").status_code == 200:
            break
    else:
        pytest.fail("none of them was ever in force")
    until(lambda: client.get("/v1/requests").status_code == 401, within=life + 20, what="the end of the key")


def test_only_the_hash_of_a_key_is_stored(service: Running) -> None:
    key = serving.make_key(service.url, KeyRole.INTAKE)
    kept = str(fetch(service.url, select(api_key)))
    assert key not in kept
    assert key.removeprefix("ow_intake_") not in kept

"""Every route, every role, on what is the caller's own and on what is not: allowed, 403 by role, 404 by whose it is.

The routes are those of the application; a route, a gap in an address or a body that the tables here do not know fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app import agencies
from app.db import Database
from app.identifiers import new_id, now
from app.keys import KeyRole
from app.main import create_app
from app.roles import SCOPES
from app.tables import agency, alarm, api_key, delivery, dispute, feedback, handoff
from tests import serving
from tests.people import make_account
from tests.running import Running
from tests.test_attachments import a_photo
from tests.test_house import routes
from tests.test_rights import ALLOWED, ANYONE
from tests.watching import change, fetch, on

OURS, THEIRS = "360803", "360424"
OUR_TOWN, THEIR_TOWN = "360803101", "360424101"
HERE = {KeyRole.TOWNSHIP: OUR_TOWN, KeyRole.KIOSK: OUR_TOWN, KeyRole.AGENCY: None}
FIRE = {"what": "房屋失火", "where": "老街", "kind": "fire"}
PAST = "2026-01-01T00:00:00Z"
CONSENT = {
    "purpose": "economic_verification",
    "person": "applicant",
    "given_at": PAST,
    "evidence": {"kind": "paper_signature"},
}
PHOTO = a_photo()
# What is one for all places: 403 for a key of a part of them.
FOR_ALL = {
    ("POST", "/v1/routing-tables/{version}/publish"),
    ("POST", "/v1/routing-tables/{version}/retire"),
    ("PUT", "/v1/working-days/{day}"),
    ("POST", "/v1/working-days"),
    ("POST", "/v1/consent-texts"),
    ("PATCH", "/v1/retention"),
}
# Gaps in addresses that name nobody's object.
OF_NOBODY = {
    "version": "1",
    "day": "2026-12-01",
    "kind": "aid",
    "code": "not_found",
    "token": "A" * 27,
    "consent_id": "1",
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/requests/{request_id}/supplements"): {"note": "补正"},
    ("POST", "/v1/requests/{request_id}/withdraw"): {"reason": "不需要了"},
    ("POST", "/v1/requests/{request_id}/emergency"): {"facts": ["no_food"]},
    ("POST", "/v1/requests/{request_id}/debts/{kind}/settle"): {"outcome": "done"},
    ("POST", "/v1/handoffs/{handoff_id}/callbacks"): {"type": "handoff.received", "timestamp": PAST, "data": {}},
    ("POST", "/v1/handoffs/{handoff_id}/ruling"): {"agency": "a", "reason": "x", "legal_basis": "x"},
    ("POST", "/v1/handoffs/{handoff_id}/reassign"): {"agency": "a", "reason": "x"},
    ("POST", "/v1/handoffs/{handoff_id}/urge"): {"note": "请今日签收"},
    ("POST", "/v1/handoffs/{handoff_id}/cancel"): {"reason": "x"},
    ("POST", "/v1/handoffs/{handoff_id}/extend"): {"due_at": "2027-01-01T00:00:00Z", "reason": "x", "approver": "y"},
    ("POST", "/v1/handoffs/{handoff_id}/guest-links"): {"expires_in_hours": 24},
    ("POST", "/v1/disputes/{dispute_id}/draft-rule"): None,
    ("POST", "/v1/reopenings/{reopening_id}/reopen"): {"reason": "补贴未到账"},
    ("POST", "/v1/reopenings/{reopening_id}/decline"): {"reason": "已经发放"},
    ("POST", "/v1/guest-links/{guest_link_id}/code"): None,
    ("POST", "/v1/deliveries/{delivery_id}/redeliver"): None,
    ("PATCH", "/v1/agencies/{code}"): {"name_zh": "新名"},
    ("PUT", "/v1/agencies/{code}/duty-list"): {"contacts": [{"office": "值班室", "phone": "0796-1"}]},
    ("POST", "/v1/agencies/{code}/secrets"): {"overlap_hours": 1},
    ("POST", "/v1/agencies/{code}/ping"): None,
    ("POST", "/v1/agencies/{code}/redeliver"): None,
    ("POST", "/v1/agencies/{code}/resume-endpoint"): None,
    ("PATCH", "/v1/subscriptions/{subscription_id}"): {"name": "renamed"},
    ("POST", "/v1/subscriptions/{subscription_id}/secrets"): {"overlap_hours": 1},
    ("POST", "/v1/subscriptions/{subscription_id}/ping"): None,
    ("POST", "/v1/keys/{key_id}/replace"): {"name": "replaced"},
    ("POST", "/v1/keys/{key_id}/revoke"): None,
    ("POST", "/v1/alarms/{alarm_id}/acknowledge"): None,
    ("POST", "/v1/requests/{request_id}/consents"): {"consents": [CONSENT]},
    ("POST", "/v1/requests/{request_id}/consents/{consent_id}/withdraw"): {"reason": "不愿再提供"},
    ("POST", "/v1/requests/{request_id}/attachments"): PHOTO,
    ("POST", "/v1/requests/{request_id}/hold"): {"reason": "复议"},
    ("POST", "/v1/requests/{request_id}/release"): {"reason": "复议已终结"},
    ("POST", "/v1/requests/{request_id}/erase"): {"ground": "consent_withdrawn", "legal_basis": "个保法47"},
    ("PATCH", "/v1/staff/{staff_id}"): {"display_name": "新名"},
    ("POST", "/v1/staff/{staff_id}/reset"): None,
    ("POST", "/v1/staff/{staff_id}/unlock"): None,
    ("POST", "/v1/kiosks/{kiosk_id}/revoke"): None,
}
# What a list holds; `overdue` is a list of its own.
LISTS = {
    "/v1/requests": "request_id",
    "/v1/requests?status=routed": "request_id",
    "/v1/handoffs": "handoff_id",
    "/v1/handoffs?overdue=any": "handoff_id",
    "/v1/emergencies/board": "request_id",
    "/v1/debts": "request_id",
    "/v1/disputes": "dispute_id",
    "/v1/reopenings": "reopening_id",
    "/v1/conference": "request_id",
    "/v1/deliveries": "delivery_id",
    "/v1/agencies?limit=200": "code",
    "/v1/subscriptions": "subscription_id",
    "/v1/keys": "key_id",
    "/v1/kiosks": "kiosk_id",
    "/v1/staff": "staff_id",
    "/v1/sign-ins": "staff_id",
    "/v1/alarms": "alarm_id",
}


@dataclass
class Side:
    """What there is of one county: by the name of the gap that it fills. `window` took its request in."""

    objects: dict[str, str]
    window: httpx.Client
    kiosk: httpx.Client
    agency: str
    links: list[str]

    def of(self, role: KeyRole, gap: str) -> str:
        """What of ours a caller may reach: a kiosk what it took in itself."""
        own = f"kiosk_{gap}" if role is KeyRole.KIOSK else gap
        return self.objects.get(own, self.objects.get(gap, ""))

    def all_ids(self) -> set[str]:
        return {*self.objects.values(), self.agency}


@dataclass
class World:
    service: Running
    app: FastAPI
    ours: Side
    theirs: Side

    def caller(self, role: KeyRole, place: str | None = OURS) -> httpx.Client:
        """A key of our county, of our township, of our agency; the window is the one that took our request in."""
        if role is KeyRole.INTAKE and place:
            return self.ours.window
        if role is KeyRole.KIOSK:
            return self.ours.kiosk
        if role is KeyRole.AGENCY:
            return self.service.client(role, self.ours.agency)
        return self.service.client(role, None, HERE.get(role, place) if place else None)


def links(service: Running, handoff_id: str, number: int) -> list[str]:
    """Using one up, or revoking it, must not stand in the way of the next call."""
    coordinator, path = service.client("coordinator"), f"/v1/handoffs/{handoff_id}/guest-links"
    made = (coordinator.post(path, json={"expires_in_hours": 24}) for _ in range(number))
    return [str(each.raise_for_status().json()["guest_link_id"]) for each in made]


def a_side(service: Running, county: str, town: str) -> Side:
    admin, everywhere = service.client("admin"), service.client("coordinator")
    window = service.client("intake", None, county)
    receipt = window.post("/v1/emergencies", json={**FIRE, "division_code": town}).raise_for_status().json()
    (part, *_) = [each for each in receipt["agencies"] if each["agency"].startswith(county)]
    subscribed = {
        "name": f"dashboard of {county}",
        "endpoint": "http://127.0.0.1:9/x",
        "types": ["request.closed"],
        "areas": [county],
    }
    objects = {
        "request_id": receipt["request_id"],
        "handoff_id": part["handoff_id"],
        "code": f"{county}-education",
        "subscription_id": admin.post("/v1/subscriptions", json=subscribed)
        .raise_for_status()
        .json()["subscription_id"],
    }
    sent = everywhere.get(f"/v1/deliveries?agency={part['agency']}").raise_for_status().json()["items"]
    objects["delivery_id"] = next(e["delivery_id"] for e in sent if e["handoff_id"] == part["handoff_id"])
    opened = {
        "id": new_id(),
        "request_id": UUID(receipt["request_id"]),
        "division_code": everywhere.get(f"/v1/requests/{receipt['request_id']}")
        .raise_for_status()
        .json()["division_code"],
        "need": part["need"],
        "handoffs": [],
        "why": "no_agency",
        "opened_at": now(),
        "state": "open",
    }
    change(service.url, dispute.insert().values(opened))
    objects["dispute_id"] = str(opened["id"])
    objects["reopening_id"] = a_reopening(service.url, UUID(receipt["request_id"]))
    serving.make_key(service.url, KeyRole.INTAKE, place=county)
    newest = select(api_key.c.id).where(api_key.c.division_code == county).order_by(api_key.c.id.desc()).limit(1)
    objects["key_id"] = str(fetch(service.url, newest)[0]["id"])
    objects["staff_id"] = make_account(service.url, "intake", division_code=county)["staff_id"]
    objects["alarm_id"] = an_alarm(service.url, f"key:{objects['key_id']}")
    path = f"/v1/requests/{receipt['request_id']}"
    window.post(f"{path}/consents", json={"consents": [CONSENT]}).raise_for_status()
    papers = window.post(f"{path}/attachments", files={"file": PHOTO}).raise_for_status()
    objects["attachment_id"] = papers.json()["attachment_id"]
    kiosk = service.client("kiosk", None, town)
    asked = {"channel": "kiosk", "division_code": town, "applicant": {}, "needs": [{"code": "undetermined"}]}
    objects["kiosk_request_id"] = kiosk.post("/v1/requests", json=asked).raise_for_status().json()["request_id"]
    serving.make_key(service.url, KeyRole.KIOSK, place=town)
    newest = select(api_key.c.id).where(api_key.c.role == "kiosk").order_by(api_key.c.id.desc()).limit(1)
    objects["kiosk_id"] = str(fetch(service.url, newest)[0]["id"])
    return Side(objects, window, kiosk, part["agency"], links(service, objects["handoff_id"], 2 * len(KeyRole)))


def a_reopening(url: str, request_id: UUID) -> str:
    asked = {"id": new_id(), "request_id": request_id, "closing": 1, "solved": "no", "answered_at": now()}
    asked |= {"state": "open", "handoff_id": None, "ruled_by": None, "ruled_at": None, "sealed": None}
    change(url, feedback.insert().values(asked))
    return str(asked["id"])


def an_alarm(url: str, actor: str) -> str:
    raised = {"id": new_id(), "kind": "readings_per_hour", "actor": actor, "since": now(), "count": 61}
    raised |= {"raised_at": now(), "acknowledged_at": None, "acknowledged_by": None}
    change(url, alarm.insert().values(raised))
    return str(raised["id"])


async def add_their_agencies(database: Database) -> None:
    """The same offices in the other county."""
    async with database.writing() as connection:
        ours = (await connection.execute(select(agency).where(agency.c.division_code == OURS))).all()
        for each in ours:
            await agencies.add(
                connection,
                code=each.code.replace(OURS, THEIRS),
                department_code=each.department,
                division_code=THEIRS,
                name_zh=each.name_zh,
                name_en=each.name_en,
                phone=each.phone,
                endpoint=None,
            )


@pytest.fixture
def world(database_url: str, run_service: Any, tmp_path: Path) -> World:
    on(database_url, add_their_agencies)
    serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    service = run_service(attachments=str(tmp_path / "papers"))
    sides = [a_side(service, OURS, OUR_TOWN), a_side(service, THEIRS, THEIR_TOWN)]
    change(service.url, update(handoff).values(first_due=now() - timedelta(days=1)))
    change(service.url, update(delivery).values(status="exhausted"))
    return World(service, create_app(serving.settings_for(service.url)), *sides)


def asked_for() -> dict[tuple[str, str], frozenset[KeyRole]]:
    return {call: frozenset(KeyRole) & allowed for call, allowed in ALLOWED.items() if allowed is not ANYONE}


def gap_of(template: str) -> str | None:
    """The gap that names somebody's object, if the address has one."""
    gaps = {part[1:-1].split(":")[0] for part in template.split("/") if part.startswith("{")}
    known = {"request_id", "handoff_id", "dispute_id", "guest_link_id", "delivery_id", "subscription_id", "key_id"}
    known |= {"staff_id", "alarm_id", "attachment_id", "kiosk_id", "reopening_id"}
    named = (gaps & known) | ({"code"} & gaps if template.startswith("/v1/agencies") else set())
    assert gaps - named <= OF_NOBODY.keys(), f"{template}: whose is {gaps - named}?"
    assert len(named) <= 1
    return next(iter(named), None)


def call(client: httpx.Client, method: str, template: str, **gaps: str) -> httpx.Response:
    path = template.format(**{**OF_NOBODY, **gaps})
    if template.endswith("{code}/redeliver"):
        path += "?since=2026-01-01T00:00:00Z"
    body = BODIES.get((method, template), {} if gap_of(template) is None else None)
    if method in ("POST", "PUT", "PATCH") and gap_of(template) is not None:
        assert (method, template) in BODIES, f"{method} {template}: with which body?"
    if body is None or method == "GET":
        return client.request(method, path)
    return client.request(method, path, **({"files": {"file": body}} if body == PHOTO else {"json": body}))


def outcome(answer: httpx.Response) -> str:
    assert answer.status_code < 500, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return {401: "401", 403: "403", 404: "404"}.get(answer.status_code, "allowed")


def test_the_tables_hold_every_route_of_the_application_with_the_roles_that_it_names(world: World) -> None:
    named = {
        (method, path.replace(":uuid", "")): frozenset(role for allow in allowing for role in allow.roles)
        for path, methods, allowing in routes(world.app)
        for method in methods
        if allowing
    }
    assert named == asked_for()


def test_every_route_for_every_role_on_what_is_ours_and_on_what_is_theirs(world: World) -> None:
    wrong = []

    def expect(answer: httpx.Response, wanted: str, whose: str, role: KeyRole) -> None:
        if (was := outcome(answer)) != wanted:
            wrong.append(
                f"{answer.request.method} {answer.request.url.path} of {whose} for {role}: {was}, not {wanted}"
            )

    # Agencies first: what they were sent is theirs until somebody takes the request back.
    for role in sorted(KeyRole, key=lambda each: each is not KeyRole.AGENCY):
        client, everywhere = world.caller(role), world.caller(role, None)
        for (method, template), roles in asked_for().items():
            gap = gap_of(template)
            if gap is None:
                may = "allowed" if role in roles else "403"
                expect(call(client, method, template), "403" if (method, template) in FOR_ALL else may, "all", role)
                expect(call(everywhere, method, template), may, "all, by a key for everywhere,", role)
                continue
            ours, theirs = world.ours.of(role, gap), world.theirs.of(role, gap)
            if gap == "guest_link_id":
                ours, theirs = world.ours.links.pop(), world.theirs.links[0]
            nobodys = "360424-nobody" if gap == "code" else str(uuid4())
            foreign, missing = (call(client, method, template, **{gap: each}) for each in (theirs, nobodys))
            expect(foreign, "404" if role in roles else "403", "theirs", role)
            if foreign.content != missing.content or foreign.status_code != missing.status_code:
                wrong.append(f"{method} {template} for {role} tells what is theirs from what is not there")
            expect(call(client, method, template, **{gap: ours}), "allowed" if role in roles else "403", "ours", role)
    assert not wrong, "\n".join(wrong)


def test_lists_hold_what_is_ours_and_leave_out_what_is_theirs(world: World) -> None:
    for role in KeyRole:
        client = world.caller(role)
        for path, gap in LISTS.items():
            if role not in asked_for()[("GET", path.split("?")[0])]:
                continue
            answer = client.get(path).raise_for_status()
            ours = world.ours.objects[gap]
            if "status=" not in path and not (role is KeyRole.AGENCY and gap == "code"):
                assert ours in answer.text, f"{path} for {role} lacks ours"
            found = {each for each in world.theirs.all_ids() if each in answer.text}
            assert not found, f"{path} for {role} shows theirs: {found}"
    for path, gap in LISTS.items():
        may = asked_for()[("GET", path.split("?")[0])]
        everywhere = world.service.client(KeyRole.COORDINATOR if KeyRole.COORDINATOR in may else KeyRole.SECURITY)
        if "status=" not in path:
            shown = everywhere.get(path).text
            assert world.ours.objects[gap] in shown, path
            assert world.theirs.objects[gap] in shown, path


def test_a_list_of_a_jurisdiction_goes_on_page_by_page(world: World) -> None:
    taken = {world.ours.objects["request_id"], world.ours.objects["kiosk_request_id"]}
    for town in (OUR_TOWN, "360803100", THEIR_TOWN, OURS):
        asked = {
            "channel": "window",
            "division_code": town,
            "applicant": {"name": "甲"},
            "needs": [{"code": "undetermined"}],
        }
        made = world.service.client("intake").post("/v1/requests", json=asked).raise_for_status().json()
        if town.startswith(OURS):
            taken.add(made["request_id"])
    for place in (OURS, "3608"):
        client = world.service.client("coordinator", None, place)
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = client.get("/v1/requests", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            seen += [each["request_id"] for each in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert seen == sorted(taken, reverse=True)


def test_a_window_does_not_reach_what_its_neighbour_in_the_same_county_took_in(world: World) -> None:
    path = f"/v1/requests/{world.ours.objects['request_id']}"
    neighbour = world.service.client("intake", None, OURS)
    for rest in ("", "/timeline", "/decision"):
        foreign, missing = neighbour.get(path + rest), neighbour.get(f"/v1/requests/{uuid4()}{rest}")
        assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert neighbour.get("/v1/requests").json()["items"] == []
    assert neighbour.get("/v1/debts").json()["items"] == []


def test_a_person_from_elsewhere_is_taken_in_and_both_the_window_and_their_county_reach_it(world: World) -> None:
    asked = {"channel": "window", "applicant": {"name": "甲"}, "needs": [{"code": "undetermined"}]}
    for role in (KeyRole.INTAKE, KeyRole.TOWNSHIP):
        door = world.service.client(role, None, HERE.get(role, OURS))
        for path, body in (("requests", asked), ("emergencies", FIRE)):
            taken = door.post(f"/v1/{path}", json={**body, "division_code": THEIR_TOWN})
            assert taken.status_code == 201
            assert "outside_jurisdiction" in [each["code"] for each in taken.json()["warnings"]]
            mine = f"/v1/requests/{taken.json()['request_id']}"
            assert door.get(mine).json()["person"] is not None
            assert taken.json()["request_id"] in door.get("/v1/requests").text
            assert world.service.client("coordinator", None, OURS).get(mine).status_code == 404
            assert world.service.client("coordinator", None, THEIRS).get(mine).status_code == 200
        inside = door.post("/v1/requests", json={**asked, "division_code": OUR_TOWN}).json()
        assert "outside_jurisdiction" not in [each["code"] for each in inside["warnings"]]


def test_many_at_once_leave_alone_what_is_theirs(world: World) -> None:
    ours = world.service.client("coordinator", None, OURS)
    ours.post("/v1/deliveries/redeliver-exhausted").raise_for_status()
    state = {str(row["id"]): row["status"] for row in fetch(world.service.url, select(delivery))}
    assert state[world.ours.objects["delivery_id"]] == "pending"
    assert state[world.theirs.objects["delivery_id"]] == "exhausted"

    def decided(item: str) -> Any:
        return ours.post(
            "/v1/conference/outcomes", json={"outcomes": [{"item": item, "decision": "note", "note": "x"}]}
        )

    foreign, missing = decided(world.theirs.objects["handoff_id"]), decided(str(uuid4()))
    assert (foreign.status_code, foreign.content) == (422, missing.content)
    assert decided(world.ours.objects["handoff_id"]).status_code == 200
    said = {"id": "1", "type": "handoff.received", "timestamp": PAST}
    agency = world.caller(KeyRole.AGENCY)
    for item, status in ((world.theirs, 404), (world.ours, 200)):
        body = {"callbacks": [{**said, "data": {"handoff_id": item.objects["handoff_id"]}}]}
        assert agency.post("/v1/callbacks", json=body).json()["items"][0]["status_code"] == status


def test_nothing_is_set_for_another_place(world: World) -> None:
    named = {"name_zh": "甲", "name_en": "A", "phone": "0792-1", "department": "county_education"}
    standard = {"valid_from": "2026-01-01", "urban": "825", "rural": "600", "source": "x"}
    subscribed = {"name": "x", "endpoint": "http://127.0.0.1:9/x", "types": ["request.closed"]}
    key = {"name": "x", "role": "intake"}
    person = {"login_name": "clerk", "display_name": "x", "role": "intake"}
    liaison = {"login_name": "liaison", "display_name": "x", "role": "agency"}
    ways: list[tuple[str, str, str, Any, str]] = [
        ("admin", "POST", "/v1/agencies", lambda at: {**named, "code": "x-1", "division_code": at}, "/division_code"),
        (
            "admin",
            "PATCH",
            "/v1/aid-rules",
            lambda at: {"standards": [{**standard, "division_code": at}]},
            "/standards/0/division_code",
        ),
        ("admin", "POST", "/v1/subscriptions", lambda at: {**subscribed, "areas": [at]}, "/areas"),
        ("security", "POST", "/v1/keys", lambda at: {**key, "division_code": at}, "/division_code"),
        ("security", "POST", "/v1/staff", lambda at: {**person, "division_code": at}, "/division_code"),
        ("security", "POST", "/v1/staff", lambda at: {**liaison, "agency_code": f"{at}-education"}, "/agency_code"),
    ]
    for role, method, path, body, pointer in ways:
        client = world.service.client(role, None, OURS)
        refused = client.request(method, path, json=body(THEIRS))
        assert refused.status_code == 422, f"{path}: {refused.text}"
        assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [(pointer, "outside_jurisdiction")]
        assert client.request(method, path, json=body(OURS)).is_success, path
    everything = world.service.client("admin", None, OURS).post("/v1/subscriptions", json={**subscribed, "name": "y"})
    assert everything.status_code == 422
    security = world.service.client("security", None, OURS)
    assert security.post("/v1/keys", json=key).status_code == 422, "a key for everywhere"
    of_agency = {"name": "z", "role": "agency", "agency": world.theirs.agency}
    assert security.post("/v1/keys", json=of_agency).json()["errors"][0]["code"] == "outside_jurisdiction"


def test_alarms_and_accounts_are_those_of_the_place_also_of_its_agencies_and_their_people(world: World) -> None:
    url = world.service.url
    shown, hidden = set(), set()
    for side, found in ((world.ours, shown), (world.theirs, hidden)):
        made = make_account(url, "agency", agency_code=side.agency)
        actors = (f"agency:{side.agency}", f"agency:{side.agency}/guest_link", f"staff:{made['staff_id']}")
        found |= {made["staff_id"], *(an_alarm(url, actor) for actor in actors)}
    hidden.add(an_alarm(url, f"agency:{world.ours.agency}-of-elsewhere"))
    for role in (KeyRole.SECURITY, KeyRole.AUDITOR):
        client = world.caller(role)
        seen = "".join(client.get(path).text for path in ("/v1/alarms", "/v1/staff", "/v1/sign-ins"))
        assert {each for each in shown | hidden if each in seen} == shown, role


def test_whoever_may_not_see_people_is_shown_none_of_their_words(world: World) -> None:
    path = f"/v1/requests/{world.ours.objects['request_id']}"
    for role in asked_for()[("GET", "/v1/requests/{request_id}")]:
        client = world.caller(role)
        sees = role in (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR)
        assert (client.get(path).json()["person"] is not None) is sees, role
        assert sees or not any(each["note"] for each in client.get(f"{path}/timeline").json()["events"])
    assert (
        world.caller(KeyRole.COORDINATOR)
        .post(f"{path}/debts/aid/settle", json={"outcome": "done", "with_what": "棉被三床"})
        .is_success
    )
    for role in asked_for()[("GET", "/v1/debts")]:
        sees = role in (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR)
        assert ("棉被三床" in world.caller(role).get("/v1/debts").text) is sees, role
    for role in asked_for()[("GET", "/v1/emergencies/board")]:
        assert "棉被三床" not in world.caller(role).get("/v1/emergencies/board").text, role


def test_the_scopes_of_a_role_are_those_of_the_routes_that_it_may_call(world: World) -> None:
    from fastapi.routing import iter_route_contexts

    from app.api.access import scope_of
    from tests.test_house import allows

    found: dict[KeyRole, set[str]] = {role: set() for role in KeyRole}
    for each in iter_route_contexts(world.app.routes):
        for allow in allows(getattr(each, "dependant", None)):
            for role in allow.roles:
                found[role] |= {scope_of(each, method) for method in each.methods or ()}  # type: ignore[arg-type]
    assert found == {role: set(scopes) for role, scopes in SCOPES.items()}

"""Two counties and a township beside ours, each with one of everything; every route, and how a test calls it.

The routes are those of the application; a route, a gap in an address or a body that the tables here do not know fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select, update

from app import agencies
from app.db import Database
from app.identifiers import new_id, now
from app.keys import KeyRole
from app.tables import agency, alarm, api_key, delivery, dispute, feedback, handoff
from tests import serving
from tests.people import Person, make_account, ours
from tests.running import Running
from tests.test_attachments import a_photo
from tests.test_rights import ALLOWED, ANYONE
from tests.watching import change, fetch, on

OURS, THEIRS = "360803", "360424"
OUR_TOWN, NEXT_TOWN, THEIR_TOWN = "360803101", "360803102", "360424101"
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
# Of people who signed in, in HTML.
PAGES = [
    *(("GET", f"/forms/requests/{{request_id}}{rest}") for rest in ("", "/register", "/notice", "/receipt")),
    *(("GET", f"/forms/handoffs/{{handoff_id}}/{form}") for form in ("letter", "reply")),
    ("POST", "/kiosks/{kiosk_id}/revoke"),
]
_MOST_PAGES = 100
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
    "/v1/deliveries?limit=200": "delivery_id",
    "/v1/agencies?limit=200": "code",
    "/v1/subscriptions": "subscription_id",
    "/v1/keys?limit=200": "key_id",
    "/v1/kiosks?limit=200": "kiosk_id",
    "/v1/staff?limit=200": "staff_id",
    "/v1/sign-ins": "staff_id",
    "/v1/alarms": "alarm_id",
}


class HasObjects(Protocol):
    objects: dict[str, str]


@dataclass
class Side:
    """What there is of one place: by the name of the gap that it fills. `window` took its request in, `phone` is the
    number of whoever it is for."""

    objects: dict[str, str]
    window: httpx.Client
    kiosk: httpx.Client
    agency: str
    phone: str
    parts: frozenset[str]

    def of(self, role: KeyRole, gap: str) -> str:
        """What of ours a caller may reach: a kiosk what it took in itself."""
        own = f"kiosk_{gap}" if role is KeyRole.KIOSK else gap
        return self.objects.get(own, self.objects.get(gap, ""))

    def all_ids(self) -> set[str]:
        return {*self.objects.values(), self.agency}


@dataclass
class World:
    service: Running
    ours: Side
    next: Side
    theirs: Side
    _callers: dict[tuple[KeyRole, str | None], httpx.Client] = field(default_factory=dict)

    def caller(self, role: KeyRole, place: str | None = OURS) -> httpx.Client:
        """A key of our county, of our township, of our agency; the window is the one that took our request in."""
        if role is KeyRole.INTAKE and place == OURS:
            return self.ours.window
        if role is KeyRole.KIOSK:
            return self.ours.kiosk
        if (role, place) not in self._callers:
            of = self.ours.agency if role is KeyRole.AGENCY else None
            where = HERE.get(role, place) if place else None
            self._callers[role, place] = self.service.client(role, of, where)
        return self._callers[role, place]

    def person(self, role: KeyRole, **more: Any) -> httpx.Client:
        """The browser of somebody who signed in, on whose every call stands what a page's script would send."""
        person = Person.made(self.service, role, **more).signed_in()
        person.browser.headers.update({"x-csrf-token": person.csrf, **ours(self.service)})
        return person.browser


def a_world(url: str, run_service: Any, folder: Path) -> World:
    on(url, add_their_agencies)
    serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
    service = run_service(attachments=str(folder))
    sides = [a_side(service, *where) for where in ((OURS, OUR_TOWN), (NEXT_TOWN, NEXT_TOWN), (THEIRS, THEIR_TOWN))]
    change(service.url, update(handoff).values(first_due=now() - timedelta(days=1)))
    change(service.url, update(delivery).values(status="exhausted"))
    return World(service, *sides)


def a_link(service: Running, handoff_id: str) -> str:
    path = f"/v1/handoffs/{handoff_id}/guest-links"
    made = service.client("coordinator").post(path, json={"expires_in_hours": 24}).raise_for_status()
    return str(made.json()["guest_link_id"])


def a_side(service: Running, place: str, town: str) -> Side:
    """Of a county or a township, whose people, keys and subscriptions they are; it all happened in the township."""
    admin, everywhere = service.client("admin"), service.client("coordinator")
    window, phone = service.client("intake", None, place), f"138{town[-8:]}"
    told = {**FIRE, "division_code": town, "applicant": {"name": "测试甲", "phone": phone}}
    receipt = window.post("/v1/emergencies", json=told).raise_for_status().json()
    part = next(each for each in receipt["agencies"] if each["agency"].startswith(place))
    subscribed = {
        "name": f"dashboard of {place}",
        "endpoint": "http://127.0.0.1:9/x",
        "types": ["request.closed"],
        "areas": [place],
    }
    objects = {
        "request_id": receipt["request_id"],
        "handoff_id": part["handoff_id"],
        "code": f"{place}-township" if place == town else f"{place}-education",
        "subscription_id": admin.post("/v1/subscriptions", json=subscribed)
        .raise_for_status()
        .json()["subscription_id"],
        "guest_link_id": a_link(service, part["handoff_id"]),
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
    serving.make_key(service.url, KeyRole.INTAKE, place=place)
    newest = select(api_key.c.id).where(api_key.c.division_code == place).order_by(api_key.c.id.desc()).limit(1)
    objects["key_id"] = str(fetch(service.url, newest)[0]["id"])
    objects["staff_id"] = make_account(service.url, "intake", division_code=place)["staff_id"]
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
    told_to = frozenset(each["agency"] for each in receipt["agencies"])
    return Side(objects, window, kiosk, part["agency"], phone, told_to)


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


def whole(client: httpx.Client, path: str) -> str:
    """A list to its end, page by page: what other tests have added may stand before what is looked for."""
    shown, address = "", httpx.URL(path)
    for _ in range(_MOST_PAGES):
        page = client.get(address).raise_for_status()
        shown += page.text
        cursor = page.json().get("next_cursor")
        if cursor is None or not page.json()["items"]:
            return shown
        address = address.copy_set_param("cursor", cursor)
    raise AssertionError(f"{path} never ends")


def told_apart(client: httpx.Client, role: KeyRole, side: Side, whose: str) -> list[str]:
    """What a caller is told of what is not theirs, by any route that their role may call: each should answer to the byte as
    for what does not exist, and no list name it."""
    wrong = []
    for (method, template), roles in asked_for().items():
        gap = gap_of(template)
        if gap is None or role not in roles:
            continue
        nobodys = "360424-nobody" if gap == "code" else str(uuid4())
        foreign, missing = (call(client, method, template, **{gap: each}) for each in (side.of(role, gap), nobodys))
        if (was := outcome(foreign)) != "404":
            wrong.append(f"{method} {template} of {whose} for {role}: {was}, not 404")
        elif foreign.content != missing.content:
            wrong.append(f"{method} {template} for {role} tells what is {whose} from what is not there")
    for path in LISTS:
        if role in asked_for()[("GET", path.split("?")[0])]:
            shown = whole(client, path)
            if found := {name for name, each in side.objects.items() if each in shown}:
                wrong.append(f"GET {path} for {role} shows what is {whose}: {sorted(found)}")
    return wrong


def pages_told_apart(person: httpx.Client, has: HasObjects, whose: str) -> list[str]:
    """The same of the pages of whoever signed in and may print papers, or revoke a device."""
    wrong = []
    for method, template in PAGES:
        gap = template.split("{")[1].split("}")[0]
        if gap not in has.objects:
            continue
        body = {"data": {"form": person.headers["x-csrf-token"]}} if method == "POST" else {}
        foreign, missing = (
            person.request(method, template.format(**{gap: each}), **body) for each in (has.objects[gap], str(uuid4()))
        )
        if foreign.status_code not in (403, 404) or foreign.text != missing.text:
            wrong.append(f"{method} {template} of {whose}: {foreign.status_code}")
    return wrong

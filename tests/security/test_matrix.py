"""Every route, every role, on what is the caller's own and on what is not: allowed, 403 by role, 404 by whose it is.

What is not the caller's own: of another county, of the next township, of an agency beside that has no part in it; and what
an agency has left of a part that it gave back or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.keys import KeyRole
from app.main import create_app
from app.roles import SCOPES
from app.tables import delivery, help_request
from tests import serving
from tests.conftest import BACKENDS
from tests.county import EDUCATION, a_callback
from tests.examples import PERSONAL, a_request_in_full
from tests.people import make_account
from tests.running import in_this_process
from tests.security.matrix import (
    FIRE,
    FOR_ALL,
    HERE,
    LISTS,
    OUR_TOWN,
    OURS,
    PAST,
    PHOTO,
    THEIR_TOWN,
    THEIRS,
    World,
    a_link,
    a_world,
    an_alarm,
    asked_for,
    call,
    gap_of,
    outcome,
    pages_told_apart,
    told_apart,
    whole,
)
from tests.test_house import routes
from tests.watching import fetch


@pytest.fixture(scope="module", params=BACKENDS)
def world(
    request: pytest.FixtureRequest, templates: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One for all tests that are refused, that read, or that only add to it."""
    server = None if request.param == "sqlite" else request.getfixturevalue("postgres_server")
    with serving.copy_of(templates(request.param), server) as url, in_this_process(url) as run_service:
        yield a_world(url, run_service, tmp_path_factory.mktemp("papers"))


@pytest.fixture
def world_of_its_own(database_url: str, run_service: Any, tmp_path: Any) -> World:
    return a_world(database_url, run_service, tmp_path / "papers")


@pytest.fixture
def app(tmp_path: Any) -> FastAPI:
    return create_app(serving.settings_for(f"sqlite:///{tmp_path / 'rows.sqlite3'}"))  # it opens no database


def test_the_tables_hold_every_route_of_the_application_with_the_roles_that_it_names(app: FastAPI) -> None:
    named = {
        (method, path.replace(":uuid", "")): frozenset(role for allow in allowing for role in allow.roles)
        for path, methods, allowing in routes(app)
        for method in methods
        if allowing
    }
    assert named == asked_for()


def test_every_route_for_every_role_on_what_is_ours_and_on_what_is_theirs(world_of_its_own: World) -> None:
    """Whose role may not call a route is refused on what is theirs by the same rule as on what is ours: asked once."""
    world, wrong = world_of_its_own, []
    # Using one up, or revoking it, stands in no other call's way.
    links = [a_link(world.service, world.ours.objects["handoff_id"]) for _ in range(2)]

    def expect(answer: httpx.Response, wanted: str, whose: str, role: KeyRole) -> None:
        if (was := outcome(answer)) != wanted:
            wrong.append(
                f"{answer.request.method} {answer.request.url.path} of {whose} for {role}: {was}, not {wanted}"
            )

    # Agencies first: what they were sent is theirs until somebody takes the request back.
    for role in sorted(KeyRole, key=lambda each: each is not KeyRole.AGENCY):
        client, everywhere = world.caller(role), world.caller(role, None)
        wrong += told_apart(client, role, world.theirs, "theirs")
        for (method, template), roles in asked_for().items():
            gap = gap_of(template)
            if gap is None:
                may = "allowed" if role in roles else "403"
                expect(call(client, method, template), "403" if (method, template) in FOR_ALL else may, "all", role)
                if (method, template) in FOR_ALL:
                    expect(call(everywhere, method, template), may, "all, by a key for everywhere,", role)
                continue
            ours = world.ours.of(role, gap)
            if gap == "guest_link_id" and role in roles:
                ours = links.pop()
            expect(call(client, method, template, **{gap: ours}), "allowed" if role in roles else "403", "ours", role)
    assert not wrong, "\n".join(wrong)


def test_what_is_of_the_next_township_is_told_apart_from_nothing_by_nobody_of_ours(world: World) -> None:
    """Keys of every role, and people at the window and in the township's office."""
    callers = [(role, world.caller(role, OUR_TOWN)) for role in KeyRole if role is not KeyRole.AGENCY]
    callers += [(role, world.person(role, division_code=OUR_TOWN)) for role in (KeyRole.INTAKE, KeyRole.TOWNSHIP)]
    wrong = [each for role, client in callers for each in told_apart(client, role, world.next, "the next township's")]
    for _, client in callers[-2:]:
        wrong += pages_told_apart(client, world.next, "the next township's")
    for role, client in callers:
        if role in asked_for()[("POST", "/v1/look-ups")]:
            found = client.post("/v1/look-ups", json={"phone": world.next.phone}).raise_for_status().json()["items"]
            wrong += [f"{role} finds {each['request_id']} of the next township by telephone" for each in found]
        if role in asked_for()[("POST", "/v1/conference/outcomes")]:
            said = {"item": world.next.objects["handoff_id"], "decision": "note", "note": "x"}
            wrong += _allowed(client.post("/v1/conference/outcomes", json={"outcomes": [said]}), 422)
    assert not wrong, "\n".join(wrong)
    for role in (KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR):  # ours they reach
        shown = world.caller(role, OUR_TOWN).get("/v1/requests").raise_for_status().text
        assert world.ours.objects["request_id"] in shown, role


def _allowed(answer: httpx.Response, wanted: int) -> list[str]:
    if answer.status_code == wanted:
        return []
    return [f"{answer.request.method} {answer.request.url.path}: {answer.status_code}, not {wanted}"]


def test_what_another_agency_of_the_county_has_is_told_apart_from_nothing_by_none_without_a_part(world: World) -> None:
    """Neither by its key nor by its liaison; a bulk of callbacks says it of each."""
    beside = "360803-veterans"
    assert beside not in world.ours.parts
    said = {"id": "1", "type": "handoff.received", "timestamp": PAST, "data": {}}
    wrong = []
    for client in (
        world.service.client(KeyRole.AGENCY, beside),
        world.person(KeyRole.AGENCY, agency_code=beside),
    ):
        wrong += told_apart(client, KeyRole.AGENCY, world.ours, "another agency's")
        for handoff_id in (world.ours.objects["handoff_id"], str(uuid4())):
            bulk = {"callbacks": [{**said, "data": {"handoff_id": handoff_id}}]}
            (item,) = client.post("/v1/callbacks", json=bulk).raise_for_status().json()["items"]
            wrong += [] if item["status_code"] == 404 else [f"a callback in a bulk: {item}"]
    wrong += pages_told_apart(client, world.ours, "another agency's")
    assert not wrong, "\n".join(wrong)
    assert world.ours.objects["handoff_id"] in world.caller(KeyRole.AGENCY).get("/v1/handoffs").text, "its own has it"


# How an agency's part ends before its work is done: what it says itself, and what the coordinator does, in order.
NOT_OURS = {"reason_code": "not_my_duty", "legal_basis": "三定方案", "suggested_department": "county_finance"}
FOR_NOBODY = {"reason_code": "duplicate", "legal_basis": "三定方案"}
TAKER = {"agency": "360803-finance", "reason": "职责划分"}
ENDS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "returned, and passed on": (NOT_OURS, {}),
    "returned, and disputed": (FOR_NOBODY, {}),
    "returned, and ruled another's": (FOR_NOBODY, {"ruling": {**TAKER, "legal_basis": "三定方案"}}),
    "reassigned": (None, {"reassign": TAKER}),
}
# What an agency is told of such a part: which it was, how it stands, how it came to it, who has the need.
STILL_TOLD = {
    *("handoff_id", "request_id", "receipt_number", "need", "division_code", "role", "step", "status", "dispatched_at"),
    *("sign_in_due", "accept_due", "complete_due", "due_provisional", "promised_due", "registered_at", "legal_basis"),
    *("callback_path", "partners", "discloses", "withheld", "agency", "agency_phone", "days_since_registration"),
    *("suspended_days", "material_requests", "extensions", "waits_for_consent", "etag", "emergency"),
}
LOOK, REPORT = ("GET", "/v1/handoffs/{handoff_id}"), ("POST", "/v1/handoffs/{handoff_id}/callbacks")
LATER, AMOUNT = "此后补充的话", "321.45"


@dataclass
class Part:
    """Of an agency, in a request, with a paper that it may open."""

    agency: str
    objects: dict[str, str]
    words: list[str]
    owes: bool


def _asked(world: World) -> Part:
    """An ordinary request with all of a person's data, of which the education bureau has a part."""
    taken = world.ours.window.post("/v1/requests", json=a_request_in_full("education_aid")).raise_for_status().json()
    part = next(each for each in taken["handoffs"] if each["agency"] == EDUCATION)
    return _with_paper(world, Part(EDUCATION, _ids(taken, part), list(PERSONAL.values()), owes=False))


def _alarmed(world: World) -> Part:
    """An emergency, of which our agency has a part."""
    told = {**FIRE, "division_code": OUR_TOWN, "applicant": {"name": PERSONAL["name"], "phone": PERSONAL["phone"]}}
    taken = world.ours.window.post("/v1/emergencies", json=told).raise_for_status().json()
    part = next(each for each in taken["agencies"] if each["agency"] == world.ours.agency)
    words = [PERSONAL["name"], PERSONAL["phone"], FIRE["what"], FIRE["where"], LATER, AMOUNT]
    return _with_paper(world, Part(world.ours.agency, _ids(taken, part), words, owes=True))


def _ids(taken: dict[str, Any], part: dict[str, Any]) -> dict[str, str]:
    return {"request_id": taken["request_id"], "handoff_id": part["handoff_id"]}


def _with_paper(world: World, part: Part) -> Part:
    path = f"/v1/requests/{part.objects['request_id']}/attachments"
    sent = world.ours.window.post(path, files={"file": PHOTO}, data={"material": "identity_document"})
    part.objects["attachment_id"] = sent.raise_for_status().json()["attachment_id"]
    return part


def _end(world: World, part: Part, said: dict[str, Any] | None, done: dict[str, Any]) -> None:
    """And then what is owed is settled."""
    path, office = f"/v1/handoffs/{part.objects['handoff_id']}", world.service.client(KeyRole.AGENCY, part.agency)
    if said is not None:
        headers = {"content-type": "application/json"}
        office.post(f"{path}/callbacks", content=a_callback("returned", **said), headers=headers).raise_for_status()
    for act, body in done.items():
        world.caller(KeyRole.COORDINATOR).post(f"{path}/{act}", json=body).raise_for_status()
    path = f"/v1/requests/{part.objects['request_id']}"
    if part.owes:
        settled = {"outcome": "done", "with_what": LATER, "amount_yuan": AMOUNT}
        world.ours.window.post(f"{path}/debts/aid/settle", json=settled).raise_for_status()


def _had(client: httpx.Client, part: Part) -> list[str]:
    """What is missing of what an agency reaches as long as it has its part."""
    lacking = [
        f"GET {template}: {answer.status_code}"
        for method, template in _of_agencies()
        if method == "GET"
        and (answer := call(client, method, template, **_filled(template, part.objects))).status_code != 200
    ]
    seen = client.get(f"/v1/handoffs/{part.objects['handoff_id']}").raise_for_status().json()
    return [*lacking, *(["it is shown nothing of the person"] if not seen["person"] else [])]


def _of_agencies() -> list[tuple[str, str]]:
    return [each for each, roles in asked_for().items() if KeyRole.AGENCY in roles and gap_of(each[1])]


def _filled(template: str, objects: dict[str, str]) -> dict[str, str]:
    gap = gap_of(template)
    assert gap is not None
    return {gap: objects[gap]}


def _missing(client: httpx.Client) -> dict[tuple[str, str], bytes]:
    """What an agency is answered of what does not exist."""
    return {each: call(client, *each, **{gap_of(each[1]) or "": str(uuid4())}).content for each in _of_agencies()}


def _left(client: httpx.Client, missing: dict[tuple[str, str], bytes], part: Part) -> list[str]:
    """What an agency is told of a part that has ended, beyond what it may be."""
    wrong = []
    for method, template in _of_agencies():
        if (method, template) == REPORT:
            continue
        answer = call(client, method, template, **_filled(template, part.objects))
        wanted = 200 if (method, template) == LOOK else 404
        wrong += _allowed(answer, wanted)
        if wanted == 404 and answer.content != missing[method, template]:
            wrong.append(f"{method} {template} tells it from what is not there")
        wrong += [f"{method} {template} shows {each}" for each in part.words if each in answer.text]
    path, headers = REPORT[1].format(**part.objects), {"content-type": "application/json"}
    wrong += _allowed(client.post(path, content=a_callback("accepted"), headers=headers), 409)
    seen = client.get(f"/v1/handoffs/{part.objects['handoff_id']}").json()
    if more := {name for name, value in seen.items() if value not in (None, [])} - STILL_TOLD:
        wrong.append(f"its handoff still tells {sorted(more)}: {[seen[name] for name in sorted(more)]}")
    for path, gap in LISTS.items():
        if KeyRole.AGENCY not in asked_for()[("GET", path.split("?")[0])]:
            continue
        shown = whole(client, path)
        wrong += [f"GET {path} shows {each}" for each in part.words if each in shown]
        if path != "/v1/handoffs" and part.objects[gap] in shown:
            wrong.append(f"GET {path} still names it")
    return wrong


def test_an_agency_keeps_of_a_part_that_it_gave_back_or_lost_how_it_stands_and_nothing_of_the_person(
    world: World,
) -> None:
    """By its key, by its liaison, and on its liaison's pages; before, all of it was open to it."""
    callers: dict[str, list[httpx.Client]] = {
        code: [world.service.client(KeyRole.AGENCY, code), world.person(KeyRole.AGENCY, agency_code=code)]
        for code in {EDUCATION, world.ours.agency}
    }
    wrong = []
    ended = [(how, _asked(world)) for how in ENDS]
    ended += [(how, _alarmed(world)) for how in ("returned, and passed on", "reassigned")]
    for how, part in ended:
        wrong += [f"{how}, before: {each}" for client in callers[part.agency] for each in _had(client, part)]
        _end(world, part, *ENDS[how])
    for code, clients in callers.items():
        for client in clients:
            missing = _missing(client)
            parts = [(how, part) for how, part in ended if part.agency == code]
            wrong += [f"{how}: {each}" for how, part in parts for each in _left(client, missing, part)]
        wrong += [each for how, part in parts for each in pages_told_apart(client, part, f"what was {how}")]
    assert not wrong, "\n".join(wrong)


def test_lists_hold_what_is_ours_and_leave_out_what_is_theirs(world: World) -> None:
    for role in KeyRole:
        client = world.caller(role)
        for path, gap in LISTS.items():
            if role not in asked_for()[("GET", path.split("?")[0])]:
                continue
            shown = whole(client, path)
            ours = world.ours.objects[gap]
            if "status=" not in path and not (role is KeyRole.AGENCY and gap == "code"):
                assert ours in shown, f"{path} for {role} lacks ours"
            found = {each for each in world.theirs.all_ids() if each in shown}
            assert not found, f"{path} for {role} shows theirs: {found}"
    for path, gap in LISTS.items():
        may = asked_for()[("GET", path.split("?")[0])]
        everywhere = world.service.client(KeyRole.COORDINATOR if KeyRole.COORDINATOR in may else KeyRole.SECURITY)
        if "status=" not in path:
            shown = whole(everywhere, path)
            assert world.ours.objects[gap] in shown, path
            assert world.theirs.objects[gap] in shown, path


def test_a_list_of_a_jurisdiction_goes_on_page_by_page(world: World) -> None:
    for town in (OUR_TOWN, "360803100", THEIR_TOWN, OURS):
        asked = {
            "channel": "window",
            "division_code": town,
            "applicant": {"name": "甲"},
            "needs": [{"code": "undetermined"}],
        }
        world.service.client("intake").post("/v1/requests", json=asked).raise_for_status()
    there = select(help_request.c.id).where(help_request.c.division_code.startswith(OURS))
    taken = {str(row["id"]) for row in fetch(world.service.url, there)}
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
    told = world.ours.window.post("/v1/emergencies", json={**FIRE, "division_code": OUR_TOWN}).raise_for_status()
    own = next(each["handoff_id"] for each in told.json()["agencies"] if each["agency"] == world.ours.agency)
    for handoff_id, status in ((world.theirs.objects["handoff_id"], 404), (own, 200)):
        body = {"callbacks": [{**said, "data": {"handoff_id": handoff_id}}]}
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


def test_the_scopes_of_a_role_are_those_of_the_routes_that_it_may_call(app: FastAPI) -> None:
    from fastapi.routing import iter_route_contexts

    from app.api.access import scope_of
    from tests.test_house import allows

    found: dict[KeyRole, set[str]] = {role: set() for role in KeyRole}
    for each in iter_route_contexts(app.routes):
        for allow in allows(getattr(each, "dependant", None)):
            for role in allow.roles:
                found[role] |= {scope_of(each, method) for method in each.methods or ()}  # type: ignore[arg-type]
    assert found == {role: set(scopes) for role, scopes in SCOPES.items()}

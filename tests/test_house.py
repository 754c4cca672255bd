"""The house rules, held by a machine: who may import whom, who may call what, what is written down."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from app.api import bodies
from app.api.access import Allow
from app.config import PREFIX, Settings
from app.main import create_app
from app.problems import KINDS, FieldError, Problem
from app.receivers import notice_types
from app.schemas import CallbackData, CallbackIn, LookUpIn, RequestIn, SupplementIn, WithdrawIn
from app.schemas_agencies import AgencyChange, AgencyIn, SecretIn
from app.schemas_attachments import AttachmentIn
from app.schemas_bulk import CallbackItem
from app.schemas_calendar import WorkingDayIn, WorkingYearIn
from app.schemas_consents import ConsentsIn, ConsentTextIn, ConsentWithdrawIn
from app.schemas_coordination import CancelIn, ExtendIn, GuestLinkIn, OutcomesIn, ReassignIn, RulingIn, UrgeIn
from app.schemas_emergencies import AidRulesIn, DutyListIn, EmergencyIn, LiftIn, SettleIn
from app.schemas_keys import KeyIn, KeyReplaceIn
from app.schemas_kiosks import NumbersIn, PairIn, PairingIn
from app.schemas_retention import EraseIn, HoldIn, ReleaseIn, RetentionIn
from app.schemas_routing import PreviewIn, PublishIn, ReplayIn
from app.schemas_staff import StaffChange, StaffIn
from app.schemas_subscriptions import SubscriptionChange, SubscriptionIn
from app.schemas_tracking import AnsweredBack, DeclineIn, ReopenIn
from app.tables import metadata
from tests import serving
from tests.examples import a_request_in_full

ROOT = Path(__file__).parent.parent
CHINESE = re.compile("[一-鿿]")

# From the ground up: a module imports from its own layer and from those below it.
LAYERS = (
    "app cleaning config config_sign_in database_address db door_settings envelopes file_store huge_pages identifiers inboxes key_settings "
    "listening logs master_keys metrics names problem_kinds problem_kinds_http problem_kinds_kiosks problems qr refusals roles "
    "sealed_files sealing shared_looks steps storage_settings uploads way wire",
    "aid attachment_groups attachment_links bells consents dangers deadlines disclosure etags identity keeping lifecycle masks "
    "merkle province purposes receipts receivers routing signing turns",
    "columns guessing hashchain marks schemas schemas_bulk schemas_consents schemas_emergencies schemas_retention "
    "schemas_routing",
    "answers schemas_agencies schemas_attachments schemas_calendar schemas_keys schemas_kiosks schemas_subscriptions "
    "tables",
    "schemas_coordination schemas_staff schemas_tracking",
    "answers_agencies answers_attachments answers_audit answers_calendar answers_catalogue answers_consents "
    "answers_deliveries answers_disclosures answers_emergencies answers_guests answers_keys answers_kiosks "
    "answers_proof answers_reopenings "
    "answers_retention answers_routing answers_staff answers_subscriptions answers_tracking",
    "messages",
    "bucket bulk constraints envelope_keys file_sweep jurisdictions keys ledger migrating moves office oidc oidc_provider "
    "passwords rates readings registry revision same_person service_key",
    "disputes last_events paged",
    "repeats reserved_numbers sessions timeline",
    "loading",
    "clocks desk",
    "answers_coordination",
    "delivery",
    "explaining gates shown",
    "checks handoff_views handoffs mending presenting returns rights year_notice",
    "escalation versions",
    "agencies alarms attachments board by_number callbacks calling chain consent_texts county_aid disclosures feedback "
    "following guests inbox intake kiosks looking operation previewing proof reading refused_callbacks replay rescheduling rotation seed senders "
    "sign_ins supplements tabling working_days",
    "catalogue debts docket drafting forgetting holds kiosk_pack looking_up own_page papers retelling retention",
    "coming_of_age consenting coordination emergency emergency_board erasure expiry",
    "audit conference endpoint_rows forms reopenings",
    "endpoints issuing staff subscriptions",
    "process worker",
    "api",
    "pages",
    "main",
    "conformance demo",
    "terminal",
    "cli_endpoints cli_routing",
    "cli_agencies cli_audit cli_calendar cli_conference cli_conformance cli_deliveries cli_emergencies cli_proof "
    "cli_kiosks cli_readings cli_retention cli_staff cli_subscriptions",
    "__main__ cli",
)
HEIGHT = {room: height for height, layer in enumerate(LAYERS) for room in layer.split()}
PURE = LAYERS[1].split()
# A page asks for a code itself, and shows nothing before.
ANSWERING = {f"/answer/{{token}}{rest}" for rest in ("", "/code", "/session", "/leave", "/acts/{act}")}
# A person's own page: the token in its address is the right, or the number with the end of a telephone.
OWN_PAGE = {"/track", "/track/live.js"}
OWN_PAGE |= {f"/track/{{token}}{rest}" for rest in ("", "/events", "/papers", "/all-there", "/solved")}
# Where a person signs in, and what a session alone opens.
SIGNING_IN = {"/sign-in", "/sign-in/oidc", "/sign-in/callback", "/sign-out"}
SIGNING_IN |= {"/account", "/account/password", "/account/sessions/end"}
# What a machine in a hall shows, and has for the time without a line.
KIOSK_FILES = {"/kiosk", "/kiosk/", "/kiosk/{file}", "/kiosk/voices.json", "/kiosk/voices/{language}/{recording}"}
# Papers for whoever signed in: the pages ask for the session themselves.
FORMS = {"/forms", "/forms/summary", "/forms/requests/{request_id}"}
FORMS |= {f"/forms/requests/{{request_id}}/{each}" for each in ("register", "notice", "receipt")}
FORMS |= {f"/forms/handoffs/{{handoff_id}}/{each}" for each in ("letter", "reply")}
# Of devices, for whoever signed in.
KIOSKS = {"/kiosks", "/kiosks/{kiosk_id}/revoke"}
OPEN = {
    *("/v1/needs", "/v1/divisions", "/v1/problems/{code}", "/v1/track/{token}"),
    *("/v1/track/{token}/inclusion", "/v1/public/audit-key"),
    *("/v1/public/audit-roots", "/v1/public/audit-roots/{day}"),
    "/v1/kiosks",  # by a code, which somebody with a key read out; the list of them asks who calls
    "/v1/attachments/file/{token}",  # by a link, which somebody with a key asked for
    *("/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/assets"),
    *KIOSK_FILES,
    *ANSWERING,
    *SIGNING_IN,
    *OWN_PAGE,
    *FORMS,
    *KIOSKS,
}
SIGNED = {"/v1/callbacks", "/v1/handoffs/{handoff_id}/callbacks"}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name, parsed."""
    found = {}
    for file in sorted((ROOT / "app").rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(file.read_text(encoding="utf-8"), str(file))
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """What a module imports, anywhere in it: modules of the application, and of others whatever the import names."""
    found: set[str] = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are written in full"
            whole = (f"{node.module}.{each.name}" for each in node.names)
            found |= {each if each in modules() or not in_app(each) else node.module for each in whole}
    return frozenset(found)


def in_app(name: str) -> bool:
    return name.split(".")[0] == "app"


def room(name: str) -> str:
    """`app.delivery.sender` is in the room `delivery`."""
    return name.removeprefix("app.").split(".")[0]


def importers(*packages: str) -> set[str]:
    return {name for name in modules() if any(each.split(".")[0] in packages for each in imports(name))}


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    return ((ast.unparse(node.func), node) for node in ast.walk(modules()[name]) if isinstance(node, ast.Call))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    file = tmp_path_factory.mktemp("house") / "rows.sqlite3"
    return create_app(serving.settings_for(f"sqlite:///{file}"))  # it counts no calls, and opens no database


def ask(app: FastAPI, *calls: tuple[str, str]) -> list[httpx.Response]:
    """Methods and addresses, asked of the application itself; nothing of it is started."""

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            return [await client.request(method, path, json={}) for method, path in calls]

    return asyncio.run(run())


def allows(dependant: Dependant | None) -> list[Allow]:
    if dependant is None:
        return []
    own = [dependant.call] if isinstance(dependant.call, Allow) else []
    return own + [each for inner in dependant.dependencies for each in allows(inner)]


def routes(app: FastAPI) -> list[tuple[str, set[str], list[Allow]]]:
    contexts = iter_route_contexts(app.routes)
    return [(each.path, each.methods or {"GET"}, allows(getattr(each, "dependant", None))) for each in contexts]


def test_every_room_has_its_layer_and_every_layer_its_rooms() -> None:
    assert {room(name) for name in modules()} == set(HEIGHT)


def test_imports_point_one_way_from_the_edge_down_to_the_pure_rules_and_in_no_circle() -> None:
    graph = {name: {other for other in imports(name) if in_app(other)} for name in modules()}
    arrows = [(name, other) for name, others in graph.items() for other in others]
    assert [f"{name} imports {other}" for name, other in arrows if HEIGHT[room(other)] > HEIGHT[room(name)]] == []
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules())


def test_the_pure_rules_import_no_framework_and_nothing_but_each_other() -> None:
    allowed = {*sys.stdlib_module_names, "openpyxl", "phonenumbers", "stdnum"} - {
        "asyncio",
        "os",
        "socket",
        "sqlite3",
        "threading",
    }
    for name in (each for each in modules() if room(each) in PURE):
        for other in imports(name):
            assert room(other) in PURE if in_app(other) else other.split(".")[0] in allowed, f"{name} imports {other}"


def test_the_pure_rules_have_no_hidden_clock() -> None:
    clocks = re.compile(r"(^|\.)(now|today|utcnow|time|monotonic|perf_counter)$")
    told = [f"{name}: {call}" for name in modules() if room(name) in PURE for call, _ in calls(name)]
    assert [each for each in told if clocks.search(each) and not each.endswith(": time")] == []


def test_fastapi_stands_in_main_in_api_and_in_pages_only() -> None:
    assert {room(name) for name in importers("fastapi", "starlette")} == {"main", "api", "pages"}


def test_the_http_client_stands_in_delivery_only() -> None:
    """The demo's departments are servers, and its person at the window a client: both stand outside the service. So does
    the conformance kit, which plays the service towards a department."""
    users = {(room(name), each) for name in modules() for each in imports(name) if each.startswith("aiohttp")}
    assert users == {("delivery", "aiohttp"), ("conformance", "aiohttp.web"), ("demo", "aiohttp.web")}
    assert {room(name) for name in importers("httpx", "requests", "urllib3")} == {"conformance", "demo"}
    assert {room(name) for name in importers("httpx2", "authlib")} == {"oidc_provider"}, (
        "the single sign-on, by its library"
    )


def test_who_serves_loads_no_library_that_few_calls_need(tmp_path: Path) -> None:
    """It would take a third as much memory again."""
    heavy = {"aiohttp", "alembic", "authlib", "httpx2", "lxml", "obstore", "openpyxl", "PIL", "pikepdf", "watchfiles"}
    code = """
import asyncio, sys, app.cli, uvicorn
from app.main import create_app

async def serve():
    api = create_app()
    async with api.router.lifespan_context(api):
        print(*sys.modules)

asyncio.run(serve())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, f"{PREFIX}SECRET": "0" * 32, f"{PREFIX}EMBEDDED_WORKER": "false"},
    )
    assert heavy & set(done.stdout.split()) == set()


def test_no_query_stands_in_api() -> None:
    assert [name for name in importers("sqlalchemy", "asyncpg", "aiosqlite") if room(name) == "api"] == []
    assert [name for name in modules() if room(name) == "api" for call, _ in calls(name) if call == "select"] == []


def test_nothing_below_the_edge_commits_and_nothing_is_left_to_a_task_that_a_crash_would_lose() -> None:
    commits = {name for name in modules() for call, _ in calls(name) if call.endswith(".commit")}
    assert commits <= {"app.db", "app.bulk"}, "the second is the ledger's hand on SQLite"
    assert [name for name in modules() if any(each.endswith("BackgroundTasks") for each in imports(name))] == []


def test_nobody_goes_past_the_subscribers_from_a_case_to_its_rows() -> None:
    """`notices.finish` is the way. What is sent again records nothing that anybody is told of, nor do guest links; and
    where a request's key can't be opened no notice could be sealed."""
    asked = [(name, call, ast.unparse(node)) for name in modules() for call, node in calls(name)]
    assert {name for name, call, _ in asked if call.endswith(".finish")} == {
        "app.delivery.notices",
        "app.delivery.again",
        "app.delivery.courier",
        "app.guests",
    }
    events = {name for name, call, whole in asked if re.match(r"event\.insert|(.*\.)?insert\(event\b", whole)}
    assert events == {"app.timeline"}
    assert [
        whole for _, call, whole in asked if call.endswith(("write_units", "ledger.write")) and ".unit" in whole
    ] == []
    recorded = [node.args[0] for call, node in calls("app.delivery.again") if call.endswith(".record")]
    kinds = [ast.literal_eval(kind) for kind in recorded]
    assert kinds
    assert [told for kind in kinds for told in notice_types(kind, {})] == []


def test_the_steps_of_a_function_are_left_to_whoever_takes_its_callers() -> None:
    """What was made and is taken by nobody would not be done."""
    taken = {
        id(each.value) for tree in modules().values() for each in ast.walk(tree) if isinstance(each, ast.YieldFrom)
    }
    made = [(name, call, node) for name in modules() for call, node in calls(name) if call.endswith(".steps")]
    assert len(made) >= 8
    assert [f"{name}: {call}" for name, call, node in made if id(node) not in taken] == ["app.steps: self.steps"]


def test_only_the_command_line_and_the_demo_print() -> None:
    printing = {room(name) for name in modules() for call, _ in calls(name) if call in ("print", "sys.stdout.write")}
    assert printing <= {"cli", "demo"}


def test_a_file_is_read_in_a_sitting_and_called_after_what_it_does() -> None:
    lines = {file.name: len(file.read_text("utf-8").splitlines()) for file in (ROOT / "app").rglob("*.py")}
    names = {part for name in modules() for part in name.split(".")}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert names & {"utils", "util", "helpers", "core", "common", "services", "managers", "misc"} == set()


def test_every_route_asks_who_calls_or_is_listed_as_open_and_only_a_callback_may_be_signed_instead(
    app: FastAPI,
) -> None:
    assert {path for path, _, allowing in routes(app) if not allowing} == OPEN
    assert all(each.roles for _, _, allowing in routes(app) for each in allowing)
    assert {path for path, _, allowing in routes(app) for each in allowing if each.signature_instead} == SIGNED


def test_a_call_without_a_key_is_refused_wherever_it_is_not_open(app: FastAPI) -> None:
    closed = [
        (method, re.sub(r"\{\w+(:uuid)?\}", "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e", path))
        for path, methods, allowing in routes(app)
        if allowing
        for method in methods
    ]
    assert len(closed) > 10
    for (method, path), answer in zip(closed, ask(app, *closed), strict=True):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)


@pytest.mark.parametrize("code", KINDS)
def test_every_problem_is_explained_in_both_languages(code: str, app: FastAPI) -> None:
    (answer,) = ask(app, ("GET", f"/v1/problems/{code}"))
    told = answer.json()
    assert (answer.status_code, told["code"], told["status"]) == (200, code, KINDS[code].status)
    for text in ("title", "advice"):
        assert CHINESE.search(told[f"{text}_zh"])
        assert re.fullmatch(r"[ -~]{4,}", told[f"{text}_en"])


def test_every_problem_that_is_raised_is_in_the_catalogue() -> None:
    raised = {
        (name, call.args[0].value)
        for name in modules()
        for function, call in calls(name)
        if function == "Problem" and call.args and isinstance(call.args[0], ast.Constant)
    }
    assert len(raised) > 10
    assert {each for each in raised if each[1] not in KINDS} == set()


@pytest.mark.parametrize("kind", bodies._SENTENCES)
def test_every_sentence_about_a_field_stands_in_both_languages_with_the_same_gaps(kind: str) -> None:
    zh, en = bodies._SENTENCES[kind]
    assert CHINESE.search(zh)
    assert re.fullmatch(r"[ -~]{10,}", en)
    assert re.findall(r"{\w*}", zh) == re.findall(r"{\w*}", en)


WRONG = [None, True, 3, -1, 1.5, 10**30, "", "x" * 5000, "\x07", [], ["x"] * 300, [{}], {}, {"nonsense": 1}]
WRONG += ["2026-02-30", "2026-02-03", "2026-11-23T08:00:00", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z"]
NO_DATA = dict.fromkeys(CallbackData.model_fields)
CASE = {
    "division_code": "360803101",
    "birth_date": "1949-12-31",
    "facts": {"residence": "rural"},
    "needs": [{"code": "education_aid"}],
    "at": "2026-11-23T08:00:00Z",
}
ENDPOINT = {"endpoint": "https://a.example/x", "delivery_mode": "full", "max_in_flight": 4, "per_second": 9}
SUBSCRIPTION = {
    "name": "dashboard",
    "endpoint": "https://a.example/x",
    "types": ["request.closed"],
    "needs": ["education_aid"],
    "areas": ["360803"],
    "max_in_flight": 4,
    "per_second": 9,
    "tls": {"ca": "x", "certificate": "x", "key": "x"},
}
STAFF = {"display_name": "窗口", "role": "intake", "agency_code": "a-1", "division_code": "360803", "oidc_name": "x"}
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    AgencyIn: {
        "code": "a-1",
        "department": "school",
        "division_code": "360803",
        "name_zh": "校",
        "name_en": "School",
        "phone": "0796-1",
        "tls": {"ca": "x", "certificate": "x", "key": "x"},
        **ENDPOINT,
    },
    AgencyChange: {"name_zh": "校", "active": False, "tls": {"ca": "x"}, **ENDPOINT},
    SecretIn: {"overlap_hours": 24},
    AttachmentIn: {"title": "诊断证明", "material": "diagnosis"},
    OutcomesIn: {
        "outcomes": [
            {
                "item": "01a20a17-7366-717f-ae57-1c9154b4ccbf",
                "decision": "ruling",
                "agency": "a-1",
                "legal_basis": "三定方案",
                "until": "2027-01-01",
                "note": "x",
            }
        ]
    },
    AnsweredBack: {"solved": "no", "closing": 7, "words": "x"},
    DeclineIn: {"reason": "已经发放"},
    ReopenIn: {"handoff_id": "01a20a17-7366-717f-ae57-1c9154b4ccbf", "agency": "a-1", "reason": "x"},
    RulingIn: {"agency": "a-1", "department": None, "reason": "费用由财政列支", "legal_basis": "三定方案"},
    ReassignIn: {"agency": None, "department": "school", "reason": "x"},
    UrgeIn: {"note": "请今日签收"},
    CancelIn: {"reason": "x", "without_successor": True},
    ExtendIn: {"due_at": "2027-01-01T00:00:00+08:00", "reason": "x", "approver": "y"},
    GuestLinkIn: {"expires_in_hours": 72},
    PreviewIn: {**CASE, "version": 3},
    PublishIn: {"effective_from": "2027-01-01T00:00:00+08:00", "reasons": {"lead_waits_for_fact": "window asks"}},
    ReplayIn: {"cases": [CASE]},
    RequestIn: a_request_in_full(),
    StaffChange: {**STAFF, "disabled": True},
    StaffIn: {**STAFF, "login_name": "window.1"},
    SubscriptionChange: {**SUBSCRIPTION, "active": True},
    SubscriptionIn: SUBSCRIPTION,
    AidRulesIn: {
        "terms": [
            {
                "division_code": "36",
                "valid_from": "2026-01-01",
                "sign_in_minutes": 10,
                "source": "x",
                "aid_target": "H:24",
                "aid_limit": "CD:3",
                "explanation_limit": "WD:3",
                "papers_limit": "WD:10",
            }
        ],
        "ceilings": [
            {"division_code": "36", "valid_from": "2026-01-01", "kind": "yuan", "amount": "1000", "source": "x"}
        ],
        "standards": [
            {"division_code": "36", "valid_from": "2026-01-01", "urban": "825", "rural": "600", "source": "x"}
        ],
    },
    DutyListIn: {"contacts": [{"office": "值班室", "phone": "110", "name": "王", "hours": "夜间"}]},
    EmergencyIn: {
        "what": "断粮",
        "where": "值夏镇",
        "division_code": "360803101",
        "kind": "hunger",
        "channel": "hotline",
        "needs": ["temp_aid_fast"],
        "applicant": {"name": "张"},
        "helper": {"name": "李"},
        "people": 2,
        "caller_phone": "110",
        "position": {"latitude": 27.1, "longitude": 115.0},
        "facts": {"household_size": 2},
    },
    LiftIn: {"facts": ["no_food"], "what": "断粮", "where": "值夏镇"},
    SettleIn: {"outcome": "done", "amount_yuan": "1000", "with_what": "被褥"},
    RetentionIn: {"periods": [{"kind": "alarm", "period": "P5Y", "minimum": "P3Y", "source": "x"}]},
    HoldIn: {"reason": "x", "until": "2027-01-01"},
    ReleaseIn: {"reason": "x"},
    EraseIn: {"ground": "unlawful", "legal_basis": "个人信息保护法47"},
    ConsentsIn: {
        "consents": [
            {
                "purpose": "medical_data",
                "person": "household/0",
                "given_at": "2026-11-23T08:00:00Z",
                "text_version": 1,
                "evidence": {"kind": "recording", "reference": "r-1"},
                "guardian": {"name": "王", "relation": "mother"},
            }
        ],
        "obligors": [{"name": "李", "relation": "son", "phone": "110"}],
    },
    ConsentWithdrawIn: {"reason": "不愿再提供"},
    ConsentTextIn: {
        "purpose": "medical_data",
        "valid_from": "2027-01-01",
        "text_zh": "同意",
        "text_en": "Agreed",
        "source": "民政局",
    },
    LookUpIn: {"id_type": "passport", "id_number": "E1"},
    SupplementIn: {"materials": ["diagnosis"], "note": "", "facts": {"household_size": 2}},
    KeyIn: {
        "name": "window 1",
        "role": "agency",
        "agency": "a-1",
        "division_code": "360803",
        "scopes": ["handoffs:read"],
        "networks": ["10.36.8.0/24"],
        "owner": "王",
        "expires_at": "2027-01-01T00:00:00+08:00",
    },
    KeyReplaceIn: {"name": "window 1 in 2027", "overlap_hours": 24},
    PairingIn: {"name": "大厅一号机", "division_code": "360803101"},
    PairIn: {"code": "4821 0937"},
    NumbersIn: {"count": 20},
    WorkingDayIn: {"working": False, "source": "通知"},
    WorkingYearIn: {"year": 2027, "source": "通知", "days": [{"day": "2027-01-01", "working": False}]},
    WithdrawIn: {"reason": "家里已经想出办法"},
    CallbackItem: {
        "id": "a",
        "if_match": '"7"',
        "type": "handoff.received",
        "timestamp": "2026-11-23T08:00:00Z",
        "data": {**NO_DATA, "handoff_id": "01a20a17-7366-717f-ae57-1c9154b4ccbf"},
    },
    CallbackIn: {"type": "handoff.returned", "timestamp": "2026-11-23T08:00:00Z", "data": NO_DATA},
}


def spoilt(body: Any) -> Iterator[Any]:
    """The body with each of its parts in turn replaced by something wrong, left out, or joined by another."""
    yield from WRONG
    if isinstance(body, dict):
        yield {**body, "zzz": 1}
        for name, part in body.items():
            yield {key: value for key, value in body.items() if key != name}
            yield from ({**body, name: wrong} for wrong in spoilt(part))
    if isinstance(body, list):
        yield from ([*body[:at], wrong, *body[at + 1 :]] for at, part in enumerate(body) for wrong in spoilt(part))


@pytest.mark.parametrize("model", BODIES)
def test_whatever_is_wrong_with_a_body_has_a_sentence_of_its_own_without_a_gap(model: type[BaseModel]) -> None:
    faults: list[FieldError] = []
    for body in spoilt(BODIES[model]):
        try:
            bodies.parse(model, json.dumps(body).encode())
        except Problem as problem:
            faults += problem.errors
    assert len(faults) > 20
    assert {each.code for each in faults} - bodies._SENTENCES.keys() == set()
    assert [each for each in faults if "…" in each.detail.zh + each.detail.en] == []


def test_the_committed_openapi_document_is_the_applications(app: FastAPI) -> None:
    committed = json.loads((ROOT / "openapi" / "openapi.json").read_text("utf-8"))
    assert committed == json.loads(json.dumps(app.openapi())), "one-window openapi > openapi/openapi.json"


def test_every_setting_stands_in_the_operators_page_and_no_page_names_one_that_does_not_exist() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "compose.yaml", ROOT / "Dockerfile"]
    named = {page.name: set(re.findall(rf"{PREFIX}[A-Z0-9_]*[A-Z]", page.read_text("utf-8"))) for page in pages}
    assert settings - named["operating.md"] == set()
    strange = {name for names in named.values() for name in names - settings}
    assert {name for name in strange if not name.startswith(f"{PREFIX}TEST_")} == set()


def test_migrations_stand_in_one_line_in_the_order_of_their_dates() -> None:
    scripts = ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml"))
    line = list(scripts.walk_revisions())[::-1]
    assert len(scripts.get_bases()) == len(scripts.get_heads()) == 1
    assert [each.down_revision for each in line] == [None, *(each.revision for each in line)][: len(line)]
    files = sorted(each.name for each in (ROOT / "migrations" / "versions").glob("*.py"))
    assert [Path(each.path).name for each in line] == files
    assert all(re.match(r"\d{4}_\d{2}_\d{2}_", name) for name in files)
    # They say what was on their day, so they take nothing from the application of today.
    texts = [Path(each.path).read_text("utf-8") for each in line]
    assert [text for text in texts if re.search(r"^\s*(from|import) app\b", text, re.MULTILINE)] == []


def test_what_is_sealed_names_the_column_that_it_is_kept_in() -> None:
    written = {
        name
        for file in (ROOT / "app").rglob("*.py")
        for name in re.findall(r'kept_at\(\s*"([^"]*)"', file.read_text("utf-8"))
    }
    columns = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.c}
    assert written
    assert written <= columns
    assert {each for each in columns if each.endswith(".sealed")} <= written

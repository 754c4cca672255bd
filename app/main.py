"""create_app(): the API over one office, its worker if it is embedded, and the OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator
from enum import EnumType
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from app import __version__, huge_pages, inbox, logs
from app.answers import ProblemBody
from app.api import (
    agencies,
    alarms,
    attachments,
    audit,
    callbacks,
    catalogue,
    conference,
    consents,
    coordination,
    county_aid,
    deliveries,
    edge,
    emergencies,
    guest_links,
    handoffs,
    keys,
    kiosks,
    look_ups,
    operation,
    proof,
    reference,
    reopenings,
    requests,
    retention,
    routing,
    staff,
    subscriptions,
    tracking,
    webhooks,
    working_days,
)
from app.api.access import direct_routes
from app.config import Settings, load_settings
from app.inboxes import Inboxes
from app.office import Office
from app.pages import answering, forms, kiosk_files, nowhere, signing_in, tracking_live
from app.pages import kiosks as kiosk_pages
from app.pages import tracking as own_pages
from app.schemas import CallbackIn, LookUpIn, RequestIn, SupplementIn, WithdrawIn
from app.schemas_agencies import AgencyChange, AgencyIn, SecretIn
from app.schemas_bulk import CallbacksIn
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
from app.schemas_tracking import DeclineIn, ReopenIn
from app.wire import from_json

log = structlog.get_logger()
# Full collections walk every cached rule, agency and compiled statement; fewer of them halve the p99 under load.
_GC_FIRST_THRESHOLD = 20_000
# How long a busy event loop keeps the interpreter's lock from the thread that writes (docs/decisions/0003).
_SWITCH_SECONDS = 0.00002
_TAGS = [
    ("catalogue", "What may be asked for, where, and what each problem code means. No key needed."),
    ("requests", "A request for help is taken in, looked at, added to, taken back."),
    ("consents", "Who agreed to what; what waits for it, and what a withdrawal ends."),
    ("alarms", "Who looked at too many people's data."),
    ("attachments", "Papers and photographs: sent by a form, shown to whom a rule opens them."),
    ("emergencies", "Acted on first: all agencies at once, a chain of people behind them, debts that stay visible."),
    ("kiosks", "Devices that take in: paired, listed, revoked; numbers in advance, and what works without a line."),
    ("handoffs", "What an agency has to do: its inbox, and one handoff with what is disclosed to it."),
    ("guest links", "How an agency without a system answers: a link, a code by telephone, a page with a form."),
    ("coordination", "What a coordinator does: rules, reassigns, urges, cancels, extends; disputes; the conference."),
    ("callbacks", "What an agency reports about a handoff."),
    ("proof", "Who had what, when, and what proves it."),
    ("messages out", "What One Window sends to agencies and subscribers; see `webhooks`."),
    ("tracking", "The person's own view."),
    ("routing", "The department-routing table: versions, their proof, and what would become of a request."),
    ("calendar", "The working days that time limits are counted by."),
    ("agencies", "Whom handoffs go to, how they are sent to, and how their endpoints fare."),
    ("subscriptions", "Other systems that are told of what happens."),
    ("staff", "People who sign in to the pages, as the security administrator keeps them."),
    ("deliveries", "What was sent, what came back, what has to be sent again."),
    ("retention", "How long what is kept, whose data may not be erased for now, and erasure."),
    ("keys", "Who may call: keys issued, replaced, revoked by the security administrator."),
    ("operation", "Health and metrics."),
]
_TEXTS = Path(__file__).parent / "api"
_READ_BY_HAND = (
    *(RequestIn, LookUpIn, SupplementIn, WithdrawIn, CallbackIn, PreviewIn, PublishIn, ReplayIn, ProblemBody),
    *(AgencyIn, AgencyChange, SecretIn),
    CallbacksIn,
    GuestLinkIn,
    *(ConsentsIn, ConsentWithdrawIn, ConsentTextIn),
    *(EmergencyIn, LiftIn, SettleIn, AidRulesIn, DutyListIn),
    *(SubscriptionIn, SubscriptionChange),
    *(StaffIn, StaffChange),
    *(WorkingDayIn, WorkingYearIn),
    *(RetentionIn, HoldIn, ReleaseIn, EraseIn),
    *(KeyIn, KeyReplaceIn),
    *(ReopenIn, DeclineIn),
    *(PairingIn, PairIn, NumbersIn),
    *(RulingIn, ReassignIn, UrgeIn, CancelIn, ExtendIn, OutcomesIn),
)


class Application(FastAPI):
    """Of the framework's layers only those that this service needs: the edge answers what goes wrong, limits bodies and
    measures calls, so nothing else of the kind stands around it."""

    office: Office

    def build_middleware_stack(self) -> ASGIApp:
        assert not self.user_middleware
        assert self.exception_handlers.keys().isdisjoint({500, Exception}), "the edge answers those, and logs them"
        only_tls = (self.office.settings.public_url or "").startswith("https:")
        inner = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), self.exception_handlers)
        return edge.Edge(inner, direct_routes(self.router.routes), only_tls)


def create_app(settings: Settings | None = None) -> Application:
    """Raises WrongSettingError when a setting can't be used."""
    settings = settings or load_settings()
    office = Office.of(settings)
    app = Application(
        title="One Window 一门受理、协同办理",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing of a call leaves the process but our own metrics and logs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.office = office
    app.router.routes.extend(emergencies.alarm_router.routes)
    app.router.routes.extend(requests.intake_router.routes)  # the busiest of all
    app.router.routes.extend(routing.preview_router.routes)
    for resource in (
        *(
            requests,
            look_ups,
            attachments,
            emergencies,
            county_aid,
            handoffs,
            callbacks,
            coordination,
            conference,
            reopenings,
            proof,
            audit,
        ),
        *(consents, guest_links, answering, tracking, tracking_live, own_pages),
        *(staff, signing_in, forms, kiosks, kiosk_pages, kiosk_files),
        *(catalogue, agencies, deliveries, subscriptions, routing, working_days, keys, operation, alarms, retention),
    ):
        # As they are, without a router in between: it would match every address twice.
        app.router.routes.extend(resource.router.routes)
    app.webhooks.include_router(webhooks.router)
    edge.install(app)
    nowhere.install(app)
    reference.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    office = app.office
    settings = office.settings
    logs.configure(settings.log_format, settings.log_level)
    if settings.embedded_worker:
        from app.process import start_when_possible, worker_of  # who delivers nothing does without its memory
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(_SWITCH_SECONDS)
    _find_members_at_once()
    gc.set_threshold(_GC_FIRST_THRESHOLD, 20, 20)
    office.ledger.start()
    stopping = asyncio.Event()
    fresh = asyncio.create_task(office.registry.keep_fresh(stopping), name="registry")
    worker = worker_of(office) if settings.embedded_worker else None
    starting = asyncio.create_task(start_when_possible(worker, stopping), name="worker-start") if worker else None
    noting = asyncio.create_task(office.keys.keep_noting(stopping), name="keys-used")
    ringing = asyncio.create_task(inbox.keep_ringing(office, stopping), name="inboxes")
    settling = asyncio.create_task(huge_pages.take_when_settled(stopping), name="huge-pages")
    _end_waiting_calls_on_signals(office.database.inboxes)
    log.info("started", version=__version__, embedded_worker=worker is not None)
    try:
        yield
    finally:
        stopping.set()
        if starting:
            await starting
        if worker:
            await worker.stop()
        await fresh
        await ringing
        await noting
        await settling
        await office.ledger.stop()
        await office.same_person.end()
        await office.rates.close()
        await office.database.close()
        log.info("stopped")


def _find_members_at_once() -> None:
    """Before Python 3.12 whoever names a member of an enumeration pays for a last resort (`EnumType.__getattr__`) that finds
    none of them: they are found without it. It takes twice as long as the rest, a hundred times and more a request."""
    if "__getattr__" in vars(EnumType):
        del EnumType.__getattr__  # type: ignore[attr-defined]


def _end_waiting_calls_on_signals(inboxes: Inboxes) -> None:
    """The server lets every call end before it tells the application to stop: those that wait hear of it here."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals are the business of whoever runs us
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        servers_own = signal.getsignal(number)

        def stop(number: int, frame: FrameType | None, servers_own: Any = servers_own) -> None:
            loop.call_soon_threadsafe(inboxes.close)
            if callable(servers_own):
                servers_own(number, frame)

        signal.signal(number, stop)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary="Taken in once, routed to every agency concerned, delivered, answered, tracked.",
        description=(_TEXTS / "description.md").read_text(encoding="utf-8"),
        routes=app.routes,
        webhooks=app.webhooks.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS],
    )
    _, by_hand = models_json_schema(
        [(model, "validation") for model in _READ_BY_HAND], ref_template="#/components/schemas/{model}"
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in by_hand["$defs"].items():
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for message in document["webhooks"].values():
        message["post"]["responses"].pop("422", None)  # what an agency answers is its own affair
    # A callback that is signed needs no key.
    for path, methods in document["paths"].items():
        if path.endswith("/callbacks"):
            methods["post"]["security"] = [{"key": []}, {}]
    for name, example in from_json((_TEXTS / "examples.json").read_bytes()).items():
        schemas[name]["examples"] = [example]
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    app.openapi_schema = document
    return document

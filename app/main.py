"""create_app(): the API over one office, its worker if it is embedded, and the OpenAPI document."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from app import __version__, logs
from app.answers import ProblemBody
from app.api import (
    catalogue,
    deliveries,
    edge,
    handoffs,
    operation,
    reference,
    requests,
    routing,
    subscriptions,
    tracking,
    webhooks,
)
from app.config import Settings, load_settings
from app.office import Office
from app.process import start_when_possible
from app.schemas import CallbackIn, PreviewIn, PublishIn, ReplayIn, RequestIn, SupplementIn, WithdrawIn
from app.schemas_subscriptions import SubscriptionChange, SubscriptionIn, SubscriptionSecretIn
from app.wire import from_json
from app.worker import Worker

log = structlog.get_logger()
# Full collections walk every cached rule, agency and compiled statement; fewer of them halve the p99 under load.
_GC_FIRST_THRESHOLD = 20_000
_TAGS = [
    ("catalogue", "What may be asked for, where, and what each problem code means. No key needed."),
    ("requests", "A request for help is taken in, looked at, added to, taken back."),
    ("handoffs", "What an agency has to do: its inbox, and one handoff with what is disclosed to it."),
    ("callbacks", "What an agency reports about a handoff."),
    ("messages out", "What One Window sends to agencies and subscribers; see `webhooks`."),
    ("tracking", "The person's own view."),
    ("routing", "The department-routing table: versions, their proof, and what would become of a request."),
    ("subscriptions", "Other systems that are told of what happens."),
    ("deliveries", "What was sent, what came back, what has to be sent again."),
    ("operation", "Health and metrics."),
]
_TEXTS = Path(__file__).parent / "api"
_READ_BY_HAND = (
    *(RequestIn, SupplementIn, WithdrawIn, CallbackIn, PreviewIn, PublishIn, ReplayIn, ProblemBody),
    *(SubscriptionIn, SubscriptionChange, SubscriptionSecretIn),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Raises WrongSettingError when a setting can't be used."""
    settings = settings or load_settings()
    office = Office.of(settings)
    app = FastAPI(
        title="One Window 一门受理、协同办理",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing of a call leaves the process but our own metrics and logs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.office = office
    app.router.routes.extend(requests.intake_router.routes)  # the busiest first
    app.router.routes.extend(routing.preview_router.routes)
    for resource in (requests, handoffs, tracking, catalogue, deliveries, subscriptions, routing, operation):
        # As they are, without a router in between: it would match every address twice.
        app.router.routes.extend(resource.router.routes)
    app.webhooks.include_router(webhooks.router)
    app.add_middleware(edge.Edge)
    edge.install(app)
    reference.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    office: Office = app.state.office
    settings = office.settings
    logs.configure(settings.log_format, settings.log_level)
    gc.freeze()
    gc.set_threshold(_GC_FIRST_THRESHOLD, 20, 20)
    office.ledger.start()
    stopping = asyncio.Event()
    fresh = asyncio.create_task(office.registry.keep_fresh(stopping), name="registry")
    worker = Worker(settings, office.database, office.ledger, office.registry) if settings.embedded_worker else None
    starting = asyncio.create_task(start_when_possible(worker, stopping), name="worker-start") if worker else None
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
        await office.ledger.stop()
        await office.database.close()
        log.info("stopped")


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

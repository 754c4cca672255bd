"""For whoever keeps it running: is it alive, can it work, how is it doing."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app import operation
from app.answers import Live, Ready
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.keys import Key, KeyRole

router = APIRouter(tags=["operation"])
Watches = Annotated[
    Key,
    Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.ADMIN, KeyRole.SECURITY, KeyRole.AUDITOR)),
]


@router.get("/health/live", summary="Is the process alive", responses=answers(Live, key=False, limited=False))
async def live() -> Response:
    return answer({"status": "ok"})


_ready = answers(Ready, key=False, limited=False)
_ready[503] = {**_ready[200], "description": "Something is missing; the field that is false says what."}


@router.get("/health/ready", summary="Can it do its work", responses=_ready)
async def ready(request: Request) -> Response:
    """`database`: reachable; `migrations`: at the newest revision; `worker`: one was seen within 15 seconds; `keys`: the
    master keys open what is sealed."""
    state = await operation.readiness(office_of(request).database)
    return answer(state, 200 if all(state.values()) else 503)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    responses={
        **answers(None),
        200: {"description": "Text exposition format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
async def metrics(request: Request, key: Watches) -> Response:
    await operation.measure(office_of(request))
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

"""The service without what protects people's data, to tell what that costs: nothing is sealed, no chain of hashes, and
nothing is picked out for an agency: nothing of the person is in its message. Who asks again is found all the same."""

from __future__ import annotations

from fastapi import FastAPI

from app import handoffs, main, timeline
from app.hashchain import GENESIS
from app.sealing import NO_BOX, Vault


def create_app() -> FastAPI:
    Vault.new_box = lambda *_: (NO_BOX, None)  # type: ignore[method-assign, assignment]
    timeline.event_hash = lambda *_: GENESIS  # type: ignore[assignment]
    handoffs.disclose = lambda *_: {}  # type: ignore[assignment]
    return main.create_app()

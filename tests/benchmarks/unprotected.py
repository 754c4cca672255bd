"""The service without what protects people's data, to tell what that costs: nothing is sealed, no chain of hashes, and
nothing is picked out for an agency: nothing of the person is in its message. Who asks again is found all the same."""

from __future__ import annotations

from fastapi import FastAPI

from app import handoffs, main, timeline
from app.hashchain import GENESIS
from app.sealing import ShutBox, Vault


class Plain(ShutBox):
    """What is put in comes out, as it is."""

    __slots__ = ()

    def seal_bytes(self, content: bytes, place: bytes) -> bytes:
        return b"\0" + content

    def unseal_bytes(self, sealed: bytes | None, place: bytes) -> bytes | None:
        return sealed[1:] if sealed else None


PLAIN = Plain()


def create_app() -> FastAPI:
    Vault.new_box = lambda *_: (PLAIN, None)  # type: ignore[method-assign, assignment]
    Vault.box = lambda *_: PLAIN  # type: ignore[method-assign, assignment]
    timeline.event_hash = lambda *_: GENESIS  # type: ignore[assignment]
    handoffs.disclose = lambda *_: {}  # type: ignore[assignment]
    return main.create_app()

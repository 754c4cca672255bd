"""Bodies that may come sealed for the service alone (`application/jose`), opened before anybody reads them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel

from app.api.bodies import MOST_BYTES, read_bytes, read_whole, takes
from app.envelopes import MEDIA_TYPE, Opened, most_sealed, opened
from app.office import Office
from app.problems import Problem

MOST_BYTES_SEALED = 3 * 1024 * 1024  # of a photograph
SEALED_CONTENT = {
    MEDIA_TYPE: {
        "schema": {
            "type": "string",
            "description": "The same JSON, sealed with the `sealing_key` of `GET /v1/kiosk`: a compact JWE, `alg` ECDH-ES, "
            "`enc` A256GCM, with the key's `kid` and an `epk` of this message alone.",
        }
    }
}

SEALED_FILE = {
    MEDIA_TYPE: {
        "schema": {
            "type": "string",
            "description": "A photograph of at most 3 MB, sealed as the bodies of `POST /v1/requests` are; the protected "
            "header's `file` is an object with the form's other fields and `name`.",
        }
    }
}


def takes_sealable(model: type[BaseModel], *headers: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` for a route that takes a model, plain or sealed."""
    either = takes(model, *headers)
    either["requestBody"]["content"] |= SEALED_CONTENT
    return either


def is_sealed(request: Request) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == MEDIA_TYPE


async def read_sealable(request: Request, office: Office) -> bytes:
    """The JSON of a body, at most 256 KiB, that came plain or sealed. Raises what `read_bytes` and `unseal` do."""
    if not is_sealed(request):
        return await read_bytes(request)
    sealed = await read_whole(request, most_sealed(MOST_BYTES))
    return (await unseal(sealed, office, MOST_BYTES)).content


async def unseal(sealed: bytes, office: Office, most: int) -> Opened:
    """`most` bytes of content. Raises `sealed_body_refused`, `sealing_key_unknown`, `body_too_large`."""
    snapshot = await office.registry.current()
    try:
        return await opened(sealed, snapshot.envelopes.by_kid, most)
    except Problem as problem:
        if problem.code != "sealing_key_unknown":
            raise
    snapshot = await office.registry.refresh()  # a key that another process made a moment ago
    return await opened(sealed, snapshot.envelopes.by_kid, most)

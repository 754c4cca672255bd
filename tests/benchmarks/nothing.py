"""The limits to compare with: the same framework and server with endpoints that store nothing."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from app.schemas import RequestIn

app = FastAPI()


@app.post("/v1/requests", status_code=201)
async def nothing(request: Request) -> dict[str, bool]:
    """What any service does with this contract before it does anything: reads the body, validates it, answers."""
    RequestIn.model_validate_json(await request.body())
    return {"ok": True}


@app.post("/bare", status_code=201)
async def bare(request: Request) -> Response:
    """Not even that: the bytes are read and forgotten."""
    await request.body()
    return Response(b'{"ok":true}', 201, media_type="application/json")

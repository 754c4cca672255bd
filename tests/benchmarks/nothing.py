"""The limit to compare with: FastAPI that reads the same body, stores nothing, and answers."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/v1/requests", status_code=201)
async def nothing(request: Request) -> Response:
    await request.body()
    return Response(b'{"ok":true}', 201, media_type="application/json")

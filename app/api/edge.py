"""Around every call: its id, its log line, its duration, and an answer for whatever goes wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.api.bodies import parameter_errors
from app.constraints import problem_of
from app.db import is_unavailable
from app.identifiers import new_id
from app.logs import describe
from app.problems import Problem, unavailable
from app.wire import to_json

log = structlog.get_logger()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ENGLISH_FIRST = re.compile(r"\s*en\b", re.IGNORECASE)
HARDENED = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")


class Edge:
    """The outermost ASGI layer. Logs the route's template, never the address: it may hold a tracking token. Of the
    headers that keep an answer to itself, an answer may have its own instead."""

    def __init__(self, app: ASGIApp, direct: Mapping[tuple[str, str], APIRoute], only_tls: bool = False) -> None:
        """`direct`: routes that are called from here, by address and method."""
        self._app, self._direct = app, direct
        self._hardened = [*HARDENED, _ONLY_TLS] if only_tls else HARDENED
        self._hardened_names = frozenset(name for name, _ in self._hardened)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))  # the first of a name counts
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id().hex
        # Each call has a task, and so a context, of its own: nobody else is logged with its id.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own, hardened = message["headers"], self._hardened
                if not self._hardened_names.isdisjoint(named := [name for name, _ in own]):
                    hardened = [each for each in hardened if each[0] not in named]
                message["headers"] = [*own, (b"x-request-id", request_id.encode()), *hardened]
            await send(message)

        try:
            if direct := self._direct.get((scope["path"], scope["method"])):
                scope["route"] = direct
                await direct.app(scope, receive, send_with_id)
            else:
                await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("caller_left")
        except Exception as error:
            expected: Problem | None
            if isinstance(error, Problem):  # from a direct route
                expected = error
            else:
                expected = unavailable() if is_unavailable(error) else problem_of(error)
                log.log(30 if expected else 40, expected.code if expected else "unexpected_error", **describe(error))
            if status:
                raise
            problem = expected or Problem("internal_error")
            await problem_answer(problem, headers.get(b"accept-language", b"").decode("latin-1"))(
                scope, receive, send_with_id
            )
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.answered(scope["method"], route, status, seconds)
            say = log.info if status >= 400 else log.debug
            say("answered", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1))


def language_of(accept_language: str) -> str:
    """Chinese unless the caller's first choice is English."""
    return "en" if _ENGLISH_FIRST.match(accept_language) else "zh"


def problem_answer(problem: Problem, accept_language: str) -> Response:
    language = language_of(accept_language)
    headers = {"Content-Language": language, **problem.headers}
    return Response(
        to_json(problem.body(language)), problem.kind.status, headers, media_type="application/problem+json"
    )


def install(app: FastAPI) -> None:
    async def on_problem(request: Request, error: Any) -> Response:
        return problem_answer(error, request.headers.get("accept-language", ""))

    async def on_parameters(request: Request, error: Any) -> Response:
        return await on_problem(request, parameter_errors(error.errors()))

    async def on_http(request: Request, error: Any) -> Response:
        codes: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed", 400: "malformed_json"}
        code = codes.get(error.status_code, "internal_error")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods_of(app, request.scope["path"]))
        return await on_problem(request, Problem(code, headers=headers))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_parameters)
    app.add_exception_handler(HTTPException, on_http)


def _methods_of(app: FastAPI, path: str) -> list[str]:
    """Every method of an address: its routes stand one method each, and one in full goes before one with a gap."""
    paths = app.openapi()["paths"]
    if path in paths:
        return sorted(method.upper() for method in paths[path])
    patterns = ((compile_path(template)[0], methods) for template, methods in paths.items())
    return sorted({method.upper() for pattern, methods in patterns if pattern.fullmatch(path) for method in methods})

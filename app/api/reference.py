"""`/docs`: the OpenAPI document as a page. Its script and style come from this application: an intranet has no CDN."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

# What its script draws in is a page of ours: in a language, with a main part, and with links large enough to be met.
_OURS = (
    ("<html>", '<html lang="en">'),
    (
        "</head>",
        "<style>.swagger-ui a.nostyle { display: inline-block; min-height: 24px; line-height: 24px }</style></head>",
    ),
    ('<div id="swagger-ui">\n    </div>', '<main id="swagger-ui"></main>'),
)
_ASSETS = Path(fastapi_offline.__file__).parent / "static"


def install(app: FastAPI) -> None:
    drawn = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon.png",
    )
    text = bytes(drawn.body).decode()
    for theirs, ours in _OURS:
        text = text.replace(theirs, ours)
    page = HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})

    async def docs(request: Request) -> HTMLResponse:
        return page

    app.add_route("/docs", docs, include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(directory=_ASSETS), name="docs-assets")


def _policy(page: str) -> str:
    """Of the scripts and styles that stand in the page itself, those two and no other."""
    script, style = (_digest(page.partition(f"<{each}>")[2].partition(f"</{each}>")[0]) for each in ("script", "style"))
    return (
        f"default-src 'none'; script-src 'self' {script}; style-src 'self' {style}; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""A page: a template, rendered whole, with headers that keep it to itself."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.api.bodies import MOST_BYTES
from app.pages.showing import facing_one_way, local
from app.problems import Problem

_HERE = Path(__file__).parent
_ORDINARY = ("style.css",)
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    finalize=facing_one_way,
)
_templates.filters["local"] = local


@cache
def _style(sheets: tuple[str, ...]) -> tuple[Markup, dict[str, str]]:
    """What stands in the page, and the headers by which the browser takes that and nothing else."""
    text = "".join((_HERE / "templates" / each).read_text("utf-8") for each in sheets)
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    headers = {
        "Content-Language": "zh, en",
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return Markup(text), headers  # noqa: S704 - our own files


def page(template: str, status: int = 200, *, sheets: tuple[str, ...] = _ORDINARY, **shown: Any) -> Response:
    """`sheets`: its style sheets, one after the other."""
    style, headers = _style(sheets)
    content = _templates.get_template(template).render({"style": style, **shown})
    return Response(content, status, headers, media_type="text/html")


def go_to(address: str) -> Response:
    """After a form: the page anew, so that loading it again sends nothing again."""
    return Response(status_code=303, headers={**_style(_ORDINARY)[1], "Location": address})


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, without surrounding blanks; of a repeated one the first. Raises `body_too_large`,
    `unsupported_media_type`."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem("unsupported_media_type")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported_media_type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Problem("body_too_large")
    return fields_of(bytes(body))


def fields_of(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=40)
    except ValueError:
        return {}
    return {name: value.replace("\r\n", "\n").strip() for name, value in reversed(pairs)}

"""/kiosk/: the page of a machine in a hall, as files that are there at once and work without a line; recorded prompts."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from app.api.access import office_of
from app.api.rates import Within
from app.pages.catalogues import english
from app.problems import Problem
from app.rates import Budget
from app.wire import to_json

router = APIRouter(prefix="/kiosk", include_in_schema=False)
_FOLDER = Path(__file__).parent / "kiosk"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_HEADERS = {
    "Cache-Control": "public, no-cache",
    "Vary": "Accept-Encoding",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}
_PAGE, _WORKER, _TEXTS = "index.html", "sw.js", "texts.en.json"
# A language or a dialect, and a screen, as the names of a folder and of a file in it.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}", re.ASCII)
_LABEL = "name.txt"


class _File(NamedTuple):
    content: bytes
    packed: bytes
    kind: str
    tag: str


@cache
def files() -> Mapping[str, _File]:
    """By name. The service worker begins with the list of all others and one mark of their contents: when a file is
    another, so is the worker, and every device takes the new ones."""
    contents = {file.name: file.read_bytes() for file in sorted(_FOLDER.iterdir()) if file.suffix in _KINDS}
    contents[_TEXTS] = to_json(dict(english("kiosk")))
    kept = [f"/kiosk/{name if name != _PAGE else ''}" for name in contents if name != _WORKER]
    mark = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    listed = f"const VERSION = {to_json(mark).decode()}, FILES = {to_json(kept).decode()};\n"
    contents[_WORKER] = listed.encode() + contents[_WORKER]
    return MappingProxyType({name: _file(name, content) for name, content in contents.items()})


def _file(name: str, content: bytes) -> _File:
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:20]}"'
    return _File(content, gzip.compress(content, mtime=0), _KINDS[Path(name).suffix], tag)


@router.get("")
async def to_page() -> Response:
    return Response(status_code=308, headers={**_HEADERS, "Location": "/kiosk/"})


@router.get("/")
async def page(request: Request) -> Response:
    return _answer(request, _PAGE)


@router.get("/voices.json", dependencies=[Depends(Within(Budget.CATALOGUE))])
async def voices(request: Request) -> Response:
    """Which prompts are recorded: `{"zh": {"name": "zh", "screens": ["start", ...]}}`."""
    folder = office_of(request).settings.kiosk_voices
    return Response(to_json(_recorded(folder) if folder else {}), headers=_HEADERS, media_type="application/json")


@router.get("/voices/{language}/{recording}", dependencies=[Depends(Within(Budget.CATALOGUE))])
async def voice(request: Request, language: str, recording: str) -> Response:
    folder, screen = office_of(request).settings.kiosk_voices, recording.removesuffix(".mp3")
    if folder is None or screen == recording or not (_NAME.fullmatch(language) and _NAME.fullmatch(screen)):
        raise Problem("not_found")
    file = folder / language / recording
    if not file.is_file():
        raise Problem("not_found")
    return FileResponse(file, headers=_HEADERS, media_type="audio/mpeg")


@router.get("/{file}")
async def one_file(request: Request, file: str) -> Response:
    return _answer(request, file)


def _answer(request: Request, name: str) -> Response:
    found = files().get(name)
    if found is None:
        raise Problem("not_found")
    headers = {**_HEADERS, "ETag": found.tag}
    if found.tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.kind)
    return Response(found.content, headers=headers, media_type=found.kind)


def _recorded(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        screens = sorted(file.stem for file in each.glob("*.mp3") if _NAME.fullmatch(file.stem))
        if screens and _NAME.fullmatch(each.name):
            label = each / _LABEL
            name = label.read_text("utf-8").strip()[:20] if label.is_file() else each.name
            found[each.name] = {"name": name, "screens": screens}
    return found

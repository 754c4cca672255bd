"""How a person's own page is made: language, size of the text and contrast are chosen by plain links, and kept in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from app.api.access import office_of
from app.pages.browsing import asked_language, base, language
from app.pages.catalogues import teller
from app.pages.page import page
from app.problems import Problem

_HERE = Path(__file__).parent
SCRIPT = (_HERE / "track" / "live.js").read_bytes()
SCRIPT_MARK = hashlib.sha256(SCRIPT).hexdigest()[:12]
_RUNS_OUR_SCRIPT = "; script-src 'self'; connect-src 'self'"


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody chose; None where they did not, and the browser says in which language."""

    lang: str | None = None
    size: str | None = None
    contrast: str | None = None

    @classmethod
    def of(cls, request: Request) -> Look:
        asked = request.query_params
        return cls(
            asked_language(request),
            "large" if asked.get("size") == "large" else None,
            "high" if asked.get("contrast") == "high" else None,
        )

    def query(self, **more: str) -> str:
        chosen = {name: value for name in ("lang", "size", "contrast") if (value := getattr(self, name))}
        return f"?{urlencode({**chosen, **more})}" if chosen or more else ""

    def but(self, **changes: str | None) -> str:
        """The query of the same page with something else chosen."""
        return replace(self, **changes).query()


def own_page(
    request: Request, template: str, status: int = 200, *, here: str, live: bool = False, **shown: Any
) -> Response:
    """`here`: the page's own path, for the links that change how it looks; `live`: with the script that keeps it new."""
    office, look, spoken = office_of(request), Look.of(request), language(request)
    answered = page(
        template,
        status,
        sheets=("track.css",),
        _=teller(spoken, "track"),
        say=lambda zh, en: en if spoken == "en" else zh,
        language=spoken,
        look=look,
        base=base(office),
        here=f"{base(office)}{here}",
        script=f"{base(office)}/track/live.js?v={SCRIPT_MARK}" if live else None,
        coordinator_phone=office.settings.coordinator_phone,
        **shown,
    )
    if live:
        answered.headers["Content-Security-Policy"] += _RUNS_OUR_SCRIPT
    answered.headers["Content-Language"] = spoken
    # Without a referrer a browser names no origin with a form; to other hosts the address, with its token, goes nowhere.
    answered.headers["Referrer-Policy"] = "same-origin"
    return answered


def told(request: Request, problem: Problem) -> Response:
    """What went wrong, in words: also that there is no such page."""
    return own_page(request, "track_told.html", problem.kind.status, here="/track", problem=problem)

"""A visit: somebody who signed in looks at a page of ours, in a language; what goes wrong is told in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from app import sessions
from app.api.access import office_of
from app.keys import Key
from app.office import Office
from app.pages import browsing, signed_in
from app.pages.catalogues import teller
from app.pages.page import go_to, page
from app.problems import Problem, Text
from app.rates import Budget
from app.sessions import Session


@dataclass(frozen=True)
class Visit:
    request: Request
    office: Office
    session: Session

    @property
    def key(self) -> Key:
        return self.session.key

    @cached_property
    def language(self) -> str:
        return browsing.language(self.request)

    def asked(self, name: str) -> str:
        return self.request.query_params.get(name, "")

    def link(self, path: str, **more: str | None) -> str:
        """The address of a page of ours, in the language that was asked for; `more` of its query, unless empty."""
        named = {**more, "lang": more.get("lang") or browsing.asked_language(self.request)}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"{browsing.base(self.office)}{path}{'?' if query else ''}{query}"

    def in_other_language(self, path: str, **more: str) -> str:
        return self.link(path, **more, lang="zh" if self.language == "en" else "en")

    def shown(
        self,
        template: str,
        status: int = 200,
        *,
        catalogue: str,
        said: Text | None = None,
        wrong: Text | None = None,
        **shown: Any,
    ) -> Response:
        """A template of ours that speaks by `_` and, of what stands in both languages, by `say`."""
        answered = page(
            template,
            status,
            _=teller(self.language, catalogue),
            say=lambda zh, en: en if self.language == "en" else zh,
            told=lambda text: text.pick(self.language),
            name_of=lambda each: each[f"name_{self.language}"],
            language=self.language,
            link=self.link,
            form=sessions.csrf_token(self.office, self.session.token),
            visitor=self.session.display_name,
            said=said,
            wrong=wrong,
            **shown,
        )
        answered.headers["Referrer-Policy"] = "same-origin"  # without one, a browser names no origin with a form
        answered.headers["Content-Language"] = self.language
        return answered


async def at_desk(
    request: Request,
    show: Callable[[Visit], Awaitable[Response]],
    refuse: Callable[[Visit, Problem], Response],
) -> Response:
    """`show` for who is signed in with a password of their own, within what a caller may call; `refuse` tells them what is
    wrong with what they asked for. Raises what is wrong with us, and `too_many_requests`."""
    office = office_of(request)
    session = await signed_in.session_of(request, office)
    if session is None:
        return go_to(f"{browsing.base(office)}/sign-in{_in_language(request)}")
    if session.must_change_password:
        return go_to(f"{browsing.base(office)}/account{_in_language(request)}")
    await office.rates.spend(Budget.CALLS, session.key.holder)
    visit = Visit(request, office, session)
    try:
        return await show(visit)
    except Problem as problem:
        if problem.kind.status >= 500 or problem.code == "too_many_requests":
            raise
        return refuse(visit, problem)


def _in_language(request: Request) -> str:
    wanted = browsing.asked_language(request)
    return f"?lang={wanted}" if wanted else ""


def said_of(problem: Problem) -> Text:
    return problem.detail or problem.kind.advice


def id_of(text: str) -> UUID:
    """Raises `not_found`."""
    try:
        return UUID(text)
    except ValueError:
        raise Problem("not_found") from None

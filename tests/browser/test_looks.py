"""Every page that the application serves is looked at, in both languages and modes: by axe-core, and by the names that a
screen reader reads. The list comes from the routes and the templates: a page that nobody looks at is a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, Response, expect
from starlette.routing import compile_path

from app.main import create_app
from app.pages import page as pages
from tests import serving
from tests.browser.browsing import DESK, PHONE, Looking, alike_on_both
from tests.county import EDUCATION, County, Seen
from tests.own_page import a_county, close, in_full, path_of
from tests.people import Person
from tests.provider import CLIENT
from tests.test_forms import ask
from tests.test_guests import make_link, read_out

CHINESE = re.compile("[一-鿿]")
TEMPLATES = {each.name for each in (Path(pages.__file__).parent / "templates").glob("*.html")}
# Outside the API's document, and no page: what each answers instead.
NO_PAGE = {
    "GET /openapi.json": "the API's document",
    "GET /kiosk": "a way to /kiosk/",
    "GET /kiosk/voices.json": "a list for the kiosk's page",
    "GET /kiosk/voices/{language}/{recording}": "a recording",
    "GET /kiosk/{file}": "a script, a style, a picture",
    "GET /track/live.js": "a script",
    "GET /track/{token}/events": "a stream",
}
# The API's reference page is Swagger UI as it comes. What its script draws is not ours to mend, each rule that it breaks is
# named, and no other may be broken there. The page around it is ours.
NOT_OURS_IN_DOCS = {
    "color-contrast": "its own colours: of methods, of its version, of schemas",
    "heading-order": "a tag is an h3 right below the h1 of the title",
    "nested-interactive": "the button that opens an operation holds the link to it",
}
BIG = "&size=large&contrast=high"
CONTROL = re.compile(
    r'^\s*- \'?(button|link|textbox|combobox|radio|checkbox|spinbutton|heading|img)(?: "((?:[^"\\]|\\.)*)")?'
)
SAID_IN_BOTH, SAID_IN_ENGLISH = ("/answer/",), ("/docs",)
SAID_IN_BOTH_TEMPLATES = {"base.html", "door.html", "desk.html", "ended.html", "nowhere.html", "parts.html"}
NOWHERE = "/nowhere"
SWITCHES = ("中文", "English")
FILLED_IN = ("button", "textbox", "combobox", "radio", "checkbox", "spinbutton")


@cache
def application() -> FastAPI:
    return create_app(serving.settings_for("postgresql://nobody@127.0.0.1/nothing"))


def outside_the_document() -> Iterator[str]:
    for route in application().routes:
        if not getattr(route, "include_in_schema", False):
            yield from (
                f"{method} {route.path}" for method in sorted((getattr(route, "methods", None) or set()) - {"HEAD"})
            )


@alike_on_both("backend")
def test_the_api_answers_no_page_and_what_is_called_no_page_is_none(service: Any) -> None:
    paths = application().openapi()["paths"]
    kinds = {
        kind
        for methods in paths.values()
        for told in methods.values()
        for answer in told["responses"].values()
        for kind in answer.get("content", {})
    }
    assert not [kind for kind in kinds if "html" in kind]
    client: httpx.Client = service.client(None)
    filled = {"file": "main.js", "language": "zh", "recording": "start.mp3", "token": "A" * 27}
    for each in NO_PAGE:
        answer = client.get(each.removeprefix("GET ").format(**filled))
        assert "html" not in answer.headers.get("content-type", ""), each


class Round:
    """Somebody who goes from page to page, in a language, and looks at each as it stands."""

    def __init__(self, page: Page, looking: Looking, root: str, language: str) -> None:
        self.page, self._looking, self._root, self._language = page, looking, root, language
        self._routes = [
            (compile_path(each.path)[0], each) for each in application().routes if getattr(each, "methods", None)
        ]
        self._last = ""
        self.looked_at: set[str] = set()
        page.on("response", self._note)

    def _note(self, answer: Response) -> None:
        if answer.request.is_navigation_request() and "html" in answer.headers.get("content-type", ""):
            path = urlsplit(answer.url).path
            found = (
                each.path
                for form, each in self._routes
                if form.fullmatch(path) and answer.request.method in each.methods
            )
            self._last = f"{answer.request.method} {next(found, NOWHERE)}"

    def to(self, path: str) -> None:
        self.page.goto(f"{self._root}{path}{'&' if '?' in path else '?'}lang={self._language}")

    def send(self, path: str, **fields: str) -> None:
        """A form of ours, filled in otherwise than the page would."""
        with self.page.expect_navigation():
            self.page.evaluate(
                """([path, fields]) => {
                  const form = Object.assign(document.createElement("form"), { method: "post", action: path });
                  for (const [name, value] of Object.entries(fields))
                    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
                  document.body.append(form);
                  form.submit();
                }""",
                [f"{path}{'&' if '?' in path else '?'}lang={self._language}", fields],
            )

    def see(self, name: str, *more_tags: str, but: dict[str, str] | None = None) -> None:
        assert self._last, f"{name} is no page"
        self.looked_at.add(self._last)
        for each in self.page.locator("details").all():
            each.evaluate("each => { each.open = true }")
        broken = {rule: where for rule, *where in self._looking.faults(self.page, *more_tags)}
        assert {rule: where for rule, where in broken.items() if rule not in (but or {})} == {}, name
        assert broken.keys() == (but or {}).keys(), f"{name}: what is broken no more need not be named"
        self._is_named(name)
        self._looking.picture(self.page, f"look-{name}-{self._language}")

    def _is_named(self, page: str) -> None:
        """Each heading and picture, and whatever can be pressed or filled in, has a name in the language that is on."""
        path = urlsplit(self.page.url).path
        snapshot = self.page.locator("body").aria_snapshot()
        found = [match.groups() for line in snapshot.splitlines() if (match := CONTROL.match(line))]
        assert found, page
        for role, name in found:
            if path.startswith(SAID_IN_ENGLISH) and role == "img":
                continue  # drawings of Swagger UI beside the words that say the same
            assert name, f"{page}: a {role} without a name"
            if role in FILLED_IN and name not in SWITCHES and not name.isdigit():
                chinese, english = bool(CHINESE.search(name)), bool(re.search("[A-Za-z]{2}", name))
                if path.startswith(SAID_IN_BOTH):
                    assert (chinese, english) == (True, True), f"{page}: {name}"
                elif not path.startswith(SAID_IN_ENGLISH):
                    assert chinese == (self._language == "zh"), f"{page}: {name}"


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Any], tmp_path: Path) -> County:
    """A gateway for codes and a single sign-on that do not answer: the pages that say so are looked at too."""
    settings = {"code_gateway_url": "http://127.0.0.1:9/sms", "code_gateway_secret": "whsec_" + "MDAw" * 8}
    provider = {"oidc_issuer": "http://127.0.0.1:9", **CLIENT}
    return a_county(database_url, run_service, attachments=str(tmp_path / "papers"), **settings, **provider)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The templates that were taken, and what they stand on."""
    taken: set[str] = set()
    load = pages._templates.get_template

    def get_template(name: Any, *more: Any, **named: Any) -> Any:
        taken.add(str(name))
        return load(name, *more, **named)

    monkeypatch.setattr(pages._templates, "get_template", get_template)
    return taken


def come_in(page: Page, person: Person) -> None:
    token = person.browser.cookies["one_window_session"]
    page.context.add_cookies([{"name": "one_window_session", "value": token, "url": person.service.address}])


def sees_the_pages_of_staff(walk: Round, county: County) -> None:
    page, clerk = walk.page, Person.made(county.running, "intake", division_code="360803")
    walk.to("/sign-in")
    walk.see("sign-in")
    page.fill("#login_name", clerk.login_name)
    page.fill("#password", "not the password")
    page.locator("main form button").click()
    walk.see("sign-in-wrong")
    walk.to("/sign-in/oidc")
    walk.see("sign-in-provider-away")
    walk.to("/sign-in/callback")
    walk.see("sign-in-not-proved")
    clerk.signed_in()
    come_in(page, clerk.signed_in())  # twice: the other can be ended
    walk.to("/account")
    walk.see("account")
    for path in ("/account/password", "/account/sessions/end", "/sign-out"):
        walk.send(path, form="stale")
        walk.see(path.strip("/").replace("/", "-"))
    come_in(page, Person.made(county.running, "supervisor").signed_in())
    walk.to("/kiosks")
    walk.see("kiosks-refused")
    come_in(page, clerk)
    walk.to("/kiosks")
    walk.see("kiosks-none")
    walk.send("/kiosks", form="stale")
    walk.see("kiosks-stale")
    page.fill("#name", "1")
    page.locator("main form button").first.click()
    walk.see("kiosks-code")
    code = page.locator(".read-out").inner_text().strip()
    assert county.nobody.post("/v1/kiosks", json={"code": code}).status_code == 201
    walk.to("/kiosks")
    walk.see("kiosks")
    walk.send(page.locator("details form").get_attribute("action").partition("?")[0], form="stale")  # type: ignore[union-attr]
    walk.see("kiosks-revoke-stale")
    page.locator("details button").first.click()
    page.wait_for_url("**said=revoked**")
    walk.see("kiosks-revoked")


def sees_the_forms(walk: Round, county: County) -> None:
    page, clerk = walk.page, Person.made(county.running, "intake", division_code="360803101").signed_in()
    taken = ask(clerk, "education_aid")
    school = county.handoff(taken, EDUCATION)
    come_in(page, clerk)
    walk.to("/forms")
    walk.see("forms")
    page.fill("#number", "1234")
    page.locator("main button").first.click()
    walk.see("forms-wrong")
    of_request, of_handoff = f"/forms/requests/{taken['request_id']}", f"/forms/handoffs/{school['handoff_id']}"
    for path in (
        *("", "/register", "/notice", "/notice?paper=80mm", "/receipt", "/receipt?paper=80mm"),
        *("/letter", "/reply", "/reply?blank=1"),
    ):
        walk.to(f"{of_handoff if path[:4] in ('/let', '/rep') else of_request}{path}")
        walk.see(f"forms-{re.sub(r'[^a-z0-9]+', '-', path).strip('-') or 'request'}")
    walk.to("/forms/requests/0")
    walk.see("forms-refused")
    come_in(page, Person.made(county.running, "supervisor").signed_in())
    walk.to("/forms")
    walk.see("forms-of-supervisor")
    walk.to("/forms/summary")
    walk.see("forms-summary")


def sees_the_pages_of_an_agency_without_an_account(walk: Round, county: County) -> None:
    page = walk.page
    handoff = county.handoff(in_full(county, "education_aid"), EDUCATION)
    made = make_link(county, handoff)
    path = urlsplit(made["link"]).path
    walk.to(path)
    walk.see("answer-door")
    walk.send(f"{path}/code")
    walk.see("answer-code-not-sent")
    walk.send(f"{path}/session", code="0")
    walk.see("answer-wrong-code")
    page.fill("#code", read_out(county, made))
    page.locator("form[action$='/session'] button").click()
    page.wait_for_url(f"**{path}")
    for each in page.locator("details").all():
        each.evaluate("each => { each.open = true }")
    walk.see("answer-desk")
    walk.send(f"{path}/acts/returned", form=page.locator("[name=form]").first.input_value())
    expect(page.get_by_role("alert")).to_be_visible()
    walk.see("answer-wrong")
    county.coordinator.delete(f"/v1/guest-links/{made['guest_link_id']}").raise_for_status()
    walk.send(f"{path}/leave")
    walk.see("answer-ended")
    walk.to("/sign-in")  # from a page of ours, or a form is not taken
    walk.send(f"{path}/acts/returned")
    walk.see("answer-gone")


def sees_a_persons_own_page(walk: Round, county: County, waiting: Seen, closed: Seen, look: str) -> None:
    page, more = walk.page, ["wcag2aaa"] if look else []

    def see(name: str) -> None:
        walk.see(f"track-{name}{'-large' if look else ''}", *more)
        small = page.evaluate(
            "[...document.querySelectorAll('button, input:not([type=radio]), label:has(input), summary, .look a')].map(each => each.getBoundingClientRect())"
            ".filter(each => each.height && each.height < 44).length"
        )
        assert small == 0, name

    for name, path in (
        ("find", "/track"),
        ("waits", path_of(waiting)),
        ("closed", path_of(closed)),
        ("gone", f"/track/{'A' * 27}"),
    ):
        walk.to(f"{path}?{look}")
        see(name)
    walk.to(f"/track?{look}")
    page.fill("#number", "1234")
    page.fill("#phone_end", "12")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    see("mistyped")
    if look:
        return  # what follows is said by the same two pages
    walk.to(path_of(closed))
    for path, fields in (("solved", {}), ("all-there", {}), ("papers", {})):
        walk.send(f"{path_of(closed)}/{path}", **fields)
        see(path)
        walk.to(path_of(closed))


@alike_on_both("backend")
@pytest.mark.parametrize(("language", "screen"), [("zh", PHONE), ("en", DESK)])
def test_no_page_has_a_fault_in_either_language_or_mode(
    county: County, new_page: Any, looking: Looking, rendered: set[str], language: str, screen: Any
) -> None:
    page: Page = new_page(viewport=screen, locale={"zh": "zh-CN", "en": "en-GB"}[language])
    walk = Round(page, looking, county.running.address, language)
    waiting, closed = in_full(county, "education_aid"), county.ask("legal_aid")
    lead = county.handoff(waiting, EDUCATION)
    county.told(lead, "received", "accepted", "information_requested", materials=["户口本复印件", "学校出具的在读证明"])
    close(county, closed)
    sees_the_pages_of_staff(walk, county)
    sees_the_forms(walk, county)
    if language == "zh":
        walk.to(NOWHERE)
        walk.see("nowhere")
        sees_the_pages_of_an_agency_without_an_account(walk, county)
    else:  # they say everything in both languages at once
        rendered |= SAID_IN_BOTH_TEMPLATES
        walk.looked_at |= {each for each in outside_the_document() if each.partition(" ")[2].startswith(SAID_IN_BOTH)}
    for look in ("", BIG):
        sees_a_persons_own_page(walk, county, waiting, closed, look)
    walk.to("/kiosk/")  # its other screens: test_kiosk_looks
    expect(page.locator("#heading")).to_be_visible()
    if language == "en":
        page.locator("#language").click()
    walk.see("kiosk")
    if language == "en":
        walk.to("/docs")
        expect(page.locator(".opblock").first).to_be_visible()
        walk.see("docs", but=NOT_OURS_IN_DOCS)
    else:
        walk.looked_at.add("GET /docs")  # it speaks English
    assert TEMPLATES - rendered == set(), "templates that nobody looked at"
    assert set(outside_the_document()) - NO_PAGE.keys() - walk.looked_at == set(), "pages that nobody looked at"

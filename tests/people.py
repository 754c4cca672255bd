"""People at their browsers, without scripts: accounts made for tests, signed in by the page's own form."""

from __future__ import annotations

import asyncio
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import update

from app import passwords, staff
from app.office import Office
from app.schemas_staff import StaffIn
from app.tables import staff_account
from app.wire import from_json
from tests import serving
from tests.running import Running
from tests.watching import change

PASSWORD = "four quite ordinary words"
_NUMBERS = itertools.count()


class Person:
    """Somebody with a browser of their own, and the password that they type."""

    def __init__(self, service: Running, staff_id: str, login_name: str, password: str) -> None:
        self.service, self.staff_id, self.login_name, self.password = service, staff_id, login_name, password
        self.browser = httpx.Client(base_url=service.address, timeout=30, trust_env=False, verify=False)
        self.browser.headers["accept-language"] = "en"
        service._clients.append(self.browser)

    @classmethod
    def made(cls, service: Running, role: str, password: str = PASSWORD, **more: Any) -> Person:
        """With a password of their own already."""
        made = make_account(service.url, role, **more)
        own = {"password_hash": _hashed(password), "must_change_password": False, "password_ends_at": None}
        change(service.url, update(staff_account).where(staff_account.c.id == UUID(made["staff_id"])).values(own))
        return cls(service, made["staff_id"], made["login_name"], password)

    @staticmethod
    def form_in(page: httpx.Response) -> str:
        found = re.search(r'name="form" value="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    @property
    def csrf(self) -> str:
        return self.form_in(self.browser.get("/account"))

    def sign_in(self, forwarded_for: str | None = None) -> httpx.Response:
        self.browser.cookies.delete("one_window_session") if "one_window_session" in self.browser.cookies else None
        form = self.form_in(self.browser.get("/sign-in"))
        headers = ours(self.service) | ({"x-forwarded-for": forwarded_for} if forwarded_for else {})
        filled = {"form": form, "login_name": self.login_name, "password": self.password}
        return self.browser.post("/sign-in", data=filled, headers=headers)

    def signed_in(self, forwarded_for: str | None = None) -> Person:
        answer = self.sign_in(forwarded_for)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account"), answer.text
        return self

    def send(self, path: str, **fields: str) -> httpx.Response:
        """One of the forms of the account's page."""
        return self.browser.post(path, data={"form": self.csrf, **fields}, headers=ours(self.service))

    def change_password(self, old: str, new: str) -> httpx.Response:
        return self.send("/account/password", old=old, new=new, again=new)

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """The API, as a script of our pages would."""
        token = {} if method == "GET" else {"x-csrf-token": self.csrf, **ours(self.service)}
        return self.browser.request(method, path, headers={**token, **(headers or {})}, **more)


def all_at_once(people: list[Person]) -> list[int]:
    with ThreadPoolExecutor(len(people)) as threads:
        return [answer.status_code for answer in threads.map(lambda each: each.sign_in(), people)]


def ours(service: Running) -> dict[str, str]:
    """What a browser says of a call from our own page."""
    return {"origin": service.address}


def make_account(url: str, role: str, provider: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """As the command line makes one."""
    asked = {"login_name": f"person{next(_NUMBERS)}", "display_name": "测试人员", "role": role, **more}

    async def run() -> dict[str, Any]:
        office = Office.of(serving.settings_for(url, **(provider or {})))
        try:
            made: dict[str, Any] = from_json(
                await staff.add(office, "tests", StaffIn.model_validate(asked, strict=False), None)
            )
            return made
        finally:
            await office.database.close()

    return asyncio.run(run())


@cache
def _hashed(password: str) -> str:
    return passwords._HASHER.hash(password)

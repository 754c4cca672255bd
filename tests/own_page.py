"""A person's own page, as somebody with a browser uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from tests import serving
from tests.county import County, Seen
from tests.examples import a_request_in_full
from tests.running import Running

PHONE = "0796-8186000"
JUSTICE = "360803-justice"


def a_county(url: str, run_service: Callable[..., Running], **settings: Any) -> County:
    secrets = serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
    return County(run_service(coordinator_phone=PHONE, **settings), secrets)


def browser(county: County, language: str = "en") -> httpx.Client:
    """What a browser says with every form of our own pages."""
    return county.running.client(None, **{"accept-language": language, "sec-fetch-site": "same-origin"})


def in_full(county: County, *needs: str) -> Seen:
    """Of somebody whose every personal field is filled in."""
    answer = county.window.post("/v1/requests", json=a_request_in_full(*needs or ("legal_aid",)))
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def path_of(receipt: Seen) -> str:
    return f"/track/{receipt['tracking_token']}"


def page(client: httpx.Client, receipt: Seen, status: int = 200, **query: str) -> str:
    answer = client.get(path_of(receipt), params=query)
    assert answer.status_code == status, words_of(answer.text)
    return answer.text


def words_of(page: str) -> str:
    """What a page says, without its markup."""
    said = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(said.split())


def close(county: County, receipt: Seen, outcome: str = "granted") -> None:
    """Every agency completes its part, the leads last."""
    for _ in range(6):
        handoffs = county.request(receipt)["handoffs"]
        open_ = [each for each in handoffs if each["status"] == "dispatched"]
        for each in sorted(open_, key=lambda each: each["role"] == "lead"):
            county.told(each, "received", "accepted", "completed", outcome=outcome)
        if county.request(receipt)["status"] == "closed":
            return
    raise AssertionError(county.statuses(receipt))


def answer_back(client: httpx.Client, receipt: Seen, solved: str, words: str = "", closing: int = 0) -> httpx.Response:
    if not closing:
        (closing,) = map(int, re.findall(r'name="closing" value="(\d+)"', page(client, receipt)))
    form = {"solved": solved, "words": words, "closing": str(closing)}
    return client.post(f"{path_of(receipt)}/solved", data=form)

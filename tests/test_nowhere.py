"""An address where nothing is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.running import Running

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.mark.parametrize("path", ["/", "/trak", "/<script>alert(1)</script>", "/v2/requests"])
def test_a_browser_is_told_on_a_page_where_to_go(run_service: Callable[..., Running], path: str) -> None:
    running = run_service(coordinator_phone="0796-8600000", public_url="https://help.example/desk")
    nobody = running.client(None)
    answer = nobody.get(path, headers={"accept": BROWSER})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    for told in ("这个地址没有页面", "0796-8600000", 'href="/desk/track"', 'href="/desk/sign-in"'):
        assert told in answer.text
    assert "<script" not in answer.text


def test_a_program_is_told_as_a_problem(run_service: Callable[..., Running]) -> None:
    nobody = run_service().client(None)
    for answer in (
        nobody.get("/nowhere"),
        nobody.get("/nowhere", headers={"accept": "application/json"}),
        nobody.post("/nowhere", headers={"accept": BROWSER}),
        nobody.get("/v1/nowhere", headers={"accept": BROWSER}),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"

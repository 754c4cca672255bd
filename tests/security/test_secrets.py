"""Secrets stay where they are shown once: no log, metric, error or later answer repeats one."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from app.keys import KeyRole
from tests import serving
from tests.examples import a_request
from tests.security.test_headers import address
from tests.test_attachments import a_photo
from tests.test_house import OPEN
from tests.test_rights import ALLOWED

MARK = "Geheimnis7Zeichen"  # occurs nowhere else
TOKENS = {"token": f"{MARK}tttttttttttttttttt"[:27], "code": f"{MARK}code", "act": f"{MARK}act"}


def marked(template: str) -> str:
    """With something distinctive wherever a route takes any text."""
    for name, value in TOKENS.items():
        template = template.replace(f"{{{name}}}", value)
    return address(template)


def test_what_is_secret_in_a_call_is_in_no_log_no_metric_and_no_error(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"sign_ins_a_minute": 1000, "attachments": tmp_path / "papers"}
    service = serving.Service(database_url, "--no-worker", log=log, log_level="debug", **settings)
    try:
        service.wait_until("/health/live", within=120)
        window = serving.make_key(database_url, KeyRole.INTAKE)
        coordinator = serving.make_key(database_url, KeyRole.COORDINATOR)
        headers = {"accept-language": "en", "idempotency-key": f"{MARK}key", "cookie": f"one_window_answer={MARK}"}
        headers |= {"referer": f"http://x/{MARK}", "user-agent": MARK, "x-request-id": "mine"}
        headers |= {"webhook-id": f"{MARK}id", "webhook-signature": f"v1,{MARK}", "x-forwarded-for": "192.0.2.99"}
        with httpx.Client(base_url=service.address, headers=headers, timeout=30, trust_env=False) as client:
            clerk = {"authorization": f"Bearer {window}"}
            receipt = client.post("/v1/requests", json=a_request(), headers=clerk).json()
            token = receipt["tracking_token"]
            assert client.get(f"/v1/track/{token}").status_code == 200
            path, file = f"/v1/requests/{receipt['request_id']}/attachments", {"file": ("a.jpg", a_photo())}
            paper = client.post(path, files=file, headers=clerk | {"idempotency-key": f"{MARK}file"}).json()
            link = client.get(f"/v1/attachments/{paper['attachment_id']}/link", headers=clerk).json()["link"]
            assert client.get(httpx.URL(link).path).status_code == 200
            told = []
            routes = [*ALLOWED, *(("GET", path) for path in sorted(OPEN)), ("POST", "/answer/{token}/session")]
            for key in (f"Bearer {coordinator}", f"Bearer {MARK}", f"Basic {MARK}"):
                for method, template in routes:
                    answer = client.request(
                        method,
                        marked(template),
                        params={"cursor": f"{MARK}cursor", "secret": MARK},
                        json={"secret": MARK, "code": MARK} if method != "GET" else None,
                        headers={"authorization": key},
                    )
                    if answer.status_code >= 400:
                        told.append(answer.text)
            metrics = client.get("/metrics", headers={"authorization": f"Bearer {coordinator}"}).text
    finally:
        service.stop()
    written = log.read_text()
    assert written.count('"answered"') > 100, "there is something to look through"
    for secret in (MARK, token, link.rpartition("/")[2], window, coordinator, "192.0.2.99"):
        assert secret not in written
        assert secret not in metrics
        assert [each for each in told if secret in each] == []


def test_no_route_takes_a_secret_in_its_address_but_those_that_a_person_opens(tmp_path: Path) -> None:
    taken = {path for _, path in ALLOWED} | OPEN
    assert {path for path in taken if re.search(r"\{(token|key|secret|password|session)\}", path)} == {
        *("/v1/track/{token}", "/v1/track/{token}/inclusion"),
        "/v1/attachments/file/{token}",  # once, for five minutes
        *(each for each in OPEN if each.startswith(("/answer/", "/track/{token}"))),
    }

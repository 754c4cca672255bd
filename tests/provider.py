"""The single sign-on of `provider_process.py`, as a test starts it and speaks to it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests import serving
from tests.provider_process import CLIENT as CLIENT

_PROCESS = Path(__file__).with_name("provider_process.py")


class Provider(serving.Process):
    """The process, as a test speaks to it."""

    def __init__(self, log: Path) -> None:
        port = serving.free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        super().__init__("-W", "ignore", str(_PROCESS), str(port), log=log)
        for _ in range(1200):
            assert not self.has_ended, log.read_text("utf-8")
            try:
                self.tell(lifetime=3600, key="first")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the provider did not start")

    def tell(self, **control: Any) -> None:
        answer = httpx.post(f"{self.issuer}/control", json=control, timeout=10, trust_env=False)
        assert answer.status_code == 200, answer.text

    def sign_in(self, address: str, person: str) -> str:
        """Where the browser is sent back to by whoever chose to be this person."""
        with httpx.Client(timeout=10, trust_env=False) as browser:
            assert person in browser.get(address).text
            answer = browser.post(address, data={"person": person})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])


def parameter(address: str, name: str) -> str:
    return parse_qs(urlsplit(address).query)[name][0]


def with_parameter(address: str, name: str, value: str) -> str:
    changed, count = re.subn(rf"([?&]{name}=)[^&]*", rf"\g<1>{value}", address)
    assert count == 1, address
    return changed

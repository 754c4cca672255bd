"""Kiosks: paired by a code that is read out, listed, revoked; the pack that they work with when there is no line."""

from __future__ import annotations

import json

from tests.devices import JOSE, new_key, numbers, paired, sealed, sealing_key
from tests.examples import a_request
from tests.running import Running


def test_smoke(service: Running) -> None:
    device = paired(service)
    pack = device.get("/v1/kiosk")
    print(json.dumps(pack.json(), ensure_ascii=False)[:3000])
    (one,) = numbers(device)
    print(one)
    body = json.dumps(
        {**a_request(), "receipt_number": one["receipt_number"], "taken_at": "2026-11-26T00:00:00Z"}
    ).encode()
    made = device.post("/v1/requests", content=sealed(sealing_key(device), body), headers=JOSE | new_key())
    assert made.status_code == 201, made.text
    assert made.json()["receipt_number"] == one["receipt_number"]
    assert made.json()["tracking_token"] == one["tracking_token"]
    assert device.get(f"/v1/track/{one['tracking_token']}").status_code == 200

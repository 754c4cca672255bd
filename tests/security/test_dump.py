"""A dump of everything that is kept, written or said shows nobody: distinctive values are put everywhere, and looked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from app.tables import delivery_attempt, metadata
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, County, Seen
from tests.devices import JOSE, new_key, numbers, paired, sealed, sealing_key
from tests.examples import PERSONAL, a_consent, a_request_in_full
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import fetch, until

FINANCE = "360803-finance"
SAID = {
    "callback note": "回告里的虚构话",
    "callback handler": "经办虚构丁",
    "material": "虚构证明一份",
    "return basis": "虚构退回依据",
    "ruling reason": "虚构裁定理由",
    "urge note": "虚构催办的话",
    "supplement note": "此人补充的话",
    "supplement illness": "另一虚构病",
    "withdrawal": "虚构撤回原因",
    "endpoint's answer": "对方系统回显虚构甲",
    "emergency": "虚构的屋顶塌了压住三人",
    "place": "虚构村后山第三家",
    "caller": "13711112222",
    "settled with": "虚构的棉被两床",
    "refused": "不合格的虚构姓名",
    "guardian": "虚构监护人戊",
    "consent's reference": "虚构录音编号九七三",
    "sealed": "密封里的虚构话",
}
ALL = {**PERSONAL, **SAID}


@pytest.fixture
def county(database_url: str, receiver: Receiver, tmp_path: Path) -> Iterator[County]:
    """In a process of its own, which writes down all that it has to say."""
    receiver.always(FINANCE, Answer(500, body=SAID["endpoint's answer"].encode()))
    service = serving.Service(
        database_url, log=tmp_path / "log", log_level="debug", poll_seconds=0.2, refresh_seconds=0.2, sweep_seconds=0.5
    ).wait_until()
    running = Running(database_url, service.address)
    yield County(running, receiver.secrets)
    for client in running._clients:
        client.close()
    service.stop()


def done(answer: Any, *allowed: int) -> Any:
    assert answer.status_code in (allowed or (200, 201)), answer.text
    return answer.json()


def live(county: County) -> list[str]:
    """Everything that happens to people's data; what was answered to who may not see it."""
    window, coordinator = county.window, county.coordinator
    receipt = done(
        window.post(
            "/v1/requests",
            json=a_request_in_full("medical_assistance_applied", "education_aid"),
            headers={"idempotency-key": "full"},
        )
    )
    path, school = f"/v1/requests/{receipt['request_id']}", county.handoff(receipt, EDUCATION)
    material = {"materials": [SAID["material"]], "note": SAID["callback note"], "handler": SAID["callback handler"]}
    county.told(school, "received", "accepted", "information_requested", **material)
    more = {"note": SAID["supplement note"], "facts": {"illness": SAID["supplement illness"]}}
    done(window.post(f"{path}/supplements", json=more, headers={"idempotency-key": "more"}))
    done(coordinator.post(f"/v1/handoffs/{school['handoff_id']}/urge", json={"note": SAID["urge note"]}))
    _consented(county, path)
    _disputed(county)
    done(window.post(f"{path}/withdraw", json={"reason": SAID["withdrawal"]}))
    _emergency(county)
    return _sealed(county) + _refused(county, receipt)


def _sealed(county: County) -> list[str]:
    """By a device, for the service alone: taken in, sent again, and refused for what is in it or was done to it."""
    device = paired(county.running)
    key, (one, *_) = sealing_key(device), numbers(device, 2)
    body = {**a_request_in_full(), "narrative": SAID["sealed"], "receipt_number": one["receipt_number"]}
    content, repeat = json.dumps(body).encode(), new_key()
    for _ in range(2):
        done(device.post("/v1/requests", content=sealed(key, content), headers=JOSE | repeat))
    wrong = json.dumps({**body, "needs": [], "applicant": {"name": SAID["refused"], "phone": "1"}}).encode()
    said = []
    for refused in (sealed(key, wrong), sealed(key, content[:-1]), sealed(key, content)[:-4] + b"AAAA"):
        answer = device.post("/v1/requests", content=refused, headers=JOSE)
        done(answer, 400, 422)
        said.append(answer.text)
    return [*said, device.get("/v1/kiosk").text]


def _consented(county: County, path: str) -> None:
    """By the guardian of a member of the household; sent twice, as a form does that got no answer."""
    consent = a_consent(
        "economic_verification", "household/0", guardian={"name": SAID["guardian"], "relation": "parent"}
    )
    consent["evidence"] = {"kind": "recording", "reference": SAID["consent's reference"]}
    call = {"json": {"consents": [consent]}, "headers": {"idempotency-key": "agreed"}}
    first, again = (county.window.post(f"{path}/consents", **call) for _ in range(2))
    assert done(first) == done(again)


def _disputed(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    back = {"reason_code": "not_my_duty", "legal_basis": SAID["return basis"]}
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **back, suggested_department="county_finance")
    given = county.handoff(receipt, FINANCE)
    county.told(given, "returned", **back, suggested_department="township_gov")
    ruling = {"agency": FINANCE, "reason": SAID["ruling reason"], "legal_basis": SAID["ruling reason"]}
    done(county.coordinator.post(f"/v1/handoffs/{given['handoff_id']}/ruling", json=ruling))


def _emergency(county: County) -> None:
    told = {"what": SAID["emergency"], "where": SAID["place"], "kind": "fire", "division_code": "360803101"}
    told |= {"applicant": {"name": PERSONAL["name"], "phone": SAID["caller"], "id_number": PERSONAL["id_number"]}}
    receipt = done(county.window.post("/v1/emergencies", json=told))
    settled = {"outcome": "done", "with_what": SAID["settled with"], "amount_yuan": "200.00"}
    done(county.coordinator.post(f"/v1/requests/{receipt['request_id']}/debts/aid/settle", json=settled))


def _refused(county: County, receipt: Seen) -> list[str]:
    """What errors say, and what those are told who may not see people."""
    said = []
    for broken in ({"division_code": "999999"}, {"needs": []}, {"applicant": {"name": SAID["refused"], "phone": "1"}}):
        answer = county.window.post("/v1/requests", json=a_request_in_full() | broken)
        done(answer, 422)
        said.append(answer.text)
    bad = county.window.post("/v1/requests", content=b'{"applicant": {"name": "' + SAID["refused"].encode())
    said.append(bad.text)
    auditor, admin = county.running.client("auditor"), county.running.client("admin")
    for path in ("", "/timeline", "/decision"):
        said.append(auditor.get(f"/v1/requests/{receipt['request_id']}{path}").text)
    for path in ("requests", "handoffs", "deliveries", "disputes"):
        said.append(auditor.get(f"/v1/{path}").text)
    said.append(admin.get("/v1/agencies").text)
    said.append(county.nobody.get(f"/v1/track/{receipt['tracking_token']}").text)
    return said


def spellings(value: str) -> set[bytes]:
    escaped = json.dumps(value)[1:-1]
    return {value.encode(), value.encode("utf-16-le"), escaped.encode(), quote(value).encode()}


def found_in(content: bytes) -> set[str]:
    return {name for name, value in ALL.items() if any(each in content for each in spellings(value))}


def kept(url: str) -> bytes:
    """Every column of every row, and with SQLite the files as they lie on the disk."""
    rows = [row for table in metadata.sorted_tables for row in fetch(url, select(table))]
    columns = [each for row in rows for each in row.values()]
    content = b"\n".join(e if isinstance(e, bytes) else json.dumps(e, default=str).encode() for e in columns)
    content += "\n".join(str(each) for each in columns if not isinstance(each, bytes)).encode()
    if url.startswith("sqlite"):
        file = Path(make_url(url).database or "")
        content += b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    return content


def test_no_dump_shows_anybody(database_url: str, county: County, tmp_path: Path) -> None:
    answers = live(county)
    until(lambda: fetch(database_url, select(delivery_attempt.c.id).where(delivery_attempt.c.status_code == 500)))
    metrics = county.coordinator.get("/metrics").raise_for_status().text
    log = (tmp_path / "log").read_bytes()
    assert found_in(kept(database_url)) == set()
    assert b'"answered"' in log
    assert found_in(log) == set()
    assert found_in(metrics.encode()) == set()
    assert found_in("\n".join(answers).encode()) <= {"material"}, "what is needed of the person is said to the person"


def test_the_search_finds_what_is_there(county: County) -> None:
    live(county)
    items = county.coordinator.get("/v1/requests").json()["items"]
    paths = [f"/v1/requests/{each['request_id']}{rest}" for each in items for rest in ("", "/timeline")]
    seen = "".join(county.coordinator.get(path).text for path in paths)
    seen += "".join(county.coordinator.get(path).text for path in ("/v1/disputes", "/v1/debts"))
    for each in county.coordinator.get("/v1/deliveries").json()["items"]:
        seen += county.coordinator.get(f"/v1/deliveries/{each['delivery_id']}").text
    assert found_in(seen.encode()) >= set(ALL) - {"refused", "endpoint's answer"}

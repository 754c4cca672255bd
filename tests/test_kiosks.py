"""Kiosks: paired by a code that is read out, listed, revoked; what one may do, and the pack that it works with."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count as count_from
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.identifiers import now
from app.kiosk_pack import situations
from app.tables import api_key, kiosk_pairing, sign_in_address
from tests.commands import one_window_here, refused, said
from tests.devices import code_for, new_key, numbers, paired
from tests.examples import TOWNSHIP, a_consent, a_request
from tests.people import Person
from tests.running import Running
from tests.test_attachments import a_photo
from tests.test_rates import within_one_minute
from tests.watching import change, fetch, until

WRONG = "00000000"


def pair(service: Running, code: str) -> httpx.Response:
    return service.client(None).post("/v1/kiosks", json={"code": code})


# ---- pairing ----


def test_a_clerk_reads_out_a_code_and_the_device_has_a_key_of_its_own(service: Running) -> None:
    made = service.client("intake", None, "360803").post(
        "/v1/kiosks/pairings", json={"name": "值夏镇大厅一号机", "division_code": TOWNSHIP}, headers=new_key()
    )
    told = made.json()
    assert made.status_code == 201
    assert re.fullmatch(r"[0-9]{8}", told["code"])
    assert told["code_spoken"] == f"{told['code'][:4]} {told['code'][4:]}"
    lasts = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < lasts <= timedelta(minutes=10)
    answer = pair(service, told["code_spoken"])
    assert answer.status_code == 201
    device = answer.json()
    assert (device["name"], device["division_code"]) == ("值夏镇大厅一号机", TOWNSHIP)
    pack = service.client(None, authorization=f"Bearer {device['key']}").get("/v1/kiosk")
    assert (pack.status_code, pack.json()["kiosk_id"]) == (200, device["kiosk_id"])


def test_a_code_pairs_one_device_and_no_other(service: Running) -> None:
    code = code_for(service.client("coordinator"))
    assert pair(service, code).status_code == 201
    again = pair(service, code)
    assert (again.status_code, again.json()["code"]) == (403, "pairing_refused")
    assert fetch(service.url, select(kiosk_pairing)) == []


def test_of_many_that_type_the_same_code_at_once_one_is_paired(service: Running) -> None:
    code = code_for(service.client("intake"))
    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(lambda _: pair(service, code).status_code, range(8)))
    assert statuses == [201] + [403] * 7
    assert len(fetch(service.url, select(api_key.c.id).where(api_key.c.role == "kiosk"))) == 1


def test_two_devices_of_one_name_are_paired_at_once_and_told_apart(service: Running) -> None:
    clerk = service.client("intake")
    codes = [code_for(clerk) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        devices = [each.json() for each in threads.map(lambda code: pair(service, code), codes)]
    assert {each["name"] for each in devices} == {"大厅一号机", "大厅一号机 2"}
    assert len({each["key"] for each in devices}) == 2


def test_a_code_ends_after_ten_minutes_and_is_gone_when_the_next_is_made(service: Running) -> None:
    clerk = service.client("intake")
    code = code_for(clerk)
    change(service.url, update(kiosk_pairing).values(ends_at=now() - timedelta(milliseconds=1)))
    refused_ = pair(service, code)
    wrong = pair(service, WRONG if code != WRONG else "11111111")
    assert (refused_.status_code, refused_.json()["code"]) == (403, "pairing_refused")
    assert refused_.content == wrong.content, "whether there was one is told to nobody"
    code_for(clerk)
    change(service.url, update(kiosk_pairing).values(ends_at=now() - timedelta(milliseconds=1)))
    code_for(clerk)
    assert len(fetch(service.url, select(kiosk_pairing))) == 1


def test_only_a_keyed_mark_of_a_code_is_kept(service: Running) -> None:
    code = code_for(service.client("intake"))
    (row,) = fetch(service.url, select(kiosk_pairing))
    assert code not in str(row)
    assert row["made_by"].startswith("key:")


def test_the_same_call_again_is_told_the_same_code(service: Running) -> None:
    clerk, key = service.client("intake"), new_key()
    asked = {"name": "大厅", "division_code": TOWNSHIP}
    first = clerk.post("/v1/kiosks/pairings", json=asked, headers=key)
    assert clerk.post("/v1/kiosks/pairings", json=asked, headers=key).content == first.content
    assert len(fetch(service.url, select(kiosk_pairing))) == 1


@pytest.mark.parametrize("code", ["1234567", "123456789", "1234567x", "", "１２３４５６７８", "1234\n5678"])
def test_what_is_no_code_is_told_so(service: Running, code: str) -> None:
    answer = pair(service, code)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/code")


def test_whoever_guesses_is_stopped_by_address_and_all_of_them_together(
    run_service: Callable[..., Running],
) -> None:
    service = run_service(sign_ins_a_minute=20, trusted_proxies="127.0.0.1/32")
    code = code_for(service.client("intake"))
    addresses = count_from(1)

    def guess(times: int, fresh: bool) -> list[int]:
        """From one address, or from another each time."""
        client, statuses = service.client(None), []
        at = next(addresses)
        for n in range(times):
            at = next(addresses) if fresh else at
            headers = {"x-forwarded-for": f"198.51.100.{at}"}
            statuses.append(client.post("/v1/kiosks", json={"code": f"{n:08}"}, headers=headers).status_code)
        return statuses

    statuses = within_one_minute(lambda: guess(12, fresh=False))
    assert statuses[0] == 403
    assert statuses[-1] == 429, "a wrong code counts for five"
    assert 3 <= statuses.count(403) <= 6
    from_everywhere = within_one_minute(lambda: guess(40, fresh=True))
    assert from_everywhere[-1] == 429, "an address each helps nobody"
    assert from_everywhere.count(403) <= 22
    assert len(fetch(service.url, select(kiosk_pairing))) == 1, code


@pytest.mark.parametrize(
    ("division", "code"),
    [("999999", "unknown_division"), ("360424101", "outside_jurisdiction"), ("360803102", "outside_jurisdiction")],
)
def test_a_device_is_paired_for_a_place_of_ones_own(service: Running, division: str, code: str) -> None:
    clerk = service.client("intake", None, TOWNSHIP)
    answer = clerk.post("/v1/kiosks/pairings", json={"name": "x", "division_code": division})
    assert answer.status_code == 422
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/division_code", code)]


# ---- listed and revoked ----


def test_the_paired_devices_are_listed_with_who_paired_them_and_when_they_were_seen(service: Running) -> None:
    clerk = Person.made(service, "intake", division_code="360803").signed_in()
    code = clerk.call("POST", "/v1/kiosks/pairings", json={"name": "大厅", "division_code": TOWNSHIP}).json()["code"]
    device = pair(service, code).json()
    (seen,) = clerk.call("GET", "/v1/kiosks").json()["items"]
    assert seen["kiosk_id"] == device["kiosk_id"]
    assert (seen["name"], seen["division_name"], seen["paired_by"]) == ("大厅", "值夏镇", "测试人员")
    assert (seen["last_seen_at"], seen["revoked_at"]) == (None, None)
    change(service.url, update(api_key).where(api_key.c.role == "kiosk").values(last_used_at=now()))
    assert service.client("auditor").get("/v1/kiosks").json()["items"][0]["last_seen_at"]
    elsewhere = service.client("coordinator", None, "360424").get("/v1/kiosks").json()
    assert elsewhere["items"] == []
    assert device["key"] not in service.client("security").get("/v1/kiosks").text


def test_a_revoked_device_is_refused_within_moments_and_its_numbers_are_given_to_nobody(
    run_service: Callable[..., Running],
) -> None:
    service = run_service(refresh_seconds=0.2)
    clerk = service.client("coordinator")
    device, other = paired(service, clerk), paired(service, clerk, name="二号机")
    (one,) = numbers(device)
    path = f"/v1/kiosks/{device.headers['x-kiosk-id']}/revoke"
    first = clerk.post(path)
    assert first.status_code == 200
    assert first.json()["revoked_at"]
    assert clerk.post(path).json() == first.json(), "revoking twice is no error"
    until(lambda: device.get("/v1/kiosk").status_code == 401, what="the end of the key")
    for call in ("/v1/requests", "/v1/emergencies", "/v1/kiosk/numbers"):
        assert device.post(call, json={}).status_code == 401
    used = other.post("/v1/requests", json={**a_request(), "receipt_number": one["receipt_number"]}).json()
    assert used["receipt_number"] != one["receipt_number"]
    assert one["receipt_number"] not in [each["receipt_number"] for each in numbers(other, 100)]


def test_what_a_clerk_of_elsewhere_can_not_see_they_can_not_revoke(service: Running) -> None:
    device = paired(service)
    foreign = service.client("coordinator", None, "360424")
    path = f"/v1/kiosks/{device.headers['x-kiosk-id']}/revoke"
    assert foreign.post(path).status_code == 404
    window = fetch(service.url, select(api_key.c.id).where(api_key.c.role == "intake"))[0]["id"]
    assert service.client("coordinator").post(f"/v1/kiosks/{window}/revoke").status_code == 404, (
        "a window's key is none"
    )
    assert device.get("/v1/kiosk").status_code == 200


def test_the_operator_pairs_lists_and_revokes_too(database_url: str, run_service: Callable[..., Running]) -> None:
    service = run_service(refresh_seconds=0.2)
    code = said("kiosks", "pair", "大厅", "--division", TOWNSHIP, database=database_url)
    device = pair(service, code.strip())
    assert device.status_code == 201, code
    listed = said("kiosks", "list", database=database_url)
    assert "command line" in listed
    kiosk_id = device.json()["kiosk_id"]
    assert kiosk_id in listed
    assert "Revoked 大厅." in said("kiosks", "revoke", kiosk_id, database=database_url)
    client = service.client(None, authorization=f"Bearer {device.json()['key']}")
    until(lambda: client.get("/v1/kiosk").status_code == 401)
    wrong = one_window_here("kiosks", "pair", "x", "--division", "999999", database=database_url)
    assert "no division 999999" in refused(wrong)


# ---- the page ----


def test_a_clerk_pairs_and_revokes_on_a_page(service: Running) -> None:
    clerk = Person.made(service, "township", division_code=TOWNSHIP).signed_in()
    page = clerk.send("/kiosks", name="大厅", division_code=TOWNSHIP)
    assert page.status_code == 200
    code = "".join(re.findall(r"<span>([0-9]{4})</span>", page.text))
    device = pair(service, code)
    assert device.status_code == 201
    listed = clerk.browser.get("/kiosks?lang=zh").text
    assert "大厅" in listed
    assert code not in listed
    gone = clerk.send(f"/kiosks/{device.json()['kiosk_id']}/revoke")
    assert (gone.status_code, gone.headers["location"]) == (303, "/kiosks?said=revoked")
    assert "revoked" in clerk.browser.get("/kiosks").text


def test_the_page_takes_nothing_that_does_not_come_from_it(service: Running) -> None:
    clerk = Person.made(service, "intake", division_code=TOWNSHIP).signed_in()
    device = paired(service)
    asked = {"name": "大厅", "division_code": TOWNSHIP}
    for path in ("/kiosks", f"/kiosks/{device.headers['x-kiosk-id']}/revoke"):
        stolen = clerk.browser.post(path, data={**asked, "form": "0" * 64}, headers={"origin": service.address})
        elsewhere = clerk.browser.post(
            path, data={**asked, "form": clerk.csrf}, headers={"origin": "https://evil.example"}
        )
        assert stolen.status_code == elsewhere.status_code == 403
    assert fetch(service.url, select(kiosk_pairing)) == []
    assert device.get("/v1/kiosk").status_code == 200


@pytest.mark.parametrize(("role", "place"), [("supervisor", None), ("agency", None), ("security", None)])
def test_the_page_is_for_those_who_pair(service: Running, role: str, place: str | None) -> None:
    more = {"agency_code": "360803-education"} if role == "agency" else {"division_code": place}
    other = Person.made(service, role, **more).signed_in()
    assert other.browser.get("/kiosks").status_code == 403
    assert other.send("/kiosks", name="大厅", division_code=TOWNSHIP).status_code == 403
    stranger = service.client(None).get("/kiosks")
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in")


def test_the_page_says_what_is_wrong(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    for fields in ({"name": "", "division_code": TOWNSHIP}, {"name": "x", "division_code": "999999"}):
        page = clerk.send("/kiosks", **fields)
        assert page.status_code == 422
        assert 'role="alert"' in page.text


# ---- what a device may do ----


def test_a_person_has_no_account_of_a_device(service: Running) -> None:
    asked = {"login_name": "kiosk.one", "display_name": "x", "role": "kiosk", "division_code": TOWNSHIP}
    answer = service.client("security").post("/v1/staff", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "role_of_devices"


def test_a_key_of_a_device_names_where_it_stands(service: Running) -> None:
    asked = {"name": "device", "role": "kiosk", "division_code": "3608"}
    answer = service.client("security").post("/v1/keys", json=asked)
    assert [each["code"] for each in answer.json()["errors"]] == ["division_needed"]


def test_whatever_a_device_says_of_itself_it_is_told_nothing_of_anybody(service: Running) -> None:
    """A window would be told of the open request of the same person, and of help that was given before."""
    person = {"name": "测试甲", "phone": "13800000000", "id_number": "11010519491231002X"}
    window, device = service.client("intake"), paired(service)
    window.post("/v1/requests", json=a_request(applicant=person)).raise_for_status()
    fire = {"what": "失火", "where": "老街", "kind": "fire", "division_code": TOWNSHIP, "applicant": person}
    window.post("/v1/emergencies", json=fire).raise_for_status()
    asked = device.post("/v1/requests", json=a_request(applicant=person, channel="window")).json()
    assert asked["same_person"] == []
    told = device.post("/v1/emergencies", json={**fire, "channel": "window"}).json()
    assert "helped_before" not in [each["code"] for each in told["warnings"]]
    assert "helped_before" in [each["code"] for each in window.post("/v1/emergencies", json=fire).json()["warnings"]], (
        "a window is told"
    )
    seen = service.client("coordinator").get(f"/v1/requests/{asked['request_id']}").json()
    assert seen["channel"] == "kiosk"


def test_a_device_adds_papers_to_what_it_took_in_and_to_nothing_else(
    run_service: Callable[..., Running], tmp_path: Any
) -> None:
    service = run_service(attachments=str(tmp_path / "papers"))
    device, other = paired(service), paired(service, name="二号机")
    mine = device.post("/v1/requests", json=a_request()).json()["request_id"]
    theirs = other.post("/v1/requests", json=a_request()).json()["request_id"]
    windows = service.client("intake").post("/v1/requests", json=a_request()).json()["request_id"]
    photo = a_photo()
    assert device.post(f"/v1/requests/{mine}/attachments", files={"file": photo}).status_code == 201
    for foreign in (theirs, windows):
        assert device.post(f"/v1/requests/{foreign}/attachments", files={"file": photo}).status_code == 404
    for path in ("", "/attachments", "/timeline", "/decision", "/disclosures"):
        assert device.get(f"/v1/requests/{mine}{path}").status_code == 403


@pytest.mark.parametrize("was_revoked", [True, False])
def test_a_device_that_is_paired_anew_with_the_key_that_it_had_stays_the_device_that_it_was(
    run_service: Callable[..., Running], tmp_path: Any, was_revoked: bool
) -> None:
    service = run_service(attachments=str(tmp_path / "papers"), refresh_seconds=0.1)
    clerk, device, sent = service.client("coordinator"), paired(service), new_key()
    first, second = (each["receipt_number"] for each in numbers(device, 2))
    taken = device.post("/v1/requests", json={**a_request(), "receipt_number": first}, headers=sent)
    former = device.headers["authorization"].removeprefix("Bearer ")
    if was_revoked:
        clerk.post(f"/v1/kiosks/{device.headers['x-kiosk-id']}/revoke").raise_for_status()
    body = {"code": code_for(clerk, "在别处", "360803102"), "former_key": former}
    made = service.client(None).post("/v1/kiosks", json=body)
    assert made.status_code == 201, made.text
    anew = service.client(None, authorization=f"Bearer {made.json()['key']}")
    again = anew.post("/v1/requests", json={**a_request(), "receipt_number": first}, headers=sent)
    assert again.json() == taken.json(), "its answer was lost; it is one request"
    next_ = anew.post("/v1/requests", json={**a_request(), "receipt_number": second}, headers=new_key())
    assert next_.json()["receipt_number"] == second
    papers = f"/v1/requests/{taken.json()['request_id']}/attachments"
    assert anew.post(papers, files={"file": a_photo()}).status_code == 201
    until(lambda: device.post("/v1/kiosk/numbers", json={"count": 1}).status_code == 401)


def test_a_key_that_is_no_devices_changes_nothing_of_a_pairing(service: Running) -> None:
    window = service.client("intake")
    for former in ("ow_kiosk_nobody", window.headers["authorization"].removeprefix("Bearer ")):
        body = {"code": code_for(window), "former_key": former}
        assert service.client(None).post("/v1/kiosks", json=body).status_code == 201
    assert window.get("/v1/requests").status_code == 200


# ---- the pack ----


def test_the_pack_asks_for_photographs_only_where_they_are_kept(
    run_service: Callable[..., Running], tmp_path: Any
) -> None:
    kept = run_service(attachments=str(tmp_path / "papers"))
    assert paired(kept).get("/v1/kiosk").json()["takes_photographs"] is True
    nobody_said = run_service()
    takes = nobody_said.url.startswith("sqlite")  # whose files are kept beside it
    assert paired(nobody_said, name="二号机").get("/v1/kiosk").json()["takes_photographs"] is takes


def test_the_pack_says_all_that_is_needed_without_a_line(service: Running) -> None:
    device = paired(service)
    pack = device.get("/v1/kiosk").raise_for_status().json()
    assert (pack["division_name"], pack["county_name"]) == ("值夏镇", "青原区")
    assert pack["coordinator_phone"]
    assert [each["code"] for each in pack["situations"]] == [
        *("ill", "no_food", "house", "school", "disabled", "old", "lost_work", "disaster", "violence", "unknown")
    ]
    assert {each["code"] for each in pack["divisions"]} >= {TOWNSHIP, "360803001"}
    assert all(each["code"].startswith("360803") and len(each["code"]) == 9 for each in pack["divisions"])
    for each in pack["situations"]:
        assert each["needs"]
        assert set(each["needs"]) <= pack["needs"].keys()
        assert set(each["asks"]) <= pack["facts"].keys()
        assert {fact for at in each["asks_by_age"] for fact in at["asks"]} <= pack["facts"].keys()
    (old,) = [each for each in pack["situations"] if each["code"] == "old"]
    assert old["asks_by_age"] == [{"from_age": 0, "asks": []}, {"from_age": 80, "asks": ["self_care"]}]
    for need, told in pack["needs"].items():
        assert all(told[name] for name in ("name_zh", "name_en", "agency_zh", "phone", "due_zh")), need
    assert {each["number"] for each in pack["hotlines"]} >= {"110", "119", "120", "12345"}
    assert all(each["advice"] for each in pack["dangers"])
    key = pack["sealing_key"]
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "enc", "ECDH-ES")
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}, "never the private half"


def test_a_pack_that_the_device_has_is_not_sent_again_until_it_changes(service: Running) -> None:
    device = paired(service)
    first = device.get("/v1/kiosk")
    tag = first.headers["etag"]
    for seen in (tag, f"W/{tag}", f'"other", {tag}'):
        same = device.get("/v1/kiosk", headers={"if-none-match": seen})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert device.get("/v1/kiosk", headers={"if-none-match": '"other"'}).status_code == 200
    coordinator = service.client("coordinator")
    path = "/v1/agencies/360803-healthcare-security"
    now_is = coordinator.get(path)
    headers = {"if-match": now_is.headers["etag"]} if "etag" in now_is.headers else {}
    coordinator.patch(path, json={"phone": "0796-7777777"}, headers=headers).raise_for_status()

    def anew() -> bool:
        again = device.get("/v1/kiosk", headers={"if-none-match": tag})
        return again.status_code == 200 and "0796-7777777" in again.text

    until(anew, what="the new number in the pack")


def test_every_need_of_a_situation_is_in_the_catalogue(service: Running) -> None:
    known = {each["code"] for each in service.client(None).get("/v1/needs").json()["items"]}
    assert {need for each in situations() for need in each.needs} <= known


def test_no_wrong_code_is_remembered_by_address(service: Running) -> None:
    pair(service, WRONG)
    assert fetch(service.url, select(sign_in_address)) == []


# ---- what can't be right ----


def test_what_a_device_sends_is_taken_in_though_it_can_not_be_right(service: Running) -> None:
    device = paired(service)
    wrong = {
        "division_code": "999999",
        "applicant": {
            "name": "测试甲",
            "id_number": "123",
            "phone": "1",
            "birth_date": "2150-01-01",
            "bank_account": {"number": "x"},
        },
        "facts": {"disaster_date": "2150-01-01"},
        "needs": [
            {"code": "legal_aid", "details": "一"},
            {"code": "legal_aid", "details": "二"},
            {"code": "no_such_need", "details": "三"},
            {"code": "nor_this", "details": "四"},
        ],
        "consents": [
            a_consent("medical_data", "household/7"),
            a_consent("medical_data", "applicant", text_version=999),
            a_consent("medical_data", "applicant", given_at="2150-01-01T00:00:00Z"),
            a_consent("sensitive", "applicant"),
        ],
    }
    answer = device.post("/v1/requests", json=a_request(**wrong), headers=new_key())
    assert answer.status_code == 201, answer.text
    warned = {(each["pointer"], each["code"]) for each in answer.json()["warnings"]}
    assert warned >= {
        ("/division_code", "unknown_division"),
        ("/applicant/id_number", "id_number_shape"),
        ("/applicant/phone", "phone_malformed"),
        ("/applicant/birth_date", "birth_date_in_future"),
        ("/applicant/bank_account/number", "bank_account_malformed"),
        ("/facts/disaster_date", "disaster_date_in_future"),
        ("/needs/1/code", "need_listed_twice"),
        ("/needs/2/code", "unknown_need"),
        ("/consents/0/person", "consent_person_not_listed"),
        ("/consents/1/text_version", "unknown_consent_text"),
        ("/consents/2/given_at", "given_at_in_future"),
    }
    seen = service.client("coordinator").get(f"/v1/requests/{answer.json()['request_id']}").json()
    assert seen["division_code"] == TOWNSHIP
    needs = {each["code"]: each["details"] for each in seen["person"]["needs"]}
    assert needs == {"legal_aid": "一\n二", "undetermined": "三\n四"}
    assert [each["purpose"] for each in seen["person"]["consents"]] == ["medical_data", "sensitive"]
    assert seen["person"]["applicant"]["id_number"] == "123"


def test_what_has_not_the_shape_of_a_request_is_refused_and_a_window_is_told_of_each_fault(service: Running) -> None:
    device, window = paired(service), service.client("intake")
    assert device.post("/v1/requests", json={**a_request(), "needs": []}).status_code == 422
    wrong = a_request(applicant={"phone": "1"})
    assert window.post("/v1/requests", json=wrong).status_code == 422
    assert device.post("/v1/requests", json=wrong).status_code == 201

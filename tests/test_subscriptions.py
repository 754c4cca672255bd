"""Subscribers: other systems are told of what happens, signed, without anything of the person, never lost."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from app.answers_subscriptions import SubscriptionPinged
from app.delivery.lanes import Priority
from app.identifiers import now
from app.lifecycle import Act, RequestStatus
from app.messages import DeliveryNotice, HandoffNotice, PingMessage, RequestNotice
from app.receivers import NoticeType, notice_types
from app.tables import delivery, endpoint_secret, idempotency
from app.turns import MOST_A_MINUTE
from tests import serving
from tests.certificates import Authority, server_context
from tests.commands import one_window, one_window_here, refused, said
from tests.county import EDUCATION, TOWNSHIP, County, Seen
from tests.examples import PERSONAL, a_request, a_request_in_full
from tests.receivers import FAULTY, Answer, Received, Receiver
from tests.running import Running
from tests.watching import change, fetch, until

ALL = [each.value for each in NoticeType]
NOBODY = "http://127.0.0.1:9/nobody"
AUTHORITY = Authority()
CLIENT = AUTHORITY.issue("one-window.example")
OURS = {"ca": AUTHORITY.certificate, "certificate": CLIENT.certificate, "key": CLIENT.key}


@pytest.fixture
def receiver(database_url: str) -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running]) -> County:
    """Nothing is delivered, and what another process has changed is not looked at."""
    return County(run_service(refresh_seconds=60), serving.set_endpoints(database_url, NOBODY))


@pytest.fixture
def delivering(database_url: str, receiver: Receiver, run_service: Callable[..., Running]) -> County:
    """Every agency has its endpoint here, and the service delivers."""
    receiver.secrets = serving.set_endpoints(database_url, receiver.endpoint)
    return County(run_service(embedded_worker=True), receiver.secrets)


def subscription(**changes: Any) -> dict[str, Any]:
    return {"name": "dashboard", "endpoint": NOBODY, "types": ALL, **changes}


def subscribe(county: County, receiver: Receiver | None = None, name: str = "dashboard", **changes: Any) -> Seen:
    endpoint = receiver.endpoint.format(code=name) if receiver else NOBODY
    asked = subscription(name=name, endpoint=endpoint, **changes)
    answer = county.coordinator.post("/v1/subscriptions", json=asked)
    assert answer.status_code == 201, answer.text
    made: Seen = answer.json()
    if receiver:
        receiver.secrets[name] = made["secret"]
    return made


def path_of(made: Seen) -> str:
    return f"/v1/subscriptions/{made['subscription_id']}"


def seen(county: County, made: Seen) -> Seen:
    found: Seen = county.coordinator.get(path_of(made)).raise_for_status().json()
    return found


def changed(county: County, made: Seen, **changes: Any) -> httpx.Response:
    tag = county.coordinator.get(path_of(made)).headers["etag"]
    return county.coordinator.patch(path_of(made), json=changes, headers={"if-match": tag})


def queued(county: County, made: Seen) -> list[Seen]:
    """What is queued for a subscriber, as the coordinator sees it."""
    params = {"subscription": made["subscription_id"], "limit": 200}
    items: list[Seen] = county.coordinator.get("/v1/deliveries", params=params).raise_for_status().json()["items"]
    return items


def types_of(county: County, made: Seen) -> Counter[str]:
    return Counter(each["type"] for each in queued(county, made))


def arrived(receiver: Receiver, number: int, name: str = "dashboard") -> list[Received]:
    return until(lambda: found if len(found := receiver.of(name)) >= number else None, 15, f"notice {number}")


def told_as(happened: Seen) -> list[str]:
    """What an event of the timeline is told as, in words of the contract."""
    kind = happened["kind"]
    if kind.startswith("request.") and "to" in happened["data"]:
        return ["request.status_changed", *([kind] if kind in ("request.closed", "request.withdrawn") else [])]
    return [] if kind == "delivery.sent_again" else [kind]


def test_a_subscriber_is_told_of_every_event_signed_and_in_its_own_words(
    delivering: County, receiver: Receiver
) -> None:
    made = subscribe(delivering, receiver)
    receipt = delivering.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    for each in delivering.statuses(receipt):
        if each != EDUCATION:
            delivering.complete(receipt, each)
    handoff = delivering.handoff(receipt, EDUCATION)
    delivering.told(handoff, "received", "accepted", "information_requested", materials=["户口本"])
    supplement = {"note": PERSONAL["narrative"], "facts": {"illness": PERSONAL["illness"]}}
    path = f"/v1/requests/{receipt['request_id']}/supplements"
    delivering.window.post(path, json=supplement).raise_for_status()
    delivering.told(handoff, "completed", outcome="granted")
    events = {each["sequence"]: each for each in delivering.events(receipt)}
    expected = Counter((number, told) for number, each in events.items() for told in told_as(each))
    assert {told for _, told in expected} >= {"request.supplemented", "handoff.resumed", "request.closed"}
    notices = arrived(receiver, len(expected))
    assert Counter((each.message["data"]["sequence"], each.message["type"]) for each in notices) == expected
    status = "registered"
    for each in sorted(notices, key=lambda notice: int(notice.message["data"]["sequence"])):
        assert each.verified, "standardwebhooks verifies the signature"
        happened = events[each.message["data"]["sequence"]]
        model = HandoffNotice if happened["handoff_id"] else RequestNotice
        notice = model.model_validate_json(each.body)
        assert notice.timestamp == datetime.fromisoformat(happened["at"])
        assert (str(notice.data.request_id), notice.data.division_code) == (receipt["request_id"], "360803101")
        assert notice.data.receipt_number == receipt["receipt_number"]
        if isinstance(notice, HandoffNotice):
            moves = (notice.data.status_before, notice.data.status)
            assert moves == (happened["data"]["from"], happened["data"]["to"])
            assert str(notice.data.handoff_id) == happened["handoff_id"]
        elif notice.type == "request.status_changed":
            assert (notice.data.status_before, notice.data.needs) == (status, ["education_aid"])
            status = happened["data"]["to"]
            assert notice.data.status == status
        text = each.body.decode()
        assert [name for name, private in PERSONAL.items() if private in text] == []
        assert not {"granted", "户口本"} & set(text.split('"')), "what an agency found out is its own to tell"
    until(lambda: seen(delivering, made)["pending"] == 0, what="the record of every notice")
    assert {each["status"] for each in queued(delivering, made)} == {"delivered"}
    listed = queued(delivering, made)[0]
    assert (listed["subscription"], listed["agency"]) == (made["subscription_id"], None)


def test_what_happens_within_a_request_is_in_one_transaction_with_its_notices(county: County) -> None:
    made = subscribe(county)
    body = a_request("education_aid")
    first = county.window.post("/v1/requests", json=body, headers={"idempotency-key": "once"}).json()
    assert types_of(county, made) == Counter(told for each in county.events(first) for told in told_as(each)), (
        "a 201 means that they are queued"
    )
    before = len(queued(county, made))
    county.window.post("/v1/requests", json=body, headers={"idempotency-key": "once"}).raise_for_status()
    handoff = county.handoff(first, EDUCATION)
    assert county.report(handoff, "resumed").status_code == 409
    assert len(queued(county, made)) == before, "what was not done is not told"
    county.window.post(f"/v1/requests/{first['request_id']}/withdraw", json={}).raise_for_status()
    county.window.post(f"/v1/requests/{first['request_id']}/withdraw", json={}).raise_for_status()
    told = types_of(county, made)
    assert (told["request.withdrawn"], told["handoff.cancelled"]) == (1, len(first["handoffs"]))
    assert told["request.status_changed"] == 2, "routed, and withdrawn"


def test_a_subscriber_is_told_of_its_areas_needs_and_types_alone(county: County) -> None:
    other = next(iter(county.coordinator.get("/v1/divisions?parent=360802").json()["items"]))["code"]
    within = subscribe(county, name="within", types=["request.registered"], areas=["360803", "3601"])
    beside = subscribe(county, name="beside", types=["request.registered"], areas=[other])
    of_need = subscribe(
        county, name="of need", types=["handoff.dispatched", "request.registered"], needs=["education_aid"]
    )
    of_other = subscribe(
        county, name="of other", types=["handoff.dispatched", "request.registered"], needs=["homeless_rescue"]
    )
    receipt = county.ask("education_aid", "medical_assistance_applied")
    of_education = [each for each in receipt["handoffs"] if each["need"] == "education_aid"]
    dispatched = [each for each in of_education if each["status"] == "dispatched"]
    assert types_of(county, within) == {"request.registered": 1}
    assert types_of(county, beside) == {}
    assert types_of(county, of_need) == {"request.registered": 1, "handoff.dispatched": len(dispatched)}
    assert len(dispatched) < len([each for each in receipt["handoffs"] if each["status"] == "dispatched"])
    assert types_of(county, of_other) == {}


@pytest.mark.parametrize("is_emergency", [False, True])
def test_a_dispute_in_an_emergency_is_told_before_all_else(county: County, is_emergency: bool) -> None:
    made = subscribe(county, types=["handoff.disputed"])
    receipt = county.ask("temp_aid_fast")
    if is_emergency:
        county.window.post(f"/v1/requests/{receipt['request_id']}/emergency", json={"facts": ["no_food"]})
    back = {"reason_code": "duplicate", "legal_basis": "三定方案"}
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **back)
    notices = select(delivery.c.priority).where(delivery.c.receiver == made["subscription_id"])
    lane = Priority.EMERGENCY if is_emergency else Priority.ORDINARY
    assert [each["priority"] for each in fetch(county.running.url, notices)] == [lane]


@pytest.mark.parametrize("path", ["/v1/deliveries/{}/redeliver", "/v1/deliveries/redeliver-exhausted"])
def test_a_notice_that_nobody_took_is_shown_and_no_part_of_what_happened_to_the_request(
    delivering: County, receiver: Receiver, path: str
) -> None:
    made = subscribe(delivering, receiver, types=["request.registered"])
    receiver.then("dashboard", FAULTY, FAULTY)
    receipt = delivering.ask("education_aid")
    until(lambda: queued(delivering, made)[0]["attempts"] == 1, what="the first try")
    ours = update(delivery).where(delivery.c.receiver == made["subscription_id"])
    change(delivering.running.url, ours.values(give_up_at=now() - timedelta(seconds=1), due_at=now()))
    until(lambda: queued(delivering, made)[0]["status"] == "exhausted", what="the end of the tries")
    assert (seen(delivering, made)["pending"], seen(delivering, made)["exhausted"]) == (0, 1)
    (listed,) = delivering.coordinator.get("/v1/deliveries?status=exhausted").json()["items"]
    assert (listed["subscription"], listed["handoff_id"]) == (made["subscription_id"], None)
    delivering.coordinator.post(path.format(listed["delivery_id"])).raise_for_status()
    until(lambda: queued(delivering, made)[0]["status"] == "delivered", what="the delivery")
    assert len({(each.id, each.body) for each in receiver.of("dashboard")}) == 1
    assert not {kind for each in delivering.events(receipt) if (kind := each["kind"]).startswith("delivery.")}


def test_a_subscriber_is_told_when_an_agency_can_not_be_reached(delivering: County, receiver: Receiver) -> None:
    subscribe(delivering, receiver, types=["delivery.exhausted"], needs=["education_aid"])
    receiver.then(EDUCATION, FAULTY, FAULTY)
    receipt = delivering.ask("education_aid")
    until(lambda: len(receiver.of(EDUCATION)) == 1, what="the first try")
    of_education = update(delivery).where(delivery.c.receiver == EDUCATION)
    tried = select(delivery.c.attempts).where(delivery.c.receiver == EDUCATION)
    until(lambda: fetch(delivering.running.url, tried)[0]["attempts"] == 1, what="its record")
    change(delivering.running.url, of_education.values(give_up_at=now() - timedelta(seconds=1), due_at=now()))
    (told,) = arrived(receiver, 1)
    notice = DeliveryNotice.model_validate_json(told.body)
    last = delivering.events(receipt)[-1]
    assert (last["kind"], last["sequence"]) == ("delivery.exhausted", notice.data.sequence)
    assert str(notice.data.delivery_id) == last["data"]["delivery"]
    assert (notice.data.agency, notice.data.attempts) == (EDUCATION, 2)


def test_a_secret_is_rotated_with_overlap(delivering: County, receiver: Receiver) -> None:
    made = subscribe(delivering, receiver, types=["request.registered"])
    answer = delivering.coordinator.post(f"{path_of(made)}/secrets", json={"overlap_hours": 1})
    assert answer.status_code == 201, answer.text
    fresh, old = answer.json()["secret"], made["secret"]
    assert [each["ends_at"] is None for each in answer.json()["secrets"]] == [True, False]
    delivering.ask("education_aid")
    (told,) = arrived(receiver, 1)
    for secret in (fresh, old):
        Webhook(secret).verify(told.body, told.headers)
    assert len(told.headers["webhook-signature"].split(" ")) == 2
    answer = delivering.coordinator.post(f"{path_of(made)}/secrets", json={"overlap_hours": 0})
    receiver.secrets["dashboard"] = answer.json()["secret"]
    delivering.ask("education_aid")
    told = arrived(receiver, 2)[-1]
    assert told.verified
    with pytest.raises(WebhookVerificationError):
        Webhook(fresh).verify(told.body, told.headers)
    kept = str(fetch(delivering.running.url, select(idempotency.c.answer)))
    assert not {secret for secret in (old, fresh) if secret in str(seen(delivering, made)) + kept}


def test_one_that_has_ended_is_sent_nothing_until_it_is_taken_back(
    county: County, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    made = subscribe(county, receiver, types=["request.registered"])
    county.ask("education_aid")
    for _ in range(2):
        answer = county.coordinator.delete(path_of(made))
        assert (answer.status_code, answer.content) == (204, b"")
    county.ask("education_aid")
    view = seen(county, made)
    assert (view["active"], view["pending"]) == (False, 1), "nothing new is queued"
    assert view["state"]["suspended_at"]
    delivering = County(run_service(embedded_worker=True), county.secrets)
    path = f"/v1/deliveries/{queued(county, made)[0]['delivery_id']}"
    (tried,) = until(lambda: county.coordinator.get(path).json()["tries"], what="a try that is none")
    assert tried["fault"] == "endpoint_suspended"
    assert receiver.of("dashboard") == []
    back = changed(delivering, made, active=True)
    assert (back.status_code, back.json()["state"]["suspended_at"]) == (200, None)
    waiting = update(delivery).where(delivery.c.receiver == made["subscription_id"], delivery.c.status == "pending")

    def delivered() -> bool:
        change(county.running.url, waiting.values(due_at=now()))
        return queued(county, made)[0]["status"] == "delivered"

    until(delivered, what="what had waited")
    assert len({each.id for each in receiver.of("dashboard")}) == 1


def test_one_that_answered_410_is_sent_to_again_at_a_new_endpoint(delivering: County, receiver: Receiver) -> None:
    made = subscribe(delivering, receiver, types=["request.registered"])
    receiver.then("dashboard", Answer(410))
    delivering.ask("education_aid")
    until(lambda: seen(delivering, made)["state"]["suspended_at"], what="the suspension")
    receiver.secrets["moved"] = made["secret"]
    renamed = changed(delivering, made, name="renamed")
    assert renamed.json()["state"]["suspended_at"], "another name is no other endpoint"
    assert changed(delivering, made, endpoint=receiver.endpoint.format(code="moved")).status_code == 200
    delivering.ask("education_aid")
    told, *_ = arrived(receiver, 1, "moved")  # what was refused may come after
    assert told.verified, "the secret stays"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"needs": ["education_aid", "education_aids"]}, "/needs/1", "unknown_need"),
    ({"areas": ["360803", "99"]}, "/areas/1", "unknown_division"),
    ({"areas": ["36080"]}, "/areas/0", "string_pattern_mismatch"),
    ({"types": ["request.forgotten"]}, "/types/0", "enum"),
    ({"types": []}, "/types", "too_short"),
    ({"endpoint": "ftp://a.example/x"}, "/endpoint", "endpoint_wrong"),
    ({"endpoint": "https://user:word@a.example/x"}, "/endpoint", "endpoint_wrong"),
    ({"endpoint": "http://8.8.8.8/x"}, "/endpoint", "endpoint_wrong"),
    ({"tls": {"ca": "x"}}, "/tls", "tls_wrong"),
    ({"tls": {"key": "x"}}, "/tls", "certificate_without_key"),
]


def test_what_is_wrong_with_a_subscription_is_said_field_by_field(county: County) -> None:
    made = subscribe(county)
    for changes, pointer, code in WRONG:
        asked = subscription(name="another") | changes
        for answer in (county.coordinator.post("/v1/subscriptions", json=asked), changed(county, made, **changes)):
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
            assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [(pointer, code)]
    assert len(county.coordinator.get("/v1/subscriptions").json()["items"]) == 1


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Receiver]:
    """A subscriber of a private authority, for none but those that this authority vouches for."""
    receiver = Receiver(server_context(AUTHORITY.issue(), tmp_path, clients=AUTHORITY))
    yield receiver
    receiver.close()


def test_a_subscriber_of_a_private_authority_is_shown_our_certificate_which_is_written_and_never_read(
    guarded: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True), {})
    made = subscribe(county, guarded, types=["request.registered"], tls=OURS)
    assert made["tls"] == {"ca": True, "client_certificate": True}
    county.ask("education_aid")
    (told,) = arrived(guarded, 1)
    assert told.verified
    pinged = county.coordinator.post(f"{path_of(made)}/ping").json()
    assert (pinged["delivered"], pinged["tls"]["issuer"]) == (True, "commonName=County CA")
    before = county.coordinator.get(path_of(made))
    assert changed(county, made, per_second=9).json()["tls"] == made["tls"], "what is left out stays"
    ca = changed(county, made, tls={"ca": AUTHORITY.certificate})
    assert ca.json()["tls"] == {"ca": True, "client_certificate": False}
    assert ca.headers["etag"] != before.headers["etag"]
    assert "BEGIN" not in before.text + ca.text
    pinged = county.coordinator.post(f"{path_of(made)}/ping").json()
    assert (pinged["delivered"], pinged["tls"]) == (False, None)
    assert pinged["fault"] in ("tls", "broken_answer"), "in TLS 1.3 it may hang up before its refusal is heard"
    assert changed(county, made, tls=None).json()["tls"] is None


def test_a_ping_of_a_subscriber_shows_exactly_what_came_back_and_leaves_nothing_behind(
    county: County, receiver: Receiver
) -> None:
    made = subscribe(county, receiver)
    path = f"{path_of(made)}/ping"
    receiver.then("dashboard", Answer(418, {"content-type": "text/plain", "set-cookie": "a=1"}, b"short and stout"))
    pinged = county.coordinator.post(path).raise_for_status().json()
    (sent,) = receiver.of("dashboard")
    assert sent.verified
    assert (sent.id, sent.message["type"]) == (pinged["message_id"], "ping")
    assert sent.message["data"] == {"subscription_id": made["subscription_id"]}
    PingMessage.model_validate_json(sent.body)
    SubscriptionPinged.model_validate(pinged)
    assert (pinged["status_code"], pinged["delivered"], pinged["answer"]) == (418, False, "short and stout")
    assert "set-cookie" not in pinged["headers"]
    assert queued(county, made) == []
    for _ in range(MOST_A_MINUTE - 1):
        assert county.coordinator.post(path).json()["delivered"]
    late = county.coordinator.post(path)
    assert (late.status_code, late.json()["code"]) == (429, "too_many_pings")
    assert county.coordinator.post(f"/v1/subscriptions/{uuid4()}/ping").status_code == 404


def test_the_command_line_sets_and_tries_how_a_subscriber_is_sent_to(
    database_url: str, guarded: Receiver, tmp_path: Path
) -> None:
    files = []
    for name, text in OURS.items():
        (tmp_path / name).write_text(text)
        files += [f"--{name}", str(tmp_path / name)]

    def done(*arguments: str) -> subprocess.CompletedProcess[str]:
        return one_window_here("subscriptions", *arguments, database=database_url)

    endpoint = guarded.endpoint.format(code="hall")
    added = said("subscriptions", "add", "hall", endpoint, "--type", "request.closed", *files, database=database_url)
    subscription_id, guarded.secrets["hall"] = added.split()
    assert "200 after" in said("subscriptions", "ping", subscription_id, database=database_url)
    said("subscriptions", "set", subscription_id, "--no-tls", "--endpoint", endpoint + "?new", database=database_url)
    tried = done("ping", subscription_id)
    assert (tried.returncode, f"{endpoint}?new: tls after" in tried.stdout) == (1, True)
    said("subscriptions", "set", subscription_id, "--endpoint", endpoint, *files, database=database_url)
    assert done("ping", subscription_id).returncode == 0
    for wrong, sentence in (
        (("set", subscription_id), "Name something to change"),
        (("set", subscription_id, "--key", str(tmp_path / "key")), "belong together"),
        (("set", subscription_id, "--endpoint", "ftp://x"), "/endpoint"),
        (("set", str(uuid4()), "--no-tls"), "Not found"),
        (("ping", str(uuid4())), "Not found"),
    ):
        assert sentence in refused(done(*wrong))


def test_a_change_names_the_state_that_it_was_made_from(county: County) -> None:
    made = subscribe(county, types=["request.closed", "request.closed"], max_in_flight=2)
    assert (made["types"], made["max_in_flight"]) == (["request.closed"], 2)
    path = path_of(made)
    answer = county.coordinator.patch(path, json={"name": "b"})
    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    tag = county.coordinator.get(path).headers["etag"]
    answer = county.coordinator.patch(path, json={"needs": ["education_aid"]}, headers={"if-match": tag})
    assert (answer.status_code, answer.json()["needs"], answer.json()["types"]) == (
        200,
        ["education_aid"],
        made["types"],
    )
    assert answer.headers["etag"] == county.coordinator.get(path).headers["etag"] != tag
    late = county.coordinator.patch(path, json={"needs": []}, headers={"if-match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert seen(county, made)["needs"] == ["education_aid"]
    nowhere = county.coordinator.patch(f"/v1/subscriptions/{uuid4()}", json={}, headers={"if-match": "*"})
    assert nowhere.status_code == 404


def test_a_name_is_taken_once_and_a_repeat_gets_the_first_answer(county: County) -> None:
    first = county.coordinator.post("/v1/subscriptions", json=subscription(), headers={"idempotency-key": "k"})
    again = county.coordinator.post("/v1/subscriptions", json=subscription(), headers={"idempotency-key": "k"})
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    other = county.coordinator.post(
        "/v1/subscriptions", json=subscription(types=["request.closed"]), headers={"idempotency-key": "k"}
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    taken = county.coordinator.post("/v1/subscriptions", json=subscription())
    assert (taken.status_code, taken.json()["code"]) == (409, "subscription_exists")
    second = subscribe(county, name="second")
    assert changed(county, second, name="dashboard").json()["code"] == "subscription_exists"
    (secrets,) = fetch(
        county.running.url,
        select(func.count().label("n")).where(endpoint_secret.c.receiver == first.json()["subscription_id"]),
    )
    assert secrets["n"] == 1
    page = county.coordinator.get("/v1/subscriptions?limit=1").json()
    assert [each["name"] for each in page["items"]] == ["second"]
    rest = county.coordinator.get("/v1/subscriptions", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert ([each["name"] for each in rest["items"]], rest["next_cursor"]) == (["dashboard"], None)
    county.coordinator.delete(path_of(second)).raise_for_status()
    assert [each["name"] for each in county.coordinator.get("/v1/subscriptions?active=true").json()["items"]] == [
        "dashboard"
    ]


def test_a_subscription_of_another_process_is_told_within_the_refresh_time(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), {})
    added = said(
        "subscriptions",
        "add",
        "hall",
        NOBODY,
        "--type",
        "request.registered",
        "--area",
        "360803",
        database=database_url,
    )
    subscription_id, secret = added.split()
    assert secret.startswith("whsec_")
    made = {"subscription_id": subscription_id}

    def told() -> bool:
        county.ask("education_aid")
        return bool(queued(county, made))

    until(told, what="a notice")
    listed = said("subscriptions", "list", database=database_url)
    assert "hall" in listed
    assert "360803" in listed
    assert secret not in listed
    rotated = said("subscriptions", "rotate-secret", subscription_id, "--overlap-hours", "2", database=database_url)
    assert rotated.startswith("whsec_")
    assert rotated != secret
    assert len(seen(county, made)["secrets"]) == 2
    said("subscriptions", "end", subscription_id, database=database_url)
    assert not seen(county, made)["active"]
    wrong = one_window(
        "subscriptions", "add", "x", NOBODY, "--type", "request.closed", "--need", "food", database=database_url
    )
    assert "/needs/0" in refused(wrong)
    assert "Not found" in refused(one_window("subscriptions", "end", str(uuid4()), database=database_url))


def test_every_kind_of_event_is_told_but_what_the_county_does_with_its_own_deliveries() -> None:
    kinds = {f"handoff.{act}" for act in Act} | {"request.registered", "request.supplemented", "delivery.exhausted"}
    kinds |= {"handoff.due_soon", "handoff.urged", "handoff.supervised", "handoff.rescheduled", "handoff.disputed"}
    kinds |= {"emergency.lifted", "emergency.escalated"}
    kinds |= {"request.answered_back", "request.reopened", "request.reopening_declined"}
    moves = {"from": "routed", "to": "closed"}
    told = {type_ for kind in kinds for type_ in notice_types(kind, {})}
    told |= {type_ for status in RequestStatus for type_ in notice_types(f"request.{status}", moves)}
    assert told == {each for each in NoticeType if not each.startswith("endpoint.")}
    assert [*notice_types("request.registered", {"from": "routed", "to": "registered"})] == ["request.status_changed"]
    assert [*notice_types("delivery.sent_again", {})] == []

"""Who has come of age decides alone: a guardian's consent opens nothing from the birthday on, and what waited says less."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, select, update

from app.consents import Recorded, missing, opened_groups
from app.deadlines import china_day
from app.delivery.courier import Courier
from app.delivery.outbox import Claimed
from app.identifiers import now
from app.routing.rules import Consent, ConsentOf
from app.tables import delivery
from tests.county import TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import a_consent
from tests.receivers import Answer, Received, Receiver
from tests.running import Running
from tests.watching import change, fetch, until
from tests.worlds import a_rule

MOTHER = {"name": "监护测试丁", "relation": "mother"}
BIRTHDAY = date(2026, 11, 26)
RULE = a_rule(1, consent=(Consent.VERIFICATION,), consent_of=ConsentOf.HOUSEHOLD, discloses=("identity", "income"))


def a_family(born: str | None, given_at: str, **by: Any) -> dict[str, Any]:
    consent = {"purpose": "economic_verification", "given_at": given_at}
    child = {"relation": "child", **({"birth_date": born} if born else {})}
    consents = [{**consent, "person": "applicant"}, {**consent, "person": "household/0", **by}]
    return {"applicant": {}, "household": [child], "consents": consents}


@pytest.mark.parametrize(
    ("given_at", "is_enough"),
    [
        ("2026-11-25T15:59:59Z", False),  # the last moment before the day in China
        ("2026-11-25T16:00:00Z", True),  # of a grown-up under guardianship
    ],
)
def test_a_guardians_consent_ends_with_the_last_day_before_the_birthday(given_at: str, is_enough: bool) -> None:
    person = a_family("2008-11-26", given_at, guardian=MOTHER)
    if not is_enough:
        assert missing(RULE, Recorded(person, BIRTHDAY - timedelta(days=1))) == ()
    lacking = missing(RULE, Recorded(person, BIRTHDAY))
    assert [(each.person, each.by_guardian) for each in lacking] == ([] if is_enough else [("household/0", False)])
    assert ("income" in opened_groups(RULE, Recorded(person, BIRTHDAY))) is is_enough
    person["consents"].append({"purpose": "economic_verification", "person": "household/0", "given_at": given_at})
    assert missing(RULE, Recorded(person, BIRTHDAY)) == (), "their own word is what counts"


def test_a_guardians_consent_for_whose_age_nobody_knows_stays() -> None:
    assert missing(RULE, Recorded(a_family(None, "2020-01-01T00:00:00Z", guardian=MOTHER), BIRTHDAY)) == ()


def test_who_is_of_age_by_the_day_of_the_dispatch_consents_in_person(county: County) -> None:
    today = china_day(now())
    ended = a_consent("economic_verification", "household/0", guardian=MOTHER, given_at="2020-01-01T00:00:00Z")
    people = {"household": [{"name": "孩子测试", "relation": "child", "birth_date": born(today)}]}
    receipt = county.ask(
        "economic_verification", **people, consents=[a_consent("economic_verification", "applicant"), ended]
    )
    assert county.handoff(receipt, VERIFICATION)["reason"] == "waits_for_consent"
    assert [(each["person"], each["by_guardian"]) for each in receipt["missing_consents"]] == [("household/0", False)]
    give(county, receipt, a_consent("economic_verification", "household/0"))
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"


# ---- what waits over the birthday ----


def born(eighteenth: date) -> str:
    """Whose eighteenth birthday is on a day; of a leap day, the day before."""
    return f"{eighteenth.year - 18}-{eighteenth.month:02}-{min(eighteenth.day, 28) if eighteenth.month == 2 else eighteenth.day:02}"


def give(county: County, receipt: Seen, consent: dict[str, Any]) -> None:
    path = f"/v1/requests/{receipt['request_id']}/consents"
    county.window.post(path, json={"consents": [consent]}).raise_for_status()


def sent_to(agency: str) -> Select[Any]:
    names = ("id", "type", "status", "attempts", "claimed_by", "superseded_at")
    return select(*(delivery.c[name] for name in names)).where(delivery.c.receiver == agency).order_by(delivery.c.id)


@pytest.fixture
def delivering(receiver: Receiver, run_service: Callable[..., Running]) -> County:
    return County(run_service(embedded_worker=True), receiver.secrets)


@pytest.fixture
def comes_of_age(monkeypatch: pytest.MonkeyPatch) -> Callable[[County], None]:
    """It is tomorrow for whoever asks how old somebody is before a message goes, and all that waits is due."""

    def come(county: County) -> None:
        monkeypatch.setattr("app.coming_of_age.now", lambda: now() + timedelta(days=1))
        hurry(county)

    return come


def hurry(county: County) -> None:
    waits = (delivery.c.status == "pending", delivery.c.claimed_by.is_(None))
    change(county.running.url, update(delivery).where(*waits).values(due_at=now()))


def messages_after(county: County, receiver: Receiver, agency: str, tries: int) -> list[Received]:
    """What an agency gets now; what was made tomorrow is due, too."""

    def come() -> list[Received]:
        hurry(county)
        return receiver.of(agency)[tries:]

    return until(come, what="the agency to be told")


def a_minor(county: County) -> Seen:
    """A request for a verification alone, of a household whose child is of age tomorrow."""
    tomorrow = china_day(now()) + timedelta(days=1)
    child = {"name": "孩子测试", "relation": "child", "birth_date": born(tomorrow)}
    by_mother = a_consent("economic_verification", "household/0", guardian=MOTHER)
    consents = [a_consent("economic_verification", "applicant"), by_mother]
    return county.ask("economic_verification", household=[child], consents=consents)


def test_a_verification_that_waits_over_the_birthday_is_held_until_the_person_consents(
    delivering: County, receiver: Receiver, comes_of_age: Callable[[County], None]
) -> None:
    county, url = delivering, delivering.running.url
    receiver.then(VERIFICATION, Answer(503))
    receipt = a_minor(county)
    until(lambda: [row for row in fetch(url, sent_to(VERIFICATION)) if row["attempts"] and not row["claimed_by"]])
    tries = len(receiver.of(VERIFICATION))
    comes_of_age(county)
    until(lambda: county.handoff(receipt, VERIFICATION)["status"] == "waiting", what="it to be taken back")
    assert county.handoff(receipt, VERIFICATION)["reason"] == "waits_for_consent"
    (held,) = [each for each in county.events(receipt) if each["kind"] == "handoff.held"]
    assert held["data"]["reason"] == "came_of_age"
    assert held["data"]["missing"] == ["economic_verification:household/0"]
    told = messages_after(county, receiver, VERIFICATION, tries)
    assert [(each.message["type"], each.message["data"]["reason"]) for each in told] == [
        ("handoff.cancelled", "came_of_age")
    ]
    first, *_ = fetch(url, sent_to(VERIFICATION))
    assert (first["status"], first["superseded_at"] is not None) == ("superseded", True)
    give(county, receipt, a_consent("economic_verification", "household/0"))
    anew = messages_after(county, receiver, VERIFICATION, tries + 1)
    assert anew[0].message["type"] == "handoff.dispatched"
    assert UUID(anew[0].id) != first["id"]


def test_what_was_disclosed_before_the_birthday_stays_and_is_not_sent_a_second_time(
    delivering: County, receiver: Receiver, comes_of_age: Callable[[County], None]
) -> None:
    county, url = delivering, delivering.running.url
    receipt = a_minor(county)
    until(lambda: [row for row in fetch(url, sent_to(VERIFICATION)) if row["status"] == "delivered"])
    ((old, *_), tries) = fetch(url, sent_to(VERIFICATION)), len(receiver.of(VERIFICATION))
    comes_of_age(county)
    county.coordinator.post(f"/v1/deliveries/{old['id']}/redeliver").raise_for_status()
    (anew, *_) = messages_after(county, receiver, VERIFICATION, tries)
    assert (anew.message["type"], UUID(anew.id) == old["id"]) == ("handoff.dispatched", False)
    assert "income" in anew.message["data"]["withheld"]
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"
    assert "handoff.held" not in [each["kind"] for each in county.events(receipt)]
    refused = county.coordinator.post(f"/v1/deliveries/{old['id']}/redeliver")
    assert refused.json()["code"] == "delivery_superseded"


def test_help_goes_on_with_what_is_open(
    delivering: County, receiver: Receiver, comes_of_age: Callable[[County], None]
) -> None:
    county, url = delivering, delivering.running.url
    receiver.then(TOWNSHIP, Answer(503))
    tomorrow = china_day(now()) + timedelta(days=1)
    ill = {"needs": [{"code": "medical_assistance_applied", "facts": {"illness": "虚构综合征"}}]}
    young = {"name": "孩子测试", "phone": "13800000000", "birth_date": born(tomorrow)}
    by_mother = a_consent("medical_data", "applicant", guardian=MOTHER)
    receipt = county.ask("medical_assistance_applied", **ill, applicant=young, consents=[by_mother])
    until(lambda: [row for row in fetch(url, sent_to(TOWNSHIP)) if row["attempts"] and not row["claimed_by"]])
    (first,) = receiver.of(TOWNSHIP)
    assert "虚构综合征" in first.body.decode()
    comes_of_age(county)
    (anew, *_) = messages_after(county, receiver, TOWNSHIP, 1)
    assert "虚构综合征" not in anew.body.decode()
    assert "health" in anew.message["data"]["withheld"]
    assert county.handoff(receipt, TOWNSHIP)["status"] == "dispatched"


def test_what_waits_over_a_day_that_is_nobodys_birthday_goes_as_it_is(
    delivering: County, receiver: Receiver, comes_of_age: Callable[[County], None]
) -> None:
    county, url = delivering, delivering.running.url
    receiver.then(TOWNSHIP, Answer(503))
    county.ask("medical_assistance_applied")
    until(lambda: [row for row in fetch(url, sent_to(TOWNSHIP)) if row["attempts"] and not row["claimed_by"]])
    comes_of_age(county)
    until(lambda: [row for row in fetch(url, sent_to(TOWNSHIP)) if row["status"] == "delivered"])
    first, second = receiver.of(TOWNSHIP)
    assert (first.id, first.body) == (second.id, second.body)


# ---- what was claimed a moment ago ----


def test_what_was_superseded_the_moment_it_was_claimed_does_not_go_out(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, claimed_ones = Courier._hold, []

    def superseded(courier: Courier, claimed: Claimed) -> None:
        """As a withdrawal does it, between the claim and the post."""
        if claimed.type == "handoff.dispatched":
            claimed_ones.append(claimed.id)
            ended = {"status": "superseded", "superseded_at": datetime.now(UTC), "ended_at": datetime.now(UTC)}
            with ThreadPoolExecutor(1) as other:
                other.submit(change, county.running.url, update(delivery).values(ended)).result(20)
        hold(courier, claimed)

    monkeypatch.setattr(Courier, "_hold", superseded)
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receipt = county.ask("education_aid")
    until(lambda: claimed_ones, what="it to be claimed")
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={}).raise_for_status()
    until(
        lambda: any(each.message["type"] == "handoff.cancelled" for each in receiver.received), what="what came later"
    )
    assert not any(each.message["type"] == "handoff.dispatched" for each in receiver.received)

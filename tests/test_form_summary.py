"""The monthly summary, against a world made by hand: what it counts, in which month, in which place, and what it reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, select

from app.db import Database
from app.forms.months import Month, month_of, parse_month
from app.forms.summary import ended_in, handoffs_by, of_month, part_of, requests_by
from app.identifiers import first_id
from app.keys import KeyRole
from app.tables import agency, api_key, handoff, help_request, rule
from tests import serving
from tests.people import Person
from tests.plans import plan_of
from tests.running import Running
from tests.watching import fetch, on

MARCH = Month(2025, 3)
BEGINS, ENDS = datetime(2025, 2, 28, 16, tzinfo=UTC), datetime(2025, 3, 31, 16, tzinfo=UTC)  # midnight in China
AN_INSTANT = timedelta(milliseconds=1)
ZHIXIA, XINXU, OTHER_COUNTY = "360803101", "360803102", "360802001"
EDUCATION, CIVIL_AFFAIRS, TOWNSHIP = "360803-education", "360803-civil-affairs", "360803101-township"


class World:
    """Requests and handoffs as rows, each with what is said of it and nothing that matters besides."""

    def __init__(self, service: Running) -> None:
        self.url = service.url
        serving.make_key(service.url, KeyRole.INTAKE)
        self._key = fetch(self.url, select(api_key.c.id).limit(1))[0]["id"]
        self._rules = {row["need"]: row for row in fetch(self.url, select(rule.c.need, rule.c.version, rule.c.number))}
        self._requests: list[dict[str, Any]] = []
        self._handoffs: list[dict[str, Any]] = []

    def request(self, at: datetime, place: str = ZHIXIA, status: str = "in_progress", **more: Any) -> UUID:
        number = len(self._requests) + 1
        request_id = UUID(int=first_id(at).int + number)
        self._requests.append(
            {
                "id": request_id,
                "receipt_number": f"{number:012}",
                "tracking_hash": number.to_bytes(32),
                "channel": "window",
                "division_code": place,
                "status": status,
                "routing_version": self._rules["education_aid"]["version"],
                "decision": {"needs": []},
                "registered_at": at,
                "registered_by": self._key,
                "closed_at": at + timedelta(days=1) if status in ("closed", "withdrawn") else None,
                "events": 0,
                "head": bytes(32),
                "sealed": b"",
                "data_key": None,
                "erased_at": None,
                "id_mark": None,
                "phone_mark": None,
                "person_mark": None,
                "emergency": None,
                "debts": 0,
                "unanchored": False,
                **more,
            }
        )
        return request_id

    def handoff(
        self, of: UUID, status: str, agency_code: str = EDUCATION, need: str = "education_aid", **more: Any
    ) -> None:
        number, found = len(self._handoffs) + 1, self._rules[need]
        at = next(each["registered_at"] for each in self._requests if each["id"] == of)
        over = status in ("completed", "returned", "cancelled")
        self._handoffs.append(
            {
                "id": UUID(int=of.int + (number << 32)),
                "request_id": of,
                "need": need,
                "agency_code": agency_code,
                "role": "lead",
                "step": 1,
                "mandatory": True,
                "routing_version": found["version"],
                "rule_number": found["number"],
                "status": status,
                "outcome": "granted" if status == "completed" else None,
                "opened_at": at,
                "dispatched_at": None if status == "waiting" else at,
                "complete_due": None,
                "first_due": None,
                "closed_at": at + timedelta(days=5) if over else None,
                "due_provisional": False,
                **more,
            }
        )

    def made(self) -> World:
        async def work(database: Database) -> None:
            async with database.writing() as connection:
                await connection.execute(help_request.insert(), self._requests)
                if self._handoffs:
                    await connection.execute(handoff.insert(), self._handoffs)

        on(self.url, work)
        return self


@pytest.fixture
def world(service: Running) -> World:
    return World(service)


def of(person: Person, **query: str) -> dict[str, dict[str, list[str]]]:
    """Of each table, by its heading, the numbers of each line, by its name."""
    page = person.browser.get("/forms/summary", params=query)
    assert page.status_code == 200, page.text
    tables = {}
    for table in re.findall(r"<table.*?</table>", page.text, re.DOTALL):
        heading = re.search(r'scope="colgroup">([^<]+)<', table)
        assert heading
        lines = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', table, re.DOTALL)
        tables[heading[1]] = {name: re.findall(r'class="n">([^<]*)<', cells) for name, cells in lines}
    ended = re.search(r"registered: (\d+)\.", page.text)
    assert ended
    return {**tables, "ended": {"all": [ended[1]]}}


@pytest.fixture
def supervisor(service: Running) -> Person:
    return Person.made(service, "supervisor").signed_in()


def test_a_month_is_chinas(world: World, supervisor: Person) -> None:
    for at in (BEGINS - AN_INSTANT, BEGINS, ENDS - AN_INSTANT, ENDS):
        world.request(at)
    world.made()
    assert of(supervisor, month="2025-02")["By place"]["Total"][0] == "1"
    assert of(supervisor, month="2025-03")["By place"]["Total"][0] == "2"
    assert of(supervisor, month="2025-04")["By place"]["Total"][0] == "1"


def test_the_sums_are_those_of_the_world(world: World, supervisor: Person) -> None:
    at, day = BEGINS + timedelta(days=3), timedelta(days=1)
    first = world.request(at)
    second = world.request(at, XINXU, "closed", channel="kiosk")
    third = world.request(at, XINXU, "withdrawn", emergency="fire", channel="kiosk")
    world.request(at, OTHER_COUNTY)
    before = world.request(BEGINS - 3 * day, status="closed", closed_at=at)
    world.handoff(first, "completed", complete_due=at + 5 * day)  # on its last instant
    world.handoff(first, "completed", CIVIL_AFFAIRS, outcome="not_granted", complete_due=at + 5 * day - AN_INSTANT)
    world.handoff(first, "in_progress", TOWNSHIP, complete_due=at + day, first_due=at + day)
    world.handoff(second, "completed", outcome="partly_granted")
    world.handoff(second, "dispatched", CIVIL_AFFAIRS, first_due=datetime(2199, 1, 1, tzinfo=UTC))
    world.handoff(second, "suspended", TOWNSHIP, need="legal_aid", complete_due=at)
    world.handoff(third, "cancelled")
    world.handoff(third, "returned", CIVIL_AFFAIRS)
    world.handoff(third, "waiting", TOWNSHIP)
    world.handoff(before, "completed", outcome="referred")
    world.made()
    seen = of(supervisor, month="2025-03", place="360803")
    assert seen["By place"] == {
        "值夏镇": ["1", "0", "1", "0", "0"],
        "新圩镇": ["2", "1", "0", "1", "1"],
        "Total": ["3", "1", "1", "1", "1"],
    }
    assert seen["By way of intake"] == {
        "Kiosk": ["2", "1", "0", "1", "1"],
        "Window": ["1", "0", "1", "0", "0"],
        "Total": ["3", "1", "1", "1", "1"],
    }
    # requests, handoffs, waiting, in hand, closed, granted, partly, refused, referred, returned, cancelled, in time,
    # late, late now, the rate
    education = ["3", "8", "1", "2", "3", "1", "1", "1", "0", "1", "1", "2", "1", "1", "50.0%"]
    legal = ["1", "1", "0", "1", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "–"]
    total = ["–", "9", "1", "3", "3", "1", "1", "1", "0", "1", "1", "2", "1", "1", "50.0%"]
    by_need = seen["By need"]
    assert by_need == {"Education assistance (student aid)": education, "Legal aid": legal, "Total": total}
    by_department = seen["By department"]
    assert by_department.pop("Total") == total
    assert [sum(int(line[n]) for line in by_department.values()) for n in range(1, 14)] == [int(n) for n in total[1:14]]
    assert len(by_department) == 3
    assert seen["ended"]["all"] == ["3"], "one of them was registered in the month before"
    assert of(supervisor, month="2025-03", place=ZHIXIA)["By place"]["Total"][0] == "1"
    province = of(supervisor, month="2025-03", place="36")
    assert province["By place"] == {"吉安市": ["4", "1", "2", "1", "1"], "Total": ["4", "1", "2", "1", "1"]}
    everywhere = requests_by(part_of(None), of_month(MARCH, None, []))
    assert [(row["code"], row["requests"]) for row in fetch(world.url, everywhere)] == [("36", 4)]
    assert of(supervisor, month="2025-03", place="3608")["By place"].keys() == {"吉州区", "青原区", "Total"}


def test_numbers_are_of_the_jurisdiction_and_of_months_that_have_begun(service: Running, world: World) -> None:
    world.request(BEGINS)
    world.request(BEGINS, XINXU)
    world.made()
    person = Person.made(service, "coordinator", division_code=ZHIXIA).signed_in()
    assert of(person, month="2025-03")["By place"]["Total"][0] == "1"
    refused = ("place=360803102", "place=360803", "place=999999", "month=2025-13", "month=soon", "month=2098-01")
    for query in refused:
        assert (
            person.browser.get(
                f"/forms/summary?month=2025-03&{query}" if "place" in query else f"/forms/summary?{query}"
            ).status_code
            == 404
        )
    page = person.browser.get("/forms/summary?month=2025-03").text
    assert "新圩镇" not in page
    assert "place=360803&" not in page, "nothing above it is offered"


def test_no_receipt_number_and_no_name_stands_in_it(service: Running, world: World, supervisor: Person) -> None:
    request_id = world.request(BEGINS)
    world.handoff(request_id, "in_progress")
    world.made()
    page = supervisor.browser.get("/forms/summary?month=2025-03").text
    assert "000000000001" not in page
    assert str(request_id) not in page


def test_it_reads_the_month_and_not_the_history(world: World) -> None:
    """Along the keys, which are made of the time, or along those of each division of a small place."""
    kinds: list[dict[str, Any]] = [
        {"status": "closed"},
        {"status": "withdrawn"},
        {"status": "closed", "emergency": "fire"},
    ]
    for n in range(900):
        request_id = world.request(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=2 * n), **kinds[n % 3])
        world.handoff(request_id, "completed")
    world.made()
    at = datetime(2025, 5, 1, tzinfo=UTC)
    codes = [ZHIXIA, XINXU]
    wide: list[ColumnElement[bool]] = list(of_month(MARCH, "36", ["36"] * 65))
    narrow: list[ColumnElement[bool]] = list(of_month(MARCH, "360803", codes))
    for conditions in (tuple(wide), tuple(narrow)):
        for query in (
            requests_by(help_request.c.channel, conditions),
            handoffs_by(handoff.c.need, conditions, at),
            handoffs_by(agency.c.department, conditions, at),
        ):
            plan = plan_of(world.url, query)
            for table in ("help_request", "handoff"):
                assert f"SCAN {table}" not in plan, plan
                assert f"Seq Scan on {table}" not in plan, plan
    for query in ended_in(MARCH, "360803"):
        plan = plan_of(world.url, query)
        assert "ix_help_request_ended" in plan, plan
        assert "Seq Scan" not in plan, plan


def test_months_follow_each_other() -> None:
    assert parse_month("2025-03") == MARCH
    assert (MARCH.since, MARCH.until) == (BEGINS, ENDS)
    assert Month(2025, 12).following == Month(2026, 1)
    assert Month(2026, 1).before == Month(2025, 12)
    assert str(Month(2026, 1)) == "2026-01"
    assert month_of(BEGINS) == MARCH
    assert month_of(BEGINS - AN_INSTANT) == Month(2025, 2)
    for wrong in ("2025-3", "2025-00", "2025-13", "1925-03", "2025-03-01", ""):
        assert parse_month(wrong) is None

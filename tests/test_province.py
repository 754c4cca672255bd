"""The whole province: every county its departments, every township its office, as placeholders that a county replaces."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from app import seed
from app.db import Database
from app.identity import is_phone
from app.migrating import migrate
from app.province import province_agencies
from app.registry import Registry, Snapshot
from app.routing.decide import decide
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts
from app.routing.rules import Role
from app.tables import agency, agency_seat, revision
from tests import serving
from tests.test_seed_data import AGENCIES, AT, COUNTY, DEPARTMENTS, DIVISIONS, NEEDS
from tests.watching import count, fetch

GENERATED = list(province_agencies(DIVISIONS, DEPARTMENTS))
BY_CODE = {row["code"]: row for row in GENERATED}
LEVELS = Counter(row["level"] for row in DIVISIONS)
SEATS = Counter(row["seat"] for row in DEPARTMENTS)
PROVINCE = list(seed.county_agencies(seed.WHOLE_PROVINCE))


def of_county(county: str) -> list[dict[str, str]]:
    return [row for row in GENERATED if row["division_code"][:6] == county]


def test_every_county_has_its_departments_and_every_township_its_office() -> None:
    desks = 100  # of counties, for their townships
    assert len(GENERATED) == sum(SEATS[level] * LEVELS[level] for level in SEATS) + desks == 5701
    seats = Counter((row["department"], row["division_code"]) for row in GENERATED)
    assert set(seats.values()) == {1}
    for department in DEPARTMENTS:
        places = {row["division_code"] for row in GENERATED if row["department"] == department["code"]}
        levels = {department["seat"], *(("county",) if department["code"] == "township_gov" else ())}
        assert places == {each["code"] for each in DIVISIONS if each["level"] in levels}
    assert SEATS == {"county": 38, "prefecture": 3, "township": 1, "province": 1}


def test_the_generator_makes_of_a_county_what_is_kept_by_hand_for_one() -> None:
    made = {row["code"]: row for row in GENERATED if COUNTY.startswith(row["division_code"])}
    made |= {row["code"]: row for row in of_county(COUNTY)}
    assert made.keys() == {row["code"] for row in AGENCIES}
    for row in AGENCIES:
        place = made[row["code"]]
        assert (place["department"], place["division_code"]) == (row["department"], row["division_code"])
    # The division is called 畲族少数民族乡 in the statistics, and one hospital stands for all.
    others = {row["code"] for row in AGENCIES if made[row["code"]]["name_zh"] != row["name_zh"]}
    assert others == {"360803201-township", "360803-designated-hospital"}


@pytest.mark.parametrize(
    ("code", "zh", "en"),
    [
        ("360424-civil-affairs", "修水县民政局", "Civil Affairs Bureau of 修水县 (360424)"),
        ("360424-public-security", "修水县公安局", "Public Security Bureau of 修水县 (360424)"),
        ("360402-public-security", "九江市公安局濂溪分局", "Public Security Bureau of 濂溪区 (360402)"),
        ("360402-school", "濂溪区中小学校（全区代收）", "Schools of 濂溪区 (360402) (county-wide stand-in)"),
        ("360481-tax", "国家税务总局瑞昌市税务局", "Tax Service of 瑞昌市 (360481), State Taxation Administration"),
        ("3604-hotline-12345", "九江市12345政务服务便民热线", "12345 Government Service Hotline of 九江市 (3604)"),
        ("36-fin-institutions", "江西省金融机构查询对接点", "Financial Institutions Enquiry Point of 江西省 (36)"),
        ("360424100-township", "修水县义宁镇人民政府", "People's Government of 义宁镇 (360424100)"),
        ("360103002-township", "西湖区朝阳洲街道办事处", "Subdistrict Office of 朝阳洲街道 (360103002)"),
        ("360603408-township", "余江县工业园区管理委员会", "Administrative Committee of 余江县工业园区 (360603408)"),
        ("361127501-township", "余干县良种场", "Office of 县良种场 (361127501)"),
        ("361127400-township", "余干县城市社区", "Office of 余干县城市社区 (361127400)"),
        ("361128402-township", "鄱阳县饶州监狱", "Office of 饶州监狱 (361128402)"),
    ],
)
def test_an_office_is_called_after_its_place_and_what_it_is(code: str, zh: str, en: str) -> None:
    assert (BY_CODE[code]["name_zh"], BY_CODE[code]["name_en"]) == (zh, en)


@pytest.mark.parametrize("column", ["code", "name_zh", "name_en", "phone"])
def test_no_two_agencies_of_the_province_share_a_code_a_name_or_a_number(column: str) -> None:
    assert [text for text, times in Counter(row[column] for row in PROVINCE).items() if times > 1] == []


def test_every_name_fits_its_column_and_has_no_gap_left() -> None:
    for row in GENERATED:
        assert re.fullmatch(r"[\w（）]+", row["name_zh"]), row
        assert re.search(rf"[A-Za-z].*\({row['division_code']}\)", row["name_en"]), row
        assert len(row["code"]) <= agency.c.code.type.length
        assert len(row["name_zh"]) <= agency.c.name_zh.type.length
        assert len(row["name_en"]) <= agency.c.name_en.type.length


def test_every_number_is_one_that_a_form_takes_and_that_nobody_can_have() -> None:
    """Local numbers do not begin with 0: what follows the area code is seven digits, in Nanchang eight."""
    for row in PROVINCE:
        assert is_phone(row["phone"]), row
        assert re.fullmatch(r"0791-0000\d{4}|07(01|9[02-9])-000\d{4}", row["phone"]), row


def test_the_hand_made_directory_stands_for_its_county_and_placeholders_for_the_others() -> None:
    rows = {row["code"]: row for row in PROVINCE}
    assert rows.keys() == BY_CODE.keys()
    for row in AGENCIES:
        assert {name: rows[row["code"]][name] for name in row} == row
    assert {row["endpoint"] for row in PROVINCE} == {None}
    assert {row["active"] for row in PROVINCE} == {True}


def test_one_county_gets_its_own_and_those_above_it() -> None:
    rows = [row["code"] for row in seed.county_agencies("360424")]
    above = ["36-fin-institutions", "3604-hotline-12345", "3604-nbs-survey-team", "3604-prison-admin"]
    assert sorted(rows) == sorted([*above, *(row["code"] for row in of_county("360424"))])


@pytest.mark.parametrize("need", [need["code"] for need in NEEDS])
def test_every_need_finds_its_lead_in_every_township_of_the_province(need: str) -> None:
    directory = Directory.of(Agency(**{k: v for k, v in row.items() if k != "created_at"}) for row in PROVINCE)
    table = seed.routing_tables()[-1]
    places = [row["code"] for row in DIVISIONS if row["level"] == "township"]
    hashes = set()
    for place in places:
        (decision,) = decide(Facts(place, (need,)), table, directory, AT).needs
        (lead,) = [each.agency for each in decision.assignments if each.role is Role.LEAD]
        assert lead.division_code in (place, place[:6])
        assert all(place.startswith(each.agency.division_code) for each in decision.assignments)
        assert "no_agency" not in {each.reason for each in decision.passed_over}
        hashes.add(hash(decision))
    counties = len({place[:6] for place in places})
    assert len(hashes) >= counties, "what is looked for among remembered decisions must not grow with the province"


@pytest.fixture
def empty_database_url(backend: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    if backend == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('province') / 'empty.sqlite3'}"
    return serving.make_postgres_database(request.getfixturevalue("postgres_server"))


def seed_the_province(url: str) -> tuple[list[tuple[str, int]], Snapshot]:
    """What was told while an empty database was filled, and what a process then reads of it."""
    told: list[tuple[str, int]] = []

    async def run() -> Snapshot:
        database = Database(serving.settings_for(url))
        await migrate(database)
        async with database.writing() as connection:
            await seed.seed(connection, seed.WHOLE_PROVINCE, lambda what, rows: told.append((what, rows)))
        snapshot = await Registry(database, 2).refresh()
        await database.close()
        return snapshot

    return told, asyncio.run(run())


def test_the_whole_province_is_loaded_with_its_seats_and_its_progress_is_told(empty_database_url: str) -> None:
    told, snapshot = seed_the_province(empty_database_url)
    assert count(empty_database_url, agency, agency_seat) == {"agency": 5701, "agency_seat": 5701}
    for table in ("agency", "agency_seat"):
        steps = [rows for what, rows in told if what == table]
        assert len(steps) > 2
        assert steps == sorted(steps)
        assert steps[-1] == 5701
    assert snapshot.directory.agencies.keys() == BY_CODE.keys()
    (at,) = fetch(empty_database_url, select(revision.c.value))
    seats = fetch(empty_database_url, select(agency_seat).where(agency_seat.c.agency_code == "360424100-township"))
    assert [(seat["division_code"], seat["active"], seat["revision"]) for seat in seats] == [
        ("360424100", True, at["value"])
    ]


@pytest.mark.parametrize("county", ["360899", "3604", "360424100", "36", "ALL", ""])
def test_a_county_that_the_province_does_not_have_is_refused_before_anything_is_written(county: str) -> None:
    nowhere: Any = None
    with pytest.raises(ValueError, match="there is no directory of county"):
        asyncio.run(seed.seed(nowhere, county))

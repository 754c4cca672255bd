"""one-window routing, as a clerk types it: a sheet out, edited, in, proved, published, and what was decided verified."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from app import agencies
from app.db import Database
from app.tables import help_request, metadata, routing_table
from tests import serving
from tests.commands import one_window, one_window_here, refused, said, side_by_side
from tests.examples import a_request
from tests.running import Running
from tests.versions import UNION, Clerk, annotated, edited, nobody_leads_education, union_leads_education
from tests.watching import change, count, fetch, until

REASON = ("--reason", "county_not_served=only this county takes part")


@pytest.fixture
def routing(database_url: str) -> Callable[..., str]:
    """What a routing command that works prints."""

    def ask(*arguments: str) -> str:
        done = one_window_here("routing", *arguments, database=database_url)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return ask


def sheet_of(routing: Callable[..., str], folder: Path, edit: Any, name: str = "edited.csv") -> str:
    """Export what is in force, edit it; the file."""
    exported, file = folder / "exported.csv", folder / name
    routing("export", "3", str(exported), "--language", "en")
    file.write_bytes(edited(exported.read_bytes(), edit))
    return str(file)


def columns_of(listed: str, version: int) -> list[str]:
    (row,) = re.findall(rf"^│ {version} .*$", listed, re.MULTILINE)
    return [each.strip() for each in row.strip("│").split("│")]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_clerk_takes_a_sheet_out_edits_it_and_puts_it_in_force(database_url: str, tmp_path: Path) -> None:
    routing = partial(said, "routing", database=database_url, command=one_window)
    file = sheet_of(routing, tmp_path, union_leads_education)
    assert re.search(r"165 rules, .* 0 errors, 1 warnings\. Checksum [0-9a-f]{16}…", routing("check", file))
    assert routing("import", file) == "Version 4, a draft."
    assert routing("publish", "4", *REASON).startswith("Version 4 is in force from 20")
    listed = routing("list")
    assert columns_of(listed, 4)[:3] == ["4", "published", "yes"]
    assert columns_of(listed, 4)[-2:] == ["edited.csv", "command line"]
    assert columns_of(listed, 3)[2] == ""


def test_the_proof_of_a_sheet_is_that_of_its_draft(routing: Callable[..., str], tmp_path: Path) -> None:
    file = sheet_of(routing, tmp_path, union_leads_education)
    assert routing("import", file) == routing("import", file) == "Version 4, a draft."
    of_draft, of_sheet = (json.loads(routing("check", what, "--format", "json")) for what in ("4", file))
    assert (of_draft["version"], of_draft["errors"], of_draft["warnings"]) == (4, 0, 1)
    assert "45" in routing("diff", "3", "4", "--language", "en")
    names = ("checksum", "counts", "findings")
    assert [of_draft[name] for name in names] == [of_sheet[name] for name in names]
    assert "county_not_served: 99" in routing("check", "4", "--language", "zh")


def test_a_workbook_and_a_later_date(routing: Callable[..., str], database_url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "table.xlsx")
    assert "".join(routing("export", "3", file).split()) == f"Wrote{file}."
    assert routing("import", file) == "Version 4, a draft."
    assert routing("diff", "3", "4") == "No rule differs."
    done = routing("publish", "4", *REASON, "--from", "2100-01-01")
    assert done == "Version 4 is in force from 2100-01-01 00:00 (China) on."
    (row,) = fetch(database_url, select(routing_table.c.effective_from).where(routing_table.c.version == 4))
    assert row["effective_from"].isoformat() == "2099-12-31T16:00:00+00:00"


def test_a_preview_is_read_aloud_in_both_languages(routing: Callable[..., str], database_url: str) -> None:
    before = count(database_url, *metadata.sorted_tables)
    asked = ("preview", "--division", "360803101", "--need", "elderly_subsidy")
    zh, en = routing(*asked), routing(*asked, "--language", "en")
    assert "由青原区民政局牵头办理" in zh
    assert "请补问:申请人是哪天出生的?" in zh
    assert "Please ask: When was the person born?" in en
    assert "Supplied by data sharing: " in en
    facts = ("--born", "1940-01-01", "--fact", "self_care=full", "--fact", "recognised_status=orphan,veteran")
    facts += ("--fact", "household_size=3", "--fact", "monthly_income_yuan=300", "--language", "en")
    assert "Please ask" not in routing(*asked, *facts)
    past = ("preview", "--division", "360803101", "--need", "medical_assistance_applied", "--at", "2017-06-01")
    assert "青原区民政局牵头办理" in routing(*past)
    assert count(database_url, *metadata.sorted_tables) == before


def test_a_replay_tells_what_a_draft_would_change(
    routing: Callable[..., str], service: Running, tmp_path: Path
) -> None:
    window, asked = service.client("intake"), a_request("education_aid", facts={})
    numbers = [window.post("/v1/requests", json=asked).raise_for_status().json()["receipt_number"] for _ in range(50)]
    routing("import", sheet_of(routing, tmp_path, union_leads_education))
    found = routing("replay", "4")
    assert "50 of 50 requests would change" in found
    assert [each for each in numbers if each in found] == [], "whoever is at the command line is shown nobody"
    cases = tmp_path / "cases.json"
    case = {"division_code": "360803101", "needs": [{"code": "education_aid"}], "at": "2026-11-01T00:00:00Z"}
    cases.write_text(json.dumps([case, case]))
    found = routing("replay", "4", "--cases", str(cases))
    assert "2 of 2 requests would change" in found
    assert f"gains {UNION}; loses 360803-education" in found
    assert "0 of 50 requests would change" in routing("replay", "3", "--last", "60")


def test_every_decision_comes_out_equal_whatever_was_published_and_whoever_was_suspended_since(
    routing: Callable[..., str], service: Running
) -> None:
    window = service.client("intake")

    def ask(*needs: str) -> dict[str, Any]:
        answer = window.post("/v1/requests", json=a_request(*needs, facts={"residence": "rural"}))
        assert answer.status_code == 201, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    def change_directory(*suspended: str, added: str | None = None, active: bool = False) -> None:
        async def run() -> None:
            database = Database(serving.settings_for(service.url))
            for code in suspended:
                async with database.writing() as connection:
                    await agencies.change(connection, code, {"active": active})
            if added:
                seat = {"department_code": "county_civil_affairs", "division_code": "360803101"}
                names = {
                    "name_zh": "新的民政办",
                    "name_en": "Another office",
                    "phone": "0796-0000000",
                    "endpoint": None,
                }
                async with database.writing() as connection:
                    await agencies.add(connection, code=added, **seat, **names)
            await database.close()

        asyncio.run(run())

    def seats(receipt: dict[str, Any]) -> set[str]:
        return {each["agency"] for each in receipt["handoffs"]}

    first = ask("education_aid", "minimum_living_allowance")
    ask("elderly_subsidy", "undetermined")
    assert routing("verify") == "All 2 stored decisions come out equal."
    suspended = ("360803-education", "360803-verification-center")
    change_directory(*suspended, added="360803101-civil-affairs")
    until(lambda: "360803101-civil-affairs" in seats(ask("minimum_living_allowance")), what="the new agency")
    assert "360803-education" not in seats(ask("education_aid"))
    change_directory(*suspended, active=True)
    version = Clerk(service).publish_edited(annotated("changed"))
    until(lambda: ask("temp_aid_fast")["decision"]["version"] == version, what="the new table")
    change_directory("360803101-township")
    assert re.fullmatch(r"All \d+ stored decisions come out equal\.", routing("verify"))
    assert routing("verify", "--last", "1") == "All 1 stored decisions come out equal."

    of_first = help_request.c.receipt_number == first["receipt_number"]
    (row,) = fetch(service.url, select(help_request.c.decision).where(of_first))
    row["decision"]["needs"][0]["fired"][0]["agency"] = "360803-dpf"
    assert change(service.url, update(help_request).where(of_first).values(decision=row["decision"])) == 1
    sentence = refused(one_window("routing", "verify", database=service.url))
    assert sentence.startswith("1 of ")
    assert sentence.endswith(f"come out otherwise: {first['receipt_number']}")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_kept(
    routing: Callable[..., str], database_url: str, tmp_path: Path
) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        rows[0]["department"], rows[3]["step"] = "county_civil_affair", "first"

    faulty = sheet_of(routing, tmp_path, spoil, "faulty.csv")
    hole = sheet_of(routing, tmp_path, nobody_leads_education, "hole.csv")
    for file in (hole, sheet_of(routing, tmp_path, union_leads_education)):
        routing("import", file)
    files = {"list.json": b"[", "latin.json": b'["\xe4"]', "empty.csv": b"", "note.json": b"{}"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    preview = "preview --division 360803101 --need education_aid"
    wrong = {
        f"import {tmp_path}/none.csv": "none.csv can't be read: No such file",
        f"check {tmp_path}/none.csv": "none.csv can't be read: No such file",
        f"check {tmp_path}": "can't be read: Is a directory",
        "check ²": "² can't be read: No such file",
        f"export 3 {tmp_path}/table.ods": "neither .xlsx nor .csv",
        f"export 3 {tmp_path}/nowhere/table.csv": "can't be written: No such file or directory",
        f"export 99 {tmp_path}/table.csv": "no routing table version 99",
        f"import {faulty}": "row 2, column department: ",
        f"check {faulty}": "row 5, column step: ",
        f"import {tmp_path}/empty.csv": "the table is empty",
        "check 99": "no routing table version 99",
        "diff 3 99": "no routing table version 99",
        "publish 99": "no routing table version 99",
        "publish 3": "Only a draft can be published",
        "publish 4": "no_lead: ",
        "publish 5": "/reasons/county_not_served: Say why this is acceptable: 99 counties",
        "publish 4 --reason nothing": "--reason nothing names no finding",
        "publish 4 --from 2020-01-01": "/effective_from: It is past",
        "publish 4 --from 2300-01-01": "/effective_from: The year must be between 1900 and 2200",
        "publish 4 --reason Code=x": "/reasons",
        "replay 99": "no routing table version 99",
        f"replay 4 --cases {tmp_path}/list.json": "The cases are no JSON: line 1, column 2",
        f"replay 4 --cases {tmp_path}/latin.json": "The cases are no JSON: they are not in UTF-8",
        f"replay 4 --cases {tmp_path}/note.json": "/cases",
        f"replay 4 --cases {tmp_path}/none.json": "can't be read",
        f"{preview} --fact residence=moon": "/facts/residence: ",
        f"{preview} --fact weather=rain": "/facts/weather: ",
        f"{preview} --fact household_size=²": "/facts/household_size: ",
        f"{preview} --fact nonsense": "/facts/nonsense: ",
        f"{preview} --born yesterday": "/birth_date: ",
        f"{preview} --version 99": "no routing table version 99",
        "preview --division 999999 --need education_aid": "/division_code: ",
        "preview --division 360803101 --need luck": "/needs/0/code: ",
    }
    before = fetch(database_url, select(routing_table))
    for command, sentence in wrong.items():
        done = one_window_here("routing", *command.split(), database=database_url)
        assert (done.returncode, done.stdout) == (1, ""), (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        assert sentence in " ".join(done.stderr.split()), (command, done.stderr)
    assert fetch(database_url, select(routing_table)) == before
    done = one_window_here("routing", "check", hole, database=database_url)
    assert done.returncode == 1
    assert re.search(r"error no_lead: .*\[education_aid in \d+ on [\d-]+", done.stdout)
    assert one_window_here("routing", "diff", "3", "9" * 12, database=database_url).returncode == 2
    processes = [f"import {faulty}", f"import {tmp_path}/none.csv"]
    calls = [partial(one_window, "routing", *command.split(), database=database_url) for command in processes]
    for command, done in zip(processes, side_by_side(*calls), strict=True):
        assert wrong[command] in refused(done)

"""The conformance kit: departments that do everything right pass, and each that does one thing wrong fails just that."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.conformance.bench import Plan
from app.conformance.case import Outcome, Report
from app.conformance.page import page
from app.conformance.player import CHAPTERS, play
from app.conformance.report import junit, lines
from app.signing import new_secret
from tests import departments as d
from tests.certificates import Authority, server_context
from tests.commands import one_window, one_window_here, refused
from tests.serving import free_port

SECRET, NEXT_SECRET = new_secret(), new_secret()
AUTHORITY = Authority()
PLAIN = str(Path(__file__).parent / "__init__.py")  # empty
CASES = {case.number: case for chapter in CHAPTERS for case in chapter.cases}
TAKING = set(range(1, 18))
REPEATING = set(range(41, 50))
AT_ONCE = 8

FAIL: dict[type[d.Department], set[int]] = {
    d.Department: set(),
    d.AsksForEarlyOnesAgain: set(),
    d.AsksThePersonFirst: set(),
    d.HasAnotherSecret: TAKING | REPEATING | {51},
    d.Redirects: TAKING | REPEATING | {51},
    d.RefusesSupplements: {2, 44},
    d.RefusesUrging: {3},
    d.RefusesCancellations: {4, 45, 57},
    d.RefusesEmergencies: {5},
    d.RefusesTypesItDoesNotKnow: {6},
    d.RefusesFieldsItDoesNotKnow: {7},
    d.StoresThreeBytesOfUtf8: {8},
    d.SignsWhatItParsed: {9},
    d.TakesSmallBodies: {10},
    d.HangsOverLargeBodies: {10},
    d.LooksAtTheFirstSignature: {11, 12},
    d.LooksAtTheLastSignature: {12},
    d.KnowsTheOldSecretOnly: {13},
    d.MindsLettersOfHeaders: {14},
    d.AllowsOneMinute: {15},
    d.RefusesNewLimits: {16},
    d.RefusesExtensions: {17},
    d.VerifiesNothing: {21, 22, 23, 24, 25, 26, 30, 31, 32, 43, 59},
    d.NeverMindsTheTime: {25, 26, 59},
    d.MindsTheFutureOnly: {25, 59},
    d.MindsThePastOnly: {26, 59},
    d.CrashesWithoutAHeader: {27, 28, 29, 36},
    d.TakesAnyVersion: {30, 59},
    d.CrashesOverSignatures: {31},
    d.CrashesOverTimestamps: {32},
    d.CrashesOverBodies: {33, 34, 35},
    d.TakesAnythingSigned: {33, 34, 35},
    d.DiesOfABody: {35, 36, 51} | REPEATING,
    d.AnswersGet: {37},
    d.WorksOnWhatItRefused: {59, 60},
    d.WorksOnEveryRepeat: {60},
    d.LooksBeforeItLeaps: {60},
    d.RefusesRepeats: {41, 42},
    d.RemembersForgedIds: {60},
    d.RefusesEarlyOnes: {44, 45},
    d.ForgetsCancellations: {61},
    d.TakesOneMessagePerConnection: {46},
    d.WantsConnectionsKept: {47},
    d.ServesOneAtATime: {42, 48},
    d.NeverReports: {51},
    d.ReportsElsewhere: {51},
    d.NeverSigns: {51},
    d.NeverAccepts: {52, 53},
    d.CompletesBeforeItAccepts: {52, 53},
    d.NeverCompletes: {53},
    d.GivesUpAt503: {54},
    d.GivesUpWhenCutOff: {55},
    d.RepeatsWithANewId: {54, 55},
    d.GivesUpOnItsCoHandlers: {56},
    d.InsistsOnWhatWasRefused: {70},
    d.WorksBeforeItAnswers: {58},
    d.SignsWithAnotherSecret: {62},
    d.SignsAnotherBody: {62},
    d.StampsMilliseconds: {63},
    d.HasASlowClock: {63},
    d.NamesNoContentType: {64},
    d.NamesNoId: {62, 64},
    d.TellsNoZone: {65},
    d.TellsTheFuture: {65},
    d.TellsNoOutcome: {65},
    d.UsesOneIdPerHandoff: {66},
    d.NamesAnotherHandoff: {67},
    d.TimeRunsBackwards: {68},
    d.RepeatsWhatWasTaken: {69},
}


def plan(endpoint: str) -> Plan:
    """The limits are met at once by who does it right, and run out only for who never does."""
    return Plan(endpoint, SECRET, NEXT_SECRET, callbacks=True, listen=("127.0.0.1", 0), within=10, wait=10)


def played(kinds: Collection[type[d.Department]]) -> dict[type[d.Department], Report]:
    async def one(kind: type[d.Department], turn: asyncio.Semaphore) -> Report:
        async with turn, kind(SECRET, NEXT_SECRET) as endpoint:
            return await play(plan(endpoint))

    async def run() -> dict[type[d.Department], Report]:
        turn = asyncio.Semaphore(AT_ONCE)
        return dict(zip(kinds, await asyncio.gather(*(one(kind, turn) for kind in kinds)), strict=True))

    return asyncio.run(run())


def test_each_department_fails_the_cases_that_it_should_and_no_others() -> None:
    """In one test: they are played at once."""
    wrong = {}
    for kind, report in played(FAIL).items():
        assert [each.case.number for each in report.results] == list(CASES)
        if report.failed != FAIL[kind]:
            failed = [line for each in report.results if each.outcome is Outcome.FAILED for line in lines(each)]
            wrong[kind.__name__] = ("should fail", sorted(FAIL[kind]), "failed", *failed)
    assert wrong == {}


@pytest.fixture(scope="module")
def reports() -> dict[type[d.Department], Report]:
    """Of some, for looking at what is written about them."""
    return played((d.RefusesUrging, d.NeverReports, d.NeverAccepts))


def test_every_case_has_somebody_who_fails_it() -> None:
    assert set().union(*FAIL.values()) == set(CASES)
    assert len(CASES) >= 25
    assert list(CASES) == sorted(CASES)


@contextmanager
def a_department_of_the_demo(*secrets: str) -> Iterator[str]:
    with d.process(sys.executable, "-m", "app.demo.departments", "one") as department:
        assert department.stdin is not None
        assert department.stdout is not None
        port = json.loads(department.stdout.readline())["ports"]["one"]
        given = {"service": "http://127.0.0.1:9", "secrets": {"one": " ".join(secrets)}}
        department.stdin.write(json.dumps(given) + "\n")
        department.stdin.flush()
        yield f"http://127.0.0.1:{port}/one-window"


def test_the_departments_of_the_demo_pass_by_command_and_the_reports_say_so(tmp_path: Path) -> None:
    files = tmp_path / "report.xml", tmp_path / "report.html"
    secrets = ("--secret", SECRET, "--next-secret", NEXT_SECRET, "--callbacks", "--listen", "127.0.0.1:0")
    with a_department_of_the_demo(SECRET, NEXT_SECRET) as endpoint:
        done = one_window("conformance", endpoint, *secrets, "--junit", str(files[0]), "--html", str(files[1]))
    assert done.returncode == 0, done.stdout
    assert f"{len(CASES)} passed, 0 failed, 0 skipped" in done.stdout
    suite = ElementTree.parse(files[0]).getroot()[0]
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == [str(len(CASES)), "0", "0"]
    assert f"{len(CASES)} passed" in files[1].read_text("utf-8")


def test_a_wrong_secret_fails_by_command_and_no_report_holds_a_secret(tmp_path: Path) -> None:
    files = tmp_path / "report.xml", tmp_path / "report.html"
    with a_department_of_the_demo(SECRET) as endpoint:
        address = endpoint.replace("://", "://somebody:password@") + "?token=hidden"
        options = ("--secret", NEXT_SECRET, "--junit", str(files[0]), "--html", str(files[1]))
        done = one_window("conformance", address, *options)
    assert done.returncode == 1
    assert f"  1  未通过 FAILED   {CASES[1].name.zh} · {CASES[1].name.en}" in done.stdout
    assert f"what to do: {CASES[1].advice.zh} · {CASES[1].advice.en}" in done.stdout
    written = [done.stdout, done.stderr, *(file.read_text("utf-8") for file in files)]
    assert [secret for secret in (NEXT_SECRET, "password", "hidden") if any(secret in text for text in written)] == []
    assert endpoint in written[-1]


def test_the_secret_may_come_by_standard_input() -> None:
    with a_department_of_the_demo(SECRET) as endpoint:
        done = subprocess.run(
            [sys.executable, "-m", "app", "conformance", endpoint, "--secret", "-"],
            input=SECRET + "\n",
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout
    assert "0 failed" in done.stdout


def test_without_callbacks_and_a_second_secret_those_cases_are_not_played() -> None:
    async def run() -> Report:
        async with d.Department(SECRET, SECRET) as endpoint:
            return await play(Plan(endpoint, SECRET, within=10))

    report = asyncio.run(run())
    skipped = {each.case.number for each in report.results if each.outcome is Outcome.SKIPPED}
    assert report.failed == set()
    assert skipped == {13, *(number for number in CASES if number > 50)}


def test_where_nobody_answers_the_first_case_says_so_and_the_others_are_not_played() -> None:
    report = asyncio.run(play(Plan(f"http://127.0.0.1:{free_port()}/", SECRET, within=10)))
    assert report.failed == {1}
    assert report.count(Outcome.SKIPPED) == len(CASES) - 1
    assert report.results[0].came[0].en.endswith("no connection")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The options that show who we are and say whom we trust, each with its file."""
    client = AUTHORITY.issue("one-window.example")
    texts = {"--ca": AUTHORITY.certificate, "--client-certificate": client.certificate, "--client-key": client.key}
    for option, text in texts.items():
        (tmp_path / option).write_text(text)
    return {option: str(tmp_path / option) for option in texts}


def test_a_department_that_asks_who_we_are_is_shown_the_client_certificate_by_command(
    files: dict[str, str], tmp_path: Path
) -> None:
    def tried(endpoint: str, *options: str) -> subprocess.CompletedProcess[str]:
        given = [part for option in options for part in (option, files[option])]
        return one_window_here("conformance", endpoint, "--secret", SECRET, *given, database="")

    async def run(*options: str) -> subprocess.CompletedProcess[str]:
        department = d.Department(SECRET, SECRET)
        department.tls = server_context(AUTHORITY.issue(), tmp_path, clients=AUTHORITY)
        department.tls.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 its hanging up may overtake what it says
        async with department as endpoint:
            return await asyncio.to_thread(tried, endpoint, *options)

    shown = asyncio.run(run(*files))
    assert (shown.returncode, " 0 failed" in shown.stdout) == (0, True), shown.stdout
    for too_little in ((), ("--ca",), ("--client-certificate", "--client-key")):
        refusal = asyncio.run(run(*too_little))
        assert refusal.returncode == 1
        assert "0 passed, 1 failed" in refusal.stdout
        assert "→ TLS failed" in refusal.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ftp://a.example/", "--secret", SECRET), "The endpoint is a whole address"),
        (("http://127.0.0.1:9/", "--secret", "whsec_short"), "--secret: write it as the operator gave it"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--next-secret", "x"), "--next-secret: write it"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--listen", "8090"), "--listen: write HOST:PORT"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--junit", "/no/such/folder/x.xml"), "There is no folder for"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--ca", "/no/ca.pem"), "/no/ca.pem can't be read as PEM"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--ca", PLAIN), "The CA bundle can't be read"),
        (("http://127.0.0.1:9/", "--secret", SECRET, "--client-key", PLAIN), "belong together"),
        (
            ("http://127.0.0.1:9/", "--secret", SECRET, "--callbacks", "--listen", "192.0.2.1:8090"),
            "can't listen on 192.0.2.1:8090",
        ),
    ],
)
def test_what_cannot_be_played_is_said_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(one_window_here("conformance", *arguments, database=""))


def test_the_text_says_what_was_sent_expected_and_came_and_what_to_do(
    reports: dict[type[d.Department], Report],
) -> None:
    result = next(each for each in reports[d.RefusesUrging].results if each.case.number == 3)
    told = list(lines(result))
    assert told[0] == "  3  未通过 FAILED   催办消息 · An urging"
    assert [line.split()[1].rstrip(":") for line in told[1:]] == ["sent", "expected", *["came"] * 3, "what"]
    assert re.search(r"handoff.urged → 422 \(\d+ ms\)", told[4])


def test_junit_counts_and_names_every_case(reports: dict[type[d.Department], Report]) -> None:
    report = reports[d.NeverReports]
    suite = ElementTree.fromstring(junit(report))[0]
    skipped = sum(each.outcome is Outcome.SKIPPED for each in report.results)
    assert skipped > 10
    assert (suite.get("failures"), suite.get("skipped")) == ("1", str(skipped))
    assert [int((each.get("name") or "").split()[0]) for each in suite] == list(CASES)
    (failure,) = suite.iter("failure")
    assert CASES[51].advice.en in (failure.text or "")
    assert len(list(suite.iter("skipped"))) == skipped


class Page(HTMLParser):
    """What a page says, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe") or {"src", "href"} & {name for name, _ in attributes}:
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        self.said.append(" ".join(data.split()))


def test_the_page_holds_every_case_in_both_languages_and_fetches_nothing(
    reports: dict[type[d.Department], Report],
) -> None:
    text = page(reports[d.NeverAccepts])
    shown = Page(text)
    assert shown.fetched == []
    assert re.findall(r"(?<!_)url\(|@import|https?://(?!127\.0\.0\.1)", text) == []
    for case in CASES.values():
        for part in (case.name, case.sent, case.expected, case.advice):
            assert {" ".join(part.zh.split()), " ".join(part.en.split())} <= set(shown.said)


def test_what_an_endpoint_answers_is_shown_as_text_and_never_as_markup() -> None:
    class Shouts(d.Department):
        def refuse(self, headers: object, body: bytes) -> d.web.Response:
            return d.web.Response(text="<script>alert(1)</script>\x1b[31m", status=500)

    async def run() -> Report:
        async with Shouts(SECRET, SECRET) as endpoint:
            return await play(Plan(endpoint, SECRET, within=10))

    report = asyncio.run(run())
    assert 21 in report.failed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page(report)
    assert "<script" not in page(report)
    assert "\x1b" not in "".join(line for each in report.results for line in lines(each))


def test_every_text_stands_in_both_languages() -> None:
    for case in CASES.values():
        for text in (case.name, case.sent, case.expected, case.advice):
            assert re.search("[一-鿿]", text.zh) or text.zh == "2xx", text
            assert text.en, text
            assert not re.search("[一-鿿]", re.sub("[𠮷𬱖]", "", text.en)), text

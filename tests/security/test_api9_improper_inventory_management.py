"""API9:2023 Improper inventory management: a route that nobody remembers, an old version that nobody mends.

Held by tests/test_rights.py::test_every_route_is_in_the_table (every route is in the document and has its roles; what is not
documented is listed), tests/test_openapi.py::test_the_committed_document_is_the_applications,
tests/security/test_matrix.py::test_the_tables_hold_every_route_of_the_application_with_the_roles_that_it_names; and here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import __version__
from tests.running import Running
from tests.test_openapi import DOCUMENT

FORGOTTEN = [
    *(
        "/v0/requests",
        "/v2/requests",
        "/api/requests",
        "/requests",
        "/internal",
        "/admin",
        "/debug",
        "/test",
        "/console",
    ),
    *(
        "/.git/config",
        "/.env",
        "/backup.sql",
        "/one-window.sqlite3",
        "/redoc",
        "/swagger.json",
        "/docs/oauth2-redirect",
    ),
    *("/graphql", "/actuator", "/server-status", "/phpinfo.php", "/v1", "/v1/", "/static/", "/docs/assets/../main.py"),
]
ROOT = Path(__file__).parents[2]


def test_there_is_one_version_and_it_is_the_one_that_runs() -> None:
    assert {path.split("/")[1] for path in DOCUMENT["paths"]} == {"v1", "health", "metrics"}
    assert DOCUMENT["info"]["version"] == __version__
    assert not any(call.get("deprecated") for calls in DOCUMENT["paths"].values() for call in calls.values())


def test_nothing_answers_where_nothing_should_be(service: Running) -> None:
    for client in (service.client(None), service.client("admin")):
        for path in FORGOTTEN:
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def pages() -> list[Path]:
    return [ROOT / "docs" / "security.md", *sorted(Path(__file__).parent.glob("test_api*.py"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_test_that_is_named_as_proof_is_there(page: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text("utf-8"))
    assert named
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"


def test_each_of_the_ten_has_its_file() -> None:
    assert [each.name.split("_")[1] for each in sorted(pages()[1:], key=lambda p: int(p.name.split("_")[1][3:]))] == [
        f"api{number}" for number in range(1, 11)
    ]

"""schemathesis drives the live service through every operation of its OpenAPI document, with all checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from app.keys import KeyRole
from tests import serving

LEAST_CASES = 2_000
EXAMPLES = os.environ.get("ONE_WINDOW_TEST_EXAMPLES", "8")
SEED = os.environ.get("ONE_WINDOW_TEST_SEED", "360803")
AGENCY = "360803-civil-affairs"

# Every call gets its key from us: one that is generated without is answered like any other, and rightly so.
# What JSON Schema has no word for is refused with 422: codes that do not exist, check digits, a cursor that is none.
# What a file is is found by its content (415).
# A change needs the entity tag that was read (412, 428), and an endpoint is not tried all the time (429).
CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "415", "422", "428", "429"]

# What is longer than it may be can be too large as a whole, too: 413.
[checks.negative_data_rejection]
expected-statuses = ["4xx"]

[generation]
with-security-parameters = false

# Of many callbacks each is refused on its own, in an answer of 200.
[[operations]]
include-path = "/v1/callbacks"
checks.negative_data_rejection.expected-statuses = ["2xx", "4xx"]
"""


def _keys_by_tag(url: str) -> str:
    roles = {
        "requests": (KeyRole.INTAKE, None),
        "emergencies": (KeyRole.COORDINATOR, None),
        "handoffs": (KeyRole.AGENCY, AGENCY),
        "agencies": (KeyRole.ADMIN, None),
        "callbacks": (KeyRole.AGENCY, AGENCY),
        "proof": (KeyRole.COORDINATOR, None),
        "guest links": (KeyRole.COORDINATOR, None),
        "deliveries": (KeyRole.COORDINATOR, None),
        "staff": (KeyRole.SECURITY, None),
        "subscriptions": (KeyRole.ADMIN, None),
        "routing": (KeyRole.COORDINATOR, None),
        "calendar": (KeyRole.COORDINATOR, None),
        "keys": (KeyRole.SECURITY, None),
        "kiosks": (KeyRole.COORDINATOR, None),
        "operation": (KeyRole.COORDINATOR, None),
    }
    # Nothing is learnt by waiting: the operation of its own goes before that of its tag.
    inbox = f"""
[[operations]]
include-name = "GET /v1/handoffs"
parameters = {{ wait = 0 }}
headers = {{ Authorization = "Bearer {serving.make_key(url, KeyRole.AGENCY, AGENCY)}" }}

[[operations]]
include-name = "POST /v1/emergencies"
headers = {{ Authorization = "Bearer {serving.make_key(url, KeyRole.INTAKE)}", Prefer = "wait=0" }}

[[operations]]
include-path-regex = "^/v1/kiosk(/|$)"
headers = {{ Authorization = "Bearer {serving.make_key(url, KeyRole.KIOSK)}" }}
"""
    return inbox + "\n".join(
        f'[[operations]]\ninclude-tag = "{tag}"\n'
        f'headers = {{ Authorization = "Bearer {serving.make_key(url, role, agency)}" }}'
        for tag, (role, agency) in roles.items()
    )


def test_no_generated_call_gets_a_5xx_or_an_answer_that_is_not_declared(database_url: str, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    hooks = Path(__file__).parent / "contract_hooks.py"
    config.write_text(f'hooks = "{hooks}"\n{CHECKS}{_keys_by_tag(database_url)}')
    service = serving.Service(database_url, log=tmp_path / "service.log").wait_until()
    options = ["--checks", "all", "--max-examples", EXAMPLES, "--seed", SEED, "--no-color", "--continue-on-failure"]
    try:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
                f"{service.address}/openapi.json",
                *options,
            ],
            capture_output=True,
            text=True,
            timeout=3600,
            cwd=tmp_path,
        )
    finally:
        service.stop()
    found = re.search(r"(\d+) generated", run.stdout)
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]
    assert found is not None
    assert int(found[1]) >= LEAST_CASES, f"only {found[1]} cases"
    log = (tmp_path / "service.log").read_text()
    assert "unexpected_error" not in log, log[-4_000:]

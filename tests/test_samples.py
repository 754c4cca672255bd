"""The signed sample set, and the endpoints that the integration guide prints: whoever copies them has what works."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError, webhooks

from app.conformance.samples import messages, sample_set
from app.signing import new_secret
from tests import departments
from tests.commands import one_window, said
from tests.serving import free_port

SECRET = new_secret()
ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "openapi" / "examples"
OPENAPI: dict[str, Any] = json.loads((ROOT / "openapi" / "openapi.json").read_text("utf-8"))
SAMPLES: dict[str, dict[str, Any]] = {file.name: json.loads(file.read_bytes()) for file in FOLDER.glob("*.json")}
GUIDE = (ROOT / "docs" / "integrating.md").read_text("utf-8")
needs_node = pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="no Node here")

VERIFY = """
import { readFileSync, readdirSync } from "node:fs";
import { Webhook } from "standardwebhooks";

let verified = 0, refused = 0;
for (const name of readdirSync(process.argv[2])) {
  const { secret, next_secret, headers, body } = JSON.parse(readFileSync(`${process.argv[2]}/${name}`, "utf8"));
  Date.now = () => Number(headers["webhook-timestamp"]) * 1000;
  for (const each of [secret, next_secret].filter(Boolean)) {
    const message = new Webhook(each).verify(body, headers);
    if (message.type && message.data) verified += 1;
    try { new Webhook(each).verify(body + " ", headers); } catch { refused += 1; }
  }
}
console.log(JSON.stringify({ verified, refused }));
"""


def test_the_committed_samples_are_those_that_the_command_writes(tmp_path: Path) -> None:
    committed = {file.name: file.read_bytes() for file in FOLDER.iterdir()}
    assert committed == sample_set(), "one-window samples openapi/examples"
    assert said("samples", str(tmp_path), database="") == f"{len(committed)} samples in {tmp_path}."
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == committed


def test_every_message_of_the_api_has_its_sample_and_it_is_valid() -> None:
    for kind, described in OPENAPI["webhooks"].items():
        schema = described["post"]["requestBody"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": OPENAPI["components"]})
        # One form of notice is that of many types; `notice.request` begins as all of its types do.
        name = f"notice-{kind.removeprefix('notice.')}." if kind.startswith("notice.") else f"{kind}.json"
        (sample,) = [each for file, each in SAMPLES.items() if file.startswith(name)]
        validator.validate(json.loads(sample["body"]))
    assert {f"{kind}.json" for kind in messages()} < set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_verifies_with_the_python_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = SAMPLES[name]
    sent = datetime.fromtimestamp(int(sample["headers"]["webhook-timestamp"]), UTC)

    class Then(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Then:
            return cls.fromtimestamp(sent.timestamp(), tz)

    monkeypatch.setattr(webhooks, "datetime", Then)
    for secret in (sample["secret"], sample.get("next_secret", sample["secret"])):
        assert Webhook(secret).verify(sample["body"], sample["headers"]) == json.loads(sample["body"])
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(sample["body"] + " ", sample["headers"])


@needs_node
def test_the_samples_verify_with_the_npm_library(tmp_path: Path) -> None:
    install = ("npm", "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), "standardwebhooks@1")
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"npm can't install here: {done.stderr.strip().splitlines()[-1:]}")
    (tmp_path / "verify.mjs").write_text(VERIFY)
    run = subprocess.run(
        ["node", str(tmp_path / "verify.mjs"), str(FOLDER)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    signatures = sum(2 if "next_secret" in each else 1 for each in SAMPLES.values())
    assert json.loads(run.stdout) == {"verified": signatures, "refused": signatures}


def printed(marker: str, language: str) -> str:
    """The code block of the guide that holds `marker`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if marker in block)
    return str(found)


def test_the_endpoint_that_the_guide_prints_in_python_passes(tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "receive.py"
    file.write_text(printed("ThreadingHTTPServer((", "python").replace("9000", str(port)))
    passes((sys.executable, str(file)), port)


@needs_node
def test_the_endpoint_that_the_guide_prints_for_node_passes(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "signing.mjs").write_text(printed("timingSafeEqual(offered", "js"))
    file = tmp_path / "receive.mjs"
    file.write_text(printed("createServer((", "js").replace("9000", str(port)))
    passes(("node", str(file)), port)


def passes(command: tuple[str, ...], port: int) -> None:
    with departments.process(*command, out=subprocess.DEVNULL, SECRET=SECRET) as endpoint:
        ends = time.monotonic() + 30
        while endpoint.poll() is None and time.monotonic() < ends:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        done = one_window("conformance", f"http://127.0.0.1:{port}/one-window", "--secret", SECRET)
    assert done.returncode == 0, done.stdout
    assert " 0 failed" in done.stdout

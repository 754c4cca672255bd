"""The files of the kiosk's page as they are served: light, whole, kept by the device, and to themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.pages import kiosk_files
from app.pages.catalogues import english
from tests.running import Running

MOST_BYTES = 150_000
FOLDER = Path(kiosk_files.__file__).parent / "kiosk"
EVERYTHING = sorted(set(kiosk_files.files()) - {"index.html"})


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    folder = tmp_path / "voices"
    for name in ("zh/start.mp3", "gan/start.mp3", "gan/who.mp3", "gan/name.txt", "zh/Not A Screen.mp3", "secret.mp3"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes("赣语".encode() if name.endswith("txt") else b"ID3")
    return folder


@pytest.fixture
def client(run_service: Callable[..., Running], voices: Path) -> httpx.Client:
    return run_service(kiosk_voices=voices).client(None)


def test_all_of_it_weighs_less_than_150_kb_unpacked(client: httpx.Client) -> None:
    weights = {name: len(client.get(f"/kiosk/{name}").content) for name in ["", *EVERYTHING]}
    assert min(weights.values()) > 0
    assert sum(weights.values()) < MOST_BYTES, weights


@pytest.mark.parametrize(
    ("name", "kind"), [("", "text/html; charset=utf-8"), ("main.js", "text/javascript; charset=utf-8")]
)
def test_a_file_has_its_kind_is_packed_and_is_sent_again_only_when_it_is_another(
    client: httpx.Client, name: str, kind: str
) -> None:
    packed = client.get(f"/kiosk/{name}")
    plain = client.get(f"/kiosk/{name}", headers={"accept-encoding": "identity"})
    assert packed.headers["content-type"] == plain.headers["content-type"] == kind
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    again = client.get(f"/kiosk/{name}", headers={"if-none-match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/kiosk/{name}", headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_it_runs_its_own_scripts_only_and_the_camera_is_its_own(client: httpx.Client) -> None:
    page = client.get("/kiosk/")
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"):
        assert part in policy.split("; ")
    assert "camera=(self)" in page.headers["permissions-policy"]
    assert "camera=()" in client.get("/sign-in").headers["permissions-policy"]
    for name in EVERYTHING:
        text = client.get(f"/kiosk/{name}").text
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), f"{name} names another place"
        assert not re.search(r"\.innerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage", text), name
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page.text)


def test_every_module_is_fetched_at_once_and_every_file_is_kept_for_the_time_without_a_line(
    client: httpx.Client,
) -> None:
    page, worker = client.get("/kiosk/").text, client.get("/kiosk/sw.js").text
    modules = {name for name in EVERYTHING if name.endswith(".js")} - {"sw.js", "main.js"}
    assert set(re.findall(r'modulepreload" href="/kiosk/([^"]+)"', page)) == modules
    kept = json.loads(re.search(r"FILES = (\[.*?\]);", worker)[1])  # type: ignore[index]
    assert set(kept) == {"/kiosk/", *(f"/kiosk/{name}" for name in EVERYTHING if name != "sw.js")}
    manifest = client.get("/kiosk/manifest.webmanifest").json()
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/kiosk/", "/kiosk/", "fullscreen")
    assert client.get("/kiosk/texts.en.json").json() == dict(english("kiosk"))


def test_another_file_makes_another_service_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = kiosk_files.files()["sw.js"].tag
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "kiosk.css").write_bytes(b"body { color: black }")
    monkeypatch.setattr(kiosk_files, "_FOLDER", tmp_path)
    assert kiosk_files.files.__wrapped__()["sw.js"].tag != before


def test_recorded_prompts_are_listed_and_served_and_nothing_else_of_the_folder(client: httpx.Client) -> None:
    assert client.get("/kiosk/voices.json").json() == {
        "gan": {"name": "赣语", "screens": ["start", "who"]},
        "zh": {"name": "zh", "screens": ["start"]},
    }
    found = client.get("/kiosk/voices/gan/start.mp3")
    assert (found.status_code, found.content, found.headers["content-type"]) == (200, b"ID3", "audio/mpeg")
    for wrong in (
        "gan/home.mp3",
        "gan/name.txt",
        "../secret.mp3",
        "..%2F/secret.mp3",
        "zh/..%2Fsecret.mp3",
        "GAN/start.mp3",
    ):
        assert client.get(f"/kiosk/voices/{wrong}").status_code == 404, wrong


def test_without_a_folder_there_are_no_recordings(service: Running) -> None:
    client = service.client(None)
    assert client.get("/kiosk/voices.json").json() == {}
    assert client.get("/kiosk/voices/zh/start.mp3").status_code == 404


def test_the_address_without_its_slash_and_files_that_are_not_there(client: httpx.Client) -> None:
    assert (client.get("/kiosk").status_code, client.get("/kiosk").headers["location"]) == (308, "/kiosk/")
    for wrong in ("nothing.js", "index.htm", "kiosk_files.py", "..%2Fpage.py"):
        assert client.get(f"/kiosk/{wrong}").status_code == 404, wrong


def test_every_message_is_found_by_the_extractor() -> None:
    """Each call of `_` with a text, also in a template, stands in the catalogue."""
    said = {
        text for file in FOLDER.glob("*.js") for text in re.findall(r'(?<![\w.])_\("([^"]+)"', file.read_text("utf-8"))
    }
    assert said == set(english("kiosk"))

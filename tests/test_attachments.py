"""Attachments: taken by a form, cleaned, sealed, shown to whom a rule opens them, by links that open once."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pikepdf
import pillow_heif
import psutil
import pytest
from PIL import Image, ImageCms
from sqlalchemy import select, update

from app import attachments, file_sweep
from app.api import forms
from app.cleaning.faults import Fault
from app.db import Database
from app.file_store import Folder
from app.identifiers import now
from app.office import store_of
from app.tables import (
    api_key,
    attachment,
    delivery,
    file_to_remove,
    handoff,
    reading,
    staff_account,
    used_link,
)
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, VERIFICATION, County, Seen
from tests.people import Person
from tests.plans import plan_of
from tests.running import Running
from tests.watching import bodies, change, count, fetch, on, until

TITLE = "独孤测试甲的诊断证明"
GPS = {1: "N", 2: (27.0, 6.0, 36.0), 3: "E", 4: (115.0, 0.0, 0.0)}
CAMERA = "OneWindowTestCamera"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "papers"


@pytest.fixture
def papers(database_url: str, run_service: Callable[..., Running], folder: Path) -> County:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    return County(run_service(attachments=str(folder)), secrets)


def a_photo(form: str = "JPEG", size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    """Red on its left half, with a place, a camera and remarks in it."""
    image = Image.new("RGB", size, "white")
    image.paste((200, 10, 10), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0110] = CAMERA
    exif[0x0112] = more.pop("orientation", 1)
    exif.get_ifd(0x8825).update(GPS)
    out = io.BytesIO()
    image.save(out, form, exif=exif, **more)
    return out.getvalue()


def a_pdf(change_it: Callable[[pikepdf.Pdf], None] = lambda pdf: None, **saving: Any) -> bytes:
    pdf = pikepdf.new()
    pdf.add_blank_page()
    pdf.docinfo["/Author"] = CAMERA
    with pdf.open_metadata() as told:
        told["dc:creator"] = [CAMERA]
    change_it(pdf)
    out = io.BytesIO()
    pdf.save(out, **saving)
    return out.getvalue()


def add(
    client: httpx.Client,
    receipt: Seen,
    content: bytes | io.IOBase,
    name: str = "IMG_1.jpg",
    key: str = "",
    **fields: str,
) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    return client.post(path, files={"file": (name, content)}, data=fields, headers=headers)  # type: ignore[dict-item]


def added(county: County, receipt: Seen, content: bytes | None = None, **fields: str) -> Seen:
    answer = add(county.window, receipt, content or a_photo(), **fields)
    assert answer.status_code == 201, answer.text
    seen: Seen = answer.json()
    return seen


def link_to(client: httpx.Client, attachment_id: str) -> str:
    answer = client.get(f"/v1/attachments/{attachment_id}/link")
    assert answer.status_code == 200, answer.text
    return str(httpx.URL(answer.json()["link"]).path)


def opened(county: County, attachment_id: str) -> httpx.Response:
    return county.nobody.get(link_to(county.window, attachment_id))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_photograph_is_kept_upright_and_without_where_and_by_what_it_was_taken(papers: County) -> None:
    receipt = papers.ask("education_aid")
    sent = a_photo(orientation=6)
    assert CAMERA.encode() in sent
    seen = added(papers, receipt, sent, title=TITLE, material="diagnosis")
    assert (seen["kind"], seen["group"], seen["material"]) == ("image/jpeg", "health", "diagnosis")
    answer = opened(papers, seen["attachment_id"])
    assert answer.status_code == 200
    assert len(answer.content) == seen["size"]
    kept = Image.open(io.BytesIO(answer.content))
    assert kept.size == (40, 60), "turned as the camera was held"
    assert kept.getpixel((20, 5))[0] > 150 > kept.getpixel((20, 5))[1]  # type: ignore[index]
    assert not kept.getexif()
    assert "xmp" not in kept.info
    assert CAMERA.encode() not in answer.content
    for name, value in (
        ("content-type", "image/jpeg"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ):
        assert answer.headers[name] == value
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E7%8B%AC")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "HEIF", "grey", "palette", "cmyk", "sixteen bits", "profile"])
def test_every_kind_of_photograph_becomes_one_that_agencies_open(form: str, tmp_path: Path) -> None:
    """The cleaning process alone; it knows nothing of databases."""
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    match form:
        case "PNG" | "WEBP" | "HEIF":
            out = io.BytesIO(a_photo(form))
        case "grey":
            Image.new("LA", (9, 9), (100, 100)).save(out, "PNG")
        case "palette":
            Image.new("P", (9, 9), 3).save(out, "PNG", transparency=3)
        case "cmyk":
            Image.new("CMYK", (9, 9), (0, 200, 200, 0)).save(out, "JPEG")
        case "sixteen bits":
            Image.new("I;16", (9, 9), 40_000).save(out, "PNG")
        case "profile":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
            Image.new("RGB", (9, 9), "red").save(out, "JPEG", icc_profile=profile, comment=CAMERA)
    kind = {"PNG": "png", "WEBP": "webp", "HEIF": "heif", "cmyk": "jpeg", "profile": "jpeg"}.get(form, "png")
    done = clean(kind, out.getvalue())
    assert done.returncode == 0
    image = Image.open(io.BytesIO(done.stdout))
    assert image.format == ("PNG" if kind == "png" else "JPEG")
    assert image.mode in ("L", "LA", "RGB", "RGBA")
    assert CAMERA.encode() not in done.stdout
    assert not image.getexif()
    assert "icc_profile" not in image.info
    if form == "sixteen bits":
        assert image.getpixel((1, 1)) == 40_000 // 256


def clean(kind: str, content: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-m", "app.cleaning", kind]
    return subprocess.run(command, input=content, capture_output=True, timeout=60)


def test_a_pdf_is_kept_without_its_maker_and_without_what_runs_or_is_packed_in(papers: County) -> None:
    def arm(pdf: pikepdf.Pdf) -> None:
        script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        pdf.Root.OpenAction = script
        pdf.Root.Names = pikepdf.Dictionary(
            JavaScript=pikepdf.Dictionary(Names=pikepdf.Array(["x", pdf.make_indirect(script)]))
        )
        pdf.attachments["virus.exe"] = b"MZ packed in"
        launch = pikepdf.Dictionary(S=pikepdf.Name.Launch, F="calc.exe")
        web = pikepdf.Dictionary(S=pikepdf.Name.URI, URI="https://evil.example/")
        turn = pikepdf.Dictionary(S=pikepdf.Name.GoTo, D=pikepdf.Array([0, pikepdf.Name.Fit]))
        rect = pikepdf.Array([0, 0, 9, 9])
        pdf.pages[0].Annots = pikepdf.Array(
            [
                pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=rect, A=action)
                for action in (launch, web, turn)
            ]
        )
        pdf.pages[0].obj["/AA"] = pikepdf.Dictionary(O=script)
        photo = pdf.make_stream(a_photo(), Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, Width=60, Height=40)
        photo["/Filter"] = pikepdf.Name.DCTDecode
        photo["/ColorSpace"], photo["/BitsPerComponent"] = pikepdf.Name.DeviceRGB, 8
        pdf.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=photo))
        pdf.pages[0].Contents = pdf.make_stream(b"q 60 0 0 40 0 0 cm /Im0 Do Q")

    receipt = papers.ask("education_aid")
    seen = added(papers, receipt, a_pdf(arm) + b"<html>trailing</html>")
    assert seen["kind"] == "application/pdf"
    answer = opened(papers, seen["attachment_id"])
    kept = pikepdf.open(io.BytesIO(answer.content))
    assert len(kept.pages) == 1
    plain = io.BytesIO()
    kept.save(plain, qdf=True, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    for gone in (CAMERA, "JavaScript", "alert", "Launch", "calc", "evil", "packed in", "OpenAction", "trailing", "XMP"):
        assert gone.encode() not in plain.getvalue(), gone
    assert b"/GoTo" in plain.getvalue(), "turning to a page harms nobody"
    photo = kept.pages[0].Resources.XObject.Im0.read_raw_bytes()
    assert Image.open(io.BytesIO(photo)).size == (60, 40)


UNUSABLE = {
    "truncated": lambda: a_photo(size=(900, 900))[:5_000],
    "bomb": lambda: _bomb(),
    "no picture": lambda: b"\xff\xd8\xff\xe0" + b"nothing" * 50,
    "no pdf": lambda: b"%PDF-1.7\n" + b"nothing" * 50,
    "locked": lambda: a_pdf(encryption=pikepdf.Encryption(owner="a", user="b")),
}
REFUSED = {
    "page": b"<html><script>alert(1)</script>",
    "program": b"MZ\x90\0" + bytes(200),
    "gif": b"GIF89a" + bytes(100),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "zip": b"PK\x03\x04" + bytes(100),
    "one byte": b"\xff",
}


def _bomb() -> bytes:
    """Some 50 kB that would be 400 million pixels."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


def test_what_it_is_is_found_by_its_content_and_what_is_no_paper_is_refused_with_what_to_do(papers: County) -> None:
    receipt = papers.ask("education_aid")
    for what, make in UNUSABLE.items():
        answer = add(papers.window, receipt, make())
        assert code(answer) == (422, "file_unusable"), what
        assert len(answer.json()["detail"]) > 20
    for what, content in REFUSED.items():
        assert code(add(papers.window, receipt, content, name="photo.jpg")) == (415, "file_type_refused"), what
    assert code(add(papers.window, receipt, b"")) == (422, "validation_failed")
    assert "password" in add(papers.window, receipt, UNUSABLE["locked"]()).json()["detail"]
    assert added(papers, receipt, a_photo("PNG"), name="virus.exe")["kind"] == "image/png"
    assert count(papers.running.url, attachment) == {"attachment": 1}


def test_a_very_large_photograph_is_made_smaller_within_the_limits() -> None:
    for form, kind in (("JPEG", "jpeg"), ("PNG", "png")):
        out = io.BytesIO()
        Image.new("RGB", (12_000, 9_000), "red").save(out, form)
        done = clean(kind, out.getvalue())
        assert done.returncode == 0, form
        assert Image.open(io.BytesIO(done.stdout)).size == (6_000, 4_500)
    assert clean("png", _bomb()).returncode == Fault.TOO_LARGE


def test_a_photograph_that_is_something_else_too_is_only_a_photograph_afterwards(papers: County) -> None:
    receipt = papers.ask("education_aid")
    both = a_photo(comment=b"<script>alert(1)</script>") + b"PK\x03\x04<?php evil(); ?>%PDF-1.4"
    kept = opened(papers, added(papers, receipt, both)["attachment_id"]).content
    assert not re.search(rb"script|php|PDF|PK\x03\x04", kept)


def test_a_form_says_what_is_wrong_with_it(papers: County) -> None:
    receipt = papers.ask("education_aid")
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    answer = papers.window.post(path, json={})
    assert code(answer) == (415, "unsupported_media_type")
    answer = papers.window.post(path, files={"other": ("x", b"x")})
    assert answer.json()["errors"][0]["pointer"] == "/file"
    answer = add(papers.window, receipt, a_photo(), material="diagnosys")
    assert "diagnosis" in answer.json()["errors"][0]["detail"]
    answer = add(papers.window, receipt, a_photo(), titel="x")
    assert answer.json()["errors"][0]["code"] == "extra_forbidden"
    answer = papers.window.post(path, files=[("file", ("a", a_photo())), ("file", ("b", a_photo()))])
    assert answer.json()["errors"][0]["code"] == "field_twice"
    half = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + a_photo()
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert code(papers.window.post(path, content=half, headers=headers)) == (400, "malformed_form")
    assert code(papers.window.post(path, content=b"nonsense", headers=headers)) == (400, "malformed_form")
    assert code(add(papers.window, receipt, a_photo(), key="with spaces")) == (400, "malformed_header")
    assert count(papers.running.url, attachment) == {"attachment": 0}
    assert added(papers, receipt, title="", material="")["material"] is None, "what a browser left blank"


def test_more_than_20_mb_are_cut_off_while_they_come_and_memory_stays_bounded(papers: County) -> None:
    receipt = papers.ask("education_aid")
    here = psutil.Process()
    before = here.memory_info().rss
    sent = 0
    most = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent, most
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n\xff\xd8\xff'
        while True:
            most = max(most, here.memory_info().rss)
            sent += 256 * 1024
            yield bytes(256 * 1024)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    try:
        answer = papers.window.post(path, content=endless(), headers=headers)
        assert code(answer) == (413, "body_too_large")
    except httpx.TransportError:
        pass  # cut off before the answer was read
    assert 20 * 2**20 <= sent < 40 * 2**20
    assert most - before < 16 * 2**20, "the file is on the disk, not in memory"
    answer = add(papers.window, receipt, bytes(22 * 2**20))
    assert code(answer) == (413, "body_too_large"), "by the length that it declares"
    assert "20 MB" in answer.json()["detail"]


def test_a_slow_upload_is_cut_off_and_delays_nobody(papers: County, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "SILENCE_SECONDS", 0.5)
    receipt = papers.ask("education_aid")
    door = httpx.URL(papers.running.address)
    with socket.create_connection((door.host, door.port or 80)) as slow:
        head = f"POST /v1/requests/{receipt['request_id']}/attachments HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n"
        head += f"Authorization: {papers.window.headers['authorization']}\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        slow.sendall(head.encode())
        added(papers, receipt)
        slow.settimeout(20)
        told = slow.recv(4096)
    assert b" 408 " in told
    assert b"upload_too_slow" in told or b"connection: close" in told.lower()


def test_the_41st_is_refused_and_two_at_once_at_the_limit_are_one(papers: County) -> None:
    receipt = papers.ask("education_aid")
    first = added(papers, receipt)
    (row,) = fetch(papers.running.url, select(attachment))
    rows = [{**row, "id": uuid4(), "file": uuid4().hex} for _ in range(38)]
    change(papers.running.url, *(attachment.insert().values(**each) for each in rows))
    answers: list[httpx.Response] = []
    clients = [papers.window, papers.coordinator]
    at_once = [
        threading.Thread(target=lambda client=client: answers.append(add(client, receipt, a_photo())))
        for client in clients
    ]
    for each in at_once:
        each.start()
    for each in at_once:
        each.join()
    assert sorted(each.status_code for each in answers) == [201, 409]
    refusal = add(papers.window, receipt, a_photo())
    assert code(refusal) == (409, "attachments_full")
    assert "PDF" in refusal.json()["detail"]
    assert len(papers.window.get(f"/v1/requests/{receipt['request_id']}/attachments").json()["items"]) == 40
    assert first["attachment_id"]


def test_the_same_upload_again_is_the_same_attachment(papers: County) -> None:
    receipt, photo = papers.ask("education_aid"), a_photo()
    first = add(papers.window, receipt, photo, key="once", title="x")
    assert add(papers.window, receipt, photo, key="once", title="x").json() == first.json()
    assert code(add(papers.window, receipt, photo, key="once", title="y")) == (409, "idempotency_conflict")
    assert code(add(papers.window, receipt, photo + b"x", key="once", title="x")) == (409, "idempotency_conflict")
    assert count(papers.running.url, attachment) == {"attachment": 1}


def test_nothing_of_it_is_in_clear_on_the_disk_in_the_database_or_in_the_timeline(papers: County, folder: Path) -> None:
    receipt = papers.ask("education_aid")
    seen = added(papers, receipt, title=TITLE, material="diagnosis", name="zhangsan.jpg")
    content = opened(papers, seen["attachment_id"]).content
    (file,) = [each for each in folder.rglob("*") if each.is_file()]
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_bytes()
    assert len(kept) == len(content) + 16
    assert not any(content[at : at + 16] in kept for at in range(0, len(content) - 16, 16))
    (row,) = fetch(papers.running.url, select(attachment))
    assert TITLE.encode() not in row["sealed"]
    assert b"zhangsan" not in row["sealed"]
    event = next(each for each in papers.events(receipt) if each["kind"] == "attachment.added")
    assert event["data"] == {
        "attachment_id": seen["attachment_id"],
        "material": "diagnosis",
        "kind": "image/jpeg",
        "size": seen["size"],
    }
    assert event["note"]["title"] == TITLE, "sealed, and opened for the window"
    assert [each["kind"] for each in papers.events(receipt)][-1] == "attachment.opened"
    timeline = papers.window.get(f"/v1/requests/{receipt['request_id']}/timeline").json()
    assert timeline["intact"]


@pytest.mark.parametrize("harm", ["first piece", "last piece", "cut short", "swapped", "gone"])
def test_a_file_that_was_tampered_with_is_not_handed_out(papers: County, folder: Path, harm: str) -> None:
    receipt = papers.ask("education_aid")
    noise = Image.effect_noise((400, 400), 90)
    out = io.BytesIO()
    noise.save(out, "PNG")
    one, other = (added(papers, receipt, out.getvalue()) for _ in range(2))
    assert one["size"] > 2 * 64 * 1024
    file, second = (
        folder / UUID(each["attachment_id"]).hex[-2:] / UUID(each["attachment_id"]).hex for each in (one, other)
    )
    kept = bytearray(file.read_bytes())
    match harm:
        case "first piece":
            kept[100] ^= 1
        case "last piece":
            kept[-100] ^= 1
        case "cut short":
            del kept[64 * 1024 + 16 :]
        case "swapped":
            kept = bytearray(second.read_bytes())
    file.write_bytes(kept)
    if harm == "gone":
        file.unlink()
    path = link_to(papers.window, one["attachment_id"])
    if harm == "last piece":
        with pytest.raises(httpx.RemoteProtocolError):
            papers.nobody.get(path)
    else:
        assert code(papers.nobody.get(path)) == (500, "attachment_damaged")
    assert opened(papers, other["attachment_id"]).status_code == 200


def test_rows_that_were_exchanged_open_nothing_either(papers: County) -> None:
    receipt = papers.ask("education_aid")
    one, other = added(papers, receipt), added(papers, receipt)
    rows = {str(row["id"]): row for row in fetch(papers.running.url, select(attachment))}
    taken = {name: rows[other["attachment_id"]][name] for name in ("file", "sealed")}
    change(papers.running.url, update(attachment).where(attachment.c.id == UUID(one["attachment_id"])).values(**taken))
    assert code(opened(papers, one["attachment_id"])) == (500, "attachment_damaged")


def test_an_agency_sees_the_papers_that_its_rule_opens_and_no_others(papers: County) -> None:
    receipt = papers.ask("education_aid")
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    ids = {
        material: added(papers, receipt, material=material)["attachment_id"]
        for material in ("identity_document", "school_enrolment_record", "diagnosis", "house_safety_appraisal_form")
    }
    school = papers.running.client("agency", EDUCATION)
    opens = papers.handoff(receipt, EDUCATION)
    discloses = school.get(f"/v1/handoffs/{opens['handoff_id']}").json()["discloses"]
    groups = {"identity_document": "identity", "school_enrolment_record": "schooling", "diagnosis": "health"}
    groups["house_safety_appraisal_form"] = "dwelling"
    expected = {ids[material] for material, group in groups.items() if group in discloses}
    assert 0 < len(expected) < 4
    items = school.get(path).json()["items"]
    assert {each["attachment_id"] for each in items} == expected
    for material, attachment_id in ids.items():
        status = school.get(f"/v1/attachments/{attachment_id}/link").status_code
        assert status == (200 if attachment_id in expected else 404), material
    assert papers.nobody.get(link_to(school, min(expected))).status_code == 200
    event = papers.events(receipt)[-1]
    assert (event["kind"], event["actor"]) == ("attachment.opened", f"agency:{EDUCATION}")


def test_whoever_has_no_part_in_it_finds_nothing(papers: County) -> None:
    receipt = papers.ask("education_aid")
    attachment_id = added(papers, receipt, material="identity_document")["attachment_id"]
    path, link = f"/v1/requests/{receipt['request_id']}/attachments", f"/v1/attachments/{attachment_id}/link"
    for stranger in (papers.running.client("agency", "360803-verification-center"), papers.running.client("intake")):
        assert stranger.get(path).status_code == stranger.get(link).status_code == 404
    assert add(papers.running.client("intake"), receipt, a_photo()).status_code == 404
    auditor = papers.running.client("auditor")
    assert [each["title"] for each in auditor.get(path).json()["items"]] == [None]
    assert auditor.get(link).status_code == 403
    school = papers.running.client("agency", EDUCATION)
    opens = link_to(school, attachment_id)
    handoff_id = UUID(papers.handoff(receipt, EDUCATION)["handoff_id"])
    passed_on = update(handoff).where(handoff.c.id == handoff_id).values(status="returned", closed_at=now())
    change(papers.running.url, passed_on)
    assert school.get(path).status_code == school.get(link).status_code == 404, "it was passed on"
    assert papers.nobody.get(opens).status_code == 404, "nor by a link from before"


def test_an_agency_that_waits_for_its_turn_sees_nothing_yet(papers: County) -> None:
    receipt = papers.ask("medical_assistance_applied")
    added(papers, receipt, material="identity_document")
    path = f"/v1/requests/{receipt['request_id']}/attachments"
    assert papers.running.client("agency", VERIFICATION).get(path).status_code == 404
    assert len(papers.running.client("agency", TOWNSHIP).get(path).json()["items"]) == 1


def test_a_link_opens_once_for_five_minutes(papers: County, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = papers.ask("education_aid")
    attachment_id = added(papers, receipt)["attachment_id"]
    path = link_to(papers.window, attachment_id)
    assert papers.nobody.get(path).status_code == 200
    assert code(papers.nobody.get(path)) == (404, "not_found")
    other = link_to(papers.window, attachment_id)
    changed = other[:-30] + ("A" if other[-30] != "A" else "B") + other[-29:]
    assert code(papers.nobody.get(changed)) == (404, "not_found")
    late = now() + timedelta(minutes=5)
    monkeypatch.setattr("app.papers.now", lambda: late)
    assert code(papers.nobody.get(other)) == (404, "not_found")
    assert count(papers.running.url, used_link) == {"used_link": 1}
    url = papers.running.url
    assert on(url, lambda database: file_sweep.sweep(database, None, late)) == 0
    assert count(url, used_link) == {"used_link": 0}


def test_a_link_ends_with_its_key(papers: County) -> None:
    receipt = papers.ask("education_aid")
    attachment_id = added(papers, receipt, material="identity_document")["attachment_id"]
    path = link_to(papers.running.client("agency", EDUCATION), attachment_id)
    change(papers.running.url, update(api_key).where(api_key.c.role == "agency").values(revoked_at=now()))
    assert code(papers.nobody.get(path)) == (404, "not_found")


def test_the_agencies_that_are_shown_it_are_told_of_it_by_its_id_alone(papers: County) -> None:
    receipt = papers.ask("education_aid")
    seen = added(papers, receipt, title=TITLE, material="school_enrolment_record")
    supplemented = select(delivery.c.receiver).where(delivery.c.type == "handoff.supplemented")
    told = bodies(papers.running.url, supplemented)
    assert told
    listed = {
        agency
        for agency in {each["agency"] for each in receipt["handoffs"]}
        if papers.running.client("agency", agency)
        .get(f"/v1/requests/{receipt['request_id']}/attachments")
        .json()["items"]
    }
    assert {each["receiver"] for each in told} == listed
    for each in told:
        assert seen["attachment_id"].encode() in each["body"]
        assert TITLE.encode() not in each["body"]


def test_that_a_paper_is_named_to_an_agency_is_a_disclosure_which_the_person_reads(papers: County) -> None:
    receipt = papers.ask("education_aid")
    added(papers, receipt)
    assert [each for each in papers.events(receipt) if each["kind"] == "attachment.told"] == [], "an id tells nothing"
    seen = added(papers, receipt, material="school_enrolment_record")
    supplemented = select(delivery.c.receiver).where(delivery.c.type == "handoff.supplemented")
    named = {
        each["receiver"]
        for each in bodies(papers.running.url, supplemented)
        if b"school_enrolment_record" in each["body"]
    }
    told = [each for each in papers.events(receipt) if each["kind"] == "attachment.told"]
    assert {each["data"]["agency"] for each in told} == named != set()
    for each in told:
        mine = papers.handoff(receipt, each["data"]["agency"])
        assert (each["handoff_id"], each["data"]["attachment_id"]) == (mine["handoff_id"], seen["attachment_id"])
        assert (each["data"]["groups"], bool(each["data"]["legal_basis"])) == (["papers"], True)
    path = f"/v1/requests/{receipt['request_id']}/disclosures"
    listed = papers.running.client("auditor").get(path).raise_for_status().json()["items"]
    on_page = papers.nobody.get(f"/v1/track/{receipt['tracking_token']}").raise_for_status().json()["disclosures"]
    for items in (listed, on_page["newest"]):
        of_papers = [each for each in items if [shown["code"] for shown in each["shown"]] == ["papers"]]
        assert {each["agency"] for each in of_papers} == named
        assert {(each["way"], bool(each["legal_basis"])) for each in of_papers} == {("message", True)}


def test_what_has_ended_takes_nothing_more(papers: County) -> None:
    receipt = papers.ask("education_aid")
    papers.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={})
    assert code(add(papers.window, receipt, a_photo())) == (409, "already_closed")


def test_files_that_nobody_entered_are_swept_and_those_of_an_erased_request_go_at_once(
    papers: County, folder: Path
) -> None:
    url, files = papers.running.url, Folder(folder)
    receipt = papers.ask("education_aid")
    kept = added(papers, receipt)
    assert fetch(url, select(file_to_remove)) == []

    async def leave_behind(database: Database) -> None:
        """As a process does that is killed between writing a file and entering it."""
        await attachments._will_write(database, "ab" * 16)
        await files.put("ab" * 16, io.BytesIO(b"left"))

    on(url, leave_behind)
    assert on(url, lambda database: file_sweep.sweep(database, files, now())) == 0, "it may still be entered"
    later = now() + attachments._WRITTEN_WITHIN
    assert on(url, lambda database: file_sweep.sweep(database, files, later)) == 1
    names = [each.name for each in folder.rglob("*") if each.is_file()]
    assert names == [UUID(kept["attachment_id"]).hex]

    async def erase(database: Database) -> int:
        async with database.writing() as connection:
            return await attachments.forget_all(connection, UUID(receipt["request_id"]), now())

    path = link_to(papers.window, kept["attachment_id"])
    assert on(url, erase) == 1
    assert papers.nobody.get(path).status_code == 404
    assert papers.window.get(f"/v1/requests/{receipt['request_id']}/attachments").json()["items"] == []
    assert fetch(url, select(attachment))[0]["sealed"] is None
    assert on(url, lambda database: file_sweep.sweep(database, files, now())) == 1
    assert not [each for each in folder.rglob("*") if each.is_file()]


def test_the_sweep_reads_nothing_that_is_not_due(papers: County, backend: str) -> None:
    """By the plans, with two thousand files that are not due, and links that have not ended."""
    url, soon = papers.running.url, now() + timedelta(minutes=5)

    async def fill(database: Database) -> None:
        names = [uuid4() for _ in range(2_000)]
        async with database.writing() as connection:
            await connection.execute(file_to_remove.insert(), [{"file": each.hex, "due_at": soon} for each in names])
            used = [{"use_hash": each.bytes * 2, "ends_at": soon} for each in names]
            await connection.execute(used_link.insert(), used)

    on(url, fill)
    for query, index in (
        (file_sweep.due_by(now()), "ix_file_to_remove_due_at"),
        (file_sweep.ended_by(now()), "ix_used_link_ends_at"),
    ):
        plan = plan_of(url, query)
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan


def test_a_worker_sweeps(database_url: str, run_service: Callable[..., Running], folder: Path) -> None:
    place = folder / "cd" / ("cd" * 16)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"left")
    change(database_url, file_to_remove.insert().values(file="cd" * 16, due_at=now()))
    run_service(attachments=str(folder), embedded_worker=True)
    until(lambda: not place.exists(), what="the sweep")


def test_postgresql_is_told_where_attachments_are_kept(database_url: str, run_service: Callable[..., Running]) -> None:
    county = County(run_service(), {})
    answer = add(county.window, county.ask("education_aid"), a_photo())
    beside = store_of(serving.settings_for(database_url))
    assert answer.status_code == (201 if beside else 503), answer.text
    if not beside:
        assert answer.json()["code"] == "attachments_off"


def test_whoever_opens_a_paper_is_recorded_before_it_is_handed_out(papers: County) -> None:
    receipt = papers.ask("education_aid")
    attachment_id = added(papers, receipt, material="identity_document")["attachment_id"]
    school = papers.running.client("agency", EDUCATION)
    assert papers.nobody.get(link_to(school, attachment_id)).status_code == 200
    answer = papers.coordinator.get(f"/v1/attachments/{attachment_id}/link", params={"purpose": "complaint"})
    assert papers.nobody.get(httpx.URL(answer.json()["link"]).raw_path.decode()).status_code == 200
    rows = fetch(papers.running.url, select(reading).where(reading.c.way == "attachment").order_by(reading.c.id))
    part = UUID(papers.handoff(receipt, EDUCATION)["handoff_id"])
    assert [(row["role"], row["shown"], row["purpose"], row["stated"], row["handoff_id"]) for row in rows] == [
        ("agency", ["identity"], "handling", False, part),
        ("coordinator", ["identity"], "complaint", True, None),
    ]
    seen = papers.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()["disclosures"]["newest"]
    by_paper = [each["text_zh"] for each in seen if each["way"] == "attachment"]
    assert len(by_paper) == 2
    assert all("打开附件" in each for each in by_paper)


def test_a_coordinator_may_be_required_to_say_what_a_paper_is_opened_for(
    run_service: Callable[..., Running], folder: Path
) -> None:
    county = County(run_service(attachments=str(folder), reading_purpose_required=True), {})
    receipt = county.ask("education_aid")
    path = f"/v1/attachments/{added(county, receipt)['attachment_id']}/link"
    assert code(county.coordinator.get(path)) == (400, "purpose_needed")
    address = county.coordinator.get(path, params={"purpose": "supervision"}).json()["link"]
    assert code(county.nobody.get(httpx.URL(address).path)) == (400, "purpose_needed")
    assert county.nobody.get(httpx.URL(address).raw_path.decode()).status_code == 200, "it was not used up"


def test_a_link_ends_with_the_account_that_asked_for_it(papers: County) -> None:
    receipt = papers.ask("education_aid")
    attachment_id = added(papers, receipt, material="identity_document")["attachment_id"]
    liaison = Person.made(papers.running, "agency", agency_code=EDUCATION).signed_in()
    links = [
        str(httpx.URL(liaison.call("GET", f"/v1/attachments/{attachment_id}/link").json()["link"]).path)
        for _ in range(2)
    ]
    assert papers.nobody.get(links[0]).status_code == 200
    assert papers.events(receipt)[-1]["actor"] == f"staff:{liaison.staff_id}"
    change(papers.running.url, update(staff_account).values(disabled_at=now()))
    assert code(papers.nobody.get(links[1])) == (404, "not_found")

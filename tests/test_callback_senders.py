"""Who may report on a handoff: that very agency, proved by a fresh signature or by its key; for others it isn't there."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from app import agencies, signing
from app.db import Database
from tests import serving
from tests.county import CIVIL_AFFAIRS, EDUCATION, County, Seen, a_callback, signed
from tests.watching import until


def refused(county: County, receipt: Seen, answer: httpx.Response, status: int, code: str) -> str:
    """The detail of a refusal that has changed nothing."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert county.handoff(receipt, EDUCATION)["status"] == "dispatched"
    return str(answer.json()["detail"])


def test_a_wrong_signature_is_401(county: County, receipt: Seen, school: Seen) -> None:
    body = a_callback("accepted")
    good = signed(county.secrets[EDUCATION], body)
    tampered = a_callback("returned")
    other_id = {**good, "webhook-id": str(uuid.uuid4())}
    later = {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}
    other_version = {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}
    strangers = signed(signing.new_secret(), body)
    tries = [(tampered, good), (body, other_id), (body, later), (body, other_version), (body, strangers)]
    for content, headers in tries:
        refused(county, receipt, county.send(school, content, headers), 401, "signature_invalid")
    assert county.send(school, body, good).status_code == 200


def test_one_of_several_signatures_is_enough(county: County, school: Seen) -> None:
    body = a_callback("accepted")
    headers = signed(county.secrets[EDUCATION], body)
    headers["webhook-signature"] = f"v1a,AAAA v1,AAAA {headers['webhook-signature']}"
    assert county.send(school, body, headers).status_code == 200


def test_for_a_neighbour_agency_the_handoff_does_not_exist(county: County, receipt: Seen, school: Seen) -> None:
    body = a_callback("accepted")
    by_signature = county.send(school, body, signed(county.secrets[CIVIL_AFFAIRS], body))
    refused(county, receipt, by_signature, 404, "not_found")
    machine = county.running.client("agency", agency=CIVIL_AFFAIRS)
    path = f"/v1/handoffs/{school['handoff_id']}/callbacks"
    by_key = machine.post(path, content=body, headers={"content-type": "application/json"})
    refused(county, receipt, by_key, 404, "not_found")
    nowhere = county.send({"handoff_id": str(uuid.uuid4())}, body, signed(county.secrets[EDUCATION], body))
    refused(county, receipt, nowhere, 404, "not_found")
    assert by_signature.content == by_key.content == nowhere.content


def test_without_a_signature_and_without_a_key_it_is_401(county: County, receipt: Seen, school: Seen) -> None:
    answer = county.send(school, a_callback("accepted"), {"content-type": "application/json"})
    refused(county, receipt, answer, 401, "unauthenticated")


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(county: County, receipt: Seen, school: Seen, missing: str) -> None:
    body = a_callback("accepted")
    headers = signed(county.secrets[EDUCATION], body)
    del headers[missing]
    assert missing in refused(county, receipt, county.send(school, body, headers), 400, "malformed_header")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("webhook-timestamp", "yesterday"),
        ("webhook-timestamp", "-5"),
        ("webhook-timestamp", "1" * 13),
        ("webhook-id", "x" * 257),
        ("webhook-signature", "v1," + "A" * 500),
    ],
)
def test_a_malformed_header_is_named(county: County, receipt: Seen, school: Seen, name: str, content: str) -> None:
    body = a_callback("accepted")
    headers = {**signed(county.secrets[EDUCATION], body), name: content}
    assert name in refused(county, receipt, county.send(school, body, headers), 400, "malformed_header")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signed_time_too_far_from_ours_is_refused_and_our_clock_is_told(
    county: County, receipt: Seen, school: Seen, minutes: int
) -> None:
    body = a_callback("accepted")
    before = int(time.time())
    headers = signed(county.secrets[EDUCATION], body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    detail = refused(county, receipt, county.send(school, body, headers), 401, "timestamp_out_of_tolerance")
    assert any(str(second) in detail for second in range(before, before + 10)), detail


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_signed_time_within_five_minutes_is_taken(county: County, school: Seen, minutes: int) -> None:
    body = a_callback("accepted")
    headers = signed(county.secrets[EDUCATION], body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    assert county.send(school, body, headers).status_code == 200


def rotate(url: str, overlap: timedelta) -> str:
    """The education bureau's new secret."""

    async def run() -> str:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            secret = await agencies.rotate_secret(connection, EDUCATION, overlap)
        await database.close()
        return secret

    return serving.asyncio.run(run())


def accepts(county: County, secret: str) -> bool:
    """Whether a report signed with `secret` is taken as the education bureau's (and applied to a new request)."""
    handoff = county.handoff(county.ask("education_aid"), EDUCATION)
    body = a_callback("accepted")
    answer = county.send(handoff, body, signed(secret, body))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def test_while_a_secret_is_rotated_the_old_and_the_new_are_accepted(county: County, database_url: str) -> None:
    new = rotate(database_url, timedelta(hours=1))
    until(lambda: accepts(county, new), what="the new secret")
    assert accepts(county, county.secrets[EDUCATION])
    newest = rotate(database_url, timedelta(hours=1))
    until(lambda: accepts(county, newest), what="the newest secret")
    assert accepts(county, county.secrets[EDUCATION]), "a second rotation ends no overlap early"


def test_without_an_overlap_the_old_secret_ends_with_the_rotation(county: County, database_url: str) -> None:
    new = rotate(database_url, timedelta(0))
    until(lambda: accepts(county, new), what="the new secret")
    assert not accepts(county, county.secrets[EDUCATION])


def test_when_the_overlap_has_passed_the_old_secret_is_refused(county: County, database_url: str) -> None:
    new = rotate(database_url, timedelta(seconds=1.5))
    until(lambda: accepts(county, new), what="the new secret")
    until(lambda: not accepts(county, county.secrets[EDUCATION]), within=6, what="the end of the old secret")
    assert accepts(county, new)


def test_a_message_out_is_signed_with_both_secrets_during_the_overlap() -> None:
    secrets = [signing.new_secret() for _ in range(2)]
    body = b'{"type": "handoff.dispatched"}'
    headers = signing.sign(secrets, "a-delivery", datetime.now(UTC), body)
    for secret in secrets:
        Webhook(secret).verify(body, headers)

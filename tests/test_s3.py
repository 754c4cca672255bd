"""Attachments in S3-compatible storage: sealed before they are sent, every call signed; and what becomes of them when
the storage is away or refuses."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from PIL import Image
from sqlalchemy import select, update

from app import attachments, file_sweep
from app.db import Database
from app.file_store import StoreAwayError
from app.identifiers import now
from app.office import store_of
from app.tables import attachment, file_to_remove
from tests import s3, serving
from tests.county import County
from tests.running import Running
from tests.test_attachments import a_photo, add, added, code, link_to, opened
from tests.watching import change, count, fetch, on

WRONG = "another-secret-of-the-storage"


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with s3.running() as address:
        yield address


def test_attachments_are_kept_sealed_and_removed(
    storage: str, database_url: str, run_service: Callable[..., Running]
) -> None:
    settings = {"s3_url": storage, **s3.SETTINGS}
    county = County(run_service(**settings), {})
    receipt = county.ask("education_aid")
    noise = io.BytesIO()
    Image.effect_noise((2_600, 2_600), 90).save(noise, "PNG")  # some 6 MB: sent in several parts
    seen = added(county, receipt, noise.getvalue())
    assert seen["size"] > 5 * 2**20
    content = opened(county, seen["attachment_id"]).content
    assert Image.open(io.BytesIO(content)).size == (2_600, 2_600)
    name, looking = UUID(seen["attachment_id"]).hex, s3.client_of(storage)
    kept = looking.get_object(Bucket=s3.BUCKET, Key=name)["Body"].read()
    assert len(kept) > len(content)
    assert content[:64] not in kept

    async def take_away(database: Database) -> int:
        async with database.writing() as connection:
            await attachments.forget_all(connection, UUID(receipt["request_id"]), now())
        files = store_of(serving.settings_for(database_url, **settings))
        return await file_sweep.sweep(database, files, now())

    assert on(database_url, take_away) == 1
    with pytest.raises(ClientError, match="NoSuchKey"):
        looking.get_object(Bucket=s3.BUCKET, Key=name)


def test_a_storage_that_refuses_our_signature_is_unavailable_and_nothing_is_lost(
    storage: str, database_url: str, run_service: Callable[..., Running]
) -> None:
    right = County(run_service(s3_url=storage, **s3.SETTINGS), {})
    wrong = County(run_service(s3_url=storage, **{**s3.SETTINGS, "s3_secret": WRONG}), {})
    receipt = right.ask("education_aid")
    kept = added(right, receipt)["attachment_id"]
    refused = add(wrong.window, receipt, a_photo())
    assert code(refused) == (404, "not_found"), "another window's key"
    own = wrong.ask("education_aid")
    began = time.monotonic()
    told = [add(wrong.window, own, a_photo()), wrong.nobody.get(link_to(wrong.coordinator, kept))]
    assert time.monotonic() - began < 30, "who is refused does not try again and again"
    assert [code(each) for each in told] == [(503, "unavailable")] * 2
    assert not any(secret in each.text for each in told for secret in (WRONG, s3.SECRET, s3.KEY, storage))
    assert wrong.window.get(f"/v1/requests/{own['request_id']}/attachments").json()["items"] == []
    assert wrong.window.get(f"/v1/requests/{own['request_id']}").status_code == 200

    async def sweep(database: Database) -> int:
        settings = serving.settings_for(database_url, s3_url=storage, **{**s3.SETTINGS, "s3_secret": WRONG})
        return await file_sweep.sweep(database, store_of(settings), now())

    change(database_url, update(file_to_remove).values(due_at=now()))
    with pytest.raises(StoreAwayError):
        on(database_url, sweep)
    assert len(fetch(database_url, select(file_to_remove))) == 1, "it is removed once the secret is right"
    assert opened(right, kept).status_code == 200


def test_a_storage_that_is_away_is_unavailable_and_the_request_is_not_harmed(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(s3_url="http://127.0.0.1:9", **s3.SETTINGS), {})
    receipt = county.ask("education_aid")
    began = time.monotonic()
    assert code(add(county.window, receipt, a_photo())) == (503, "unavailable")
    assert time.monotonic() - began < 60
    assert count(county.running.url, attachment, file_to_remove) == {"attachment": 0, "file_to_remove": 1}
    assert county.window.get(f"/v1/requests/{receipt['request_id']}").status_code == 200


def test_the_storage_of_these_tests_refuses_what_is_not_signed_as_it_came(storage: str) -> None:
    """Else the tests above would show nothing of how we sign."""
    place = {"Bucket": s3.BUCKET, "Key": "x"}
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3.client_of(storage, WRONG).put_object(**place, Body=b"x")
    s3.client_of(storage).put_object(**place, Body=b"x")

    def sent(body: bytes = b"y", **changed: str) -> httpx.Response:
        """Signed for `y`, and then changed on its way."""
        asked = AWSRequest("PUT", f"{storage}/{s3.BUCKET}/x", data=b"y")
        S3SigV4Auth(Credentials(s3.KEY, s3.SECRET), "s3", s3.REGION).add_auth(asked)
        headers = {name.lower(): content for name, content in asked.headers.items()} | changed
        return httpx.put(asked.url, headers=headers, content=body, trust_env=False)

    assert sent().status_code == 200
    for answer in (
        sent(b"z"),
        sent(authorization=""),
        sent(**{"x-amz-date": "20200101T000000Z"}),
        sent(**{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        httpx.get(f"{storage}/{s3.BUCKET}", trust_env=False),
        httpx.put(f"{storage}/another", trust_env=False),
    ):
        assert answer.status_code == 403, answer.text
    assert s3.client_of(storage).get_object(**place)["Body"].read() == b"y"

"""Sealed files in S3-compatible storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import IO, TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from app.config import PREFIX, Settings, WrongSettingError
from app.file_store import PART, StoreAwayError

if TYPE_CHECKING:  # the library has it for type checkers alone
    from obstore.store import ClientConfig

_S3_PART = 5 * 1024 * 1024
_CONNECT, _SILENCE, _WHOLE = timedelta(seconds=5), timedelta(seconds=20), timedelta(minutes=5)


class Bucket:
    def __init__(self, settings: Settings) -> None:
        assert settings.s3_url
        assert settings.s3_bucket
        assert settings.s3_secret
        options: ClientConfig = {
            "allow_http": True,
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "timeout": _WHOLE,
        }
        if settings.s3_ca:
            try:
                options["root_certificate"] = settings.s3_ca.read_bytes()
            except OSError as error:
                raise WrongSettingError(f"{PREFIX}S3_CA: the file can't be read: {error.strerror}.") from None
        self._store = S3Store(
            settings.s3_bucket,
            endpoint=settings.s3_url,
            region=settings.s3_region,
            access_key_id=settings.s3_key,
            secret_access_key=settings.s3_secret.get_secret_value(),
            virtual_hosted_style_request=False,
            client_options=options,
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
        )

    async def put(self, name: str, file: IO[bytes]) -> None:
        file.seek(0)
        try:
            await obstore.put_async(self._store, name, file, chunk_size=_S3_PART, max_concurrency=2)
        except BaseError:
            raise StoreAwayError from None

    async def get(self, name: str) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._store, name)
            async for part in found.stream(min_chunk_size=PART):
                yield bytes(part)
        except NotFoundError:
            raise FileNotFoundError from None
        except BaseError:
            raise StoreAwayError from None

    async def remove(self, name: str) -> None:
        try:
            await obstore.delete_async(self._store, name)
        except NotFoundError:
            return
        except BaseError:
            raise StoreAwayError from None

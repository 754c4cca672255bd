"""Settings of where files are kept; `config.Settings` has them with the others."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

_OF_S3 = ("s3_bucket", "s3_key", "s3_secret")


class StorageSettings(BaseSettings):
    attachments: Path | None = Field(
        None,
        description="The folder that attachments are kept in, sealed; one folder for every process. Unset with SQLite: one "
        "beside the database. With PostgreSQL attachments are taken once this or ONE_WINDOW_S3_URL is set.",
        examples=["/srv/one-window/attachments"],
    )
    s3_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@]+$",
        description="S3-compatible storage that attachments are kept in instead, sealed before they are sent to it.",
        examples=["https://s3.example.gov.cn"],
    )
    s3_bucket: str | None = Field(None, description="The bucket in it, which must be there.", examples=["one-window"])
    s3_region: str = Field("us-east-1", description="Its region; most private ones ask for none.", examples=["cn-1"])
    s3_key: str | None = Field(None, description="The access key's name.", examples=["one-window"])
    s3_secret: SecretStr | None = Field(None, description="The access key's secret.", examples=["the secret"])
    s3_ca: Path | None = Field(
        None,
        description="A file of PEM certificates of private authorities that the storage's own may be signed by.",
        examples=["/etc/one-window/s3-ca.pem"],
    )

    kiosk_voices: Path | None = Field(
        None,
        description="A folder of recorded prompts for kiosks, `<language or dialect>/<screen>.mp3`; only read.",
        examples=["/srv/one-window/voices"],
    )

    @model_validator(mode="after")
    def _storage_is_whole(self) -> Self:
        missing = [f"ONE_WINDOW_{name.upper()}" for name in _OF_S3 if not getattr(self, name)]
        if self.s3_url and missing:
            raise ValueError(f"ONE_WINDOW_S3_URL needs {', '.join(missing)} too. Write for example {missing[0]}=…")
        return self

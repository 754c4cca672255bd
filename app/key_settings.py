"""Settings of the keys that are in no database: what people's data is sealed with, what the audit is signed with."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

SEED = r"[0-9a-fA-F]{64}"


class CipherName(StrEnum):
    AES_256_GCM = "aes-256-gcm"
    SM4_GCM = "sm4-gcm"


class KeySettings(BaseSettings):
    master_keys: SecretStr | None = Field(
        None,
        description="What the keys of people's data are wrapped with: 32 random bytes in base64; separated by commas, the "
        "current one first, then those from before a rotation. The same for every process.",
        examples=["the output of: openssl rand -base64 32"],
    )
    master_key_file: Path | None = Field(
        None,
        description="The same in a file, a line each; it is read again when it changes. Neither set with SQLite: a file "
        "beside the database, readable by its owner only.",
        examples=["/etc/one-window/master-keys"],
    )
    cipher: CipherName = Field(
        CipherName.AES_256_GCM,
        description="What new requests are sealed with: `aes-256-gcm`, or `sm4-gcm`, then with HMAC-SM3 for look-ups if it "
        "is set at the first migration. Both are always read.",
        examples=["sm4-gcm"],
    )
    audit_key: SecretStr | None = Field(
        None,
        description="The secret half (Ed25519, 64 hex digits) that each day's audit root is signed with; workers need it, "
        "and nobody else. Unset with SQLite: kept in a file beside the database, readable by its owner only. Unset with "
        "PostgreSQL: no roots are made.",
        examples=["the output of: openssl rand -hex 32"],
    )

    @field_validator("audit_key")
    @classmethod
    def _as_a_seed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(SEED, value.get_secret_value()):
            raise ValueError("is 64 hex digits")
        return value

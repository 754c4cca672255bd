"""Settings: every one has the prefix ONE_WINDOW_, a default that works on one machine, and its sentence here.

`docs/operating.md` holds the same table; a guard test compares the two.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.engine import make_url

from app.config_sign_in import SignInSettings
from app.database_address import for_the_driver
from app.door_settings import DoorSettings, Networks
from app.key_settings import SEED, KeySettings
from app.refusals import RefusedError
from app.storage_settings import StorageSettings

PREFIX = "ONE_WINDOW_"
_LEAST_SECRET = 32
# A lease outlives one whole attempt by this much: there is time to begin it, and to write down what came of it.
_LEASE_MARGIN = 2


class WrongSettingError(RefusedError):
    """A setting that can't be used."""


class Settings(DoorSettings, KeySettings, SignInSettings, StorageSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    database_url: str = Field(
        "sqlite:///one-window.sqlite3",
        repr=False,
        description="Where the rows are: `sqlite:///file` or `postgresql://user:password@host/database`; of several "
        "hosts, whichever is the primary: `postgresql://user:password@/database?host=a,b`.",
        examples=["postgresql://one_window:secret@127.0.0.1/one_window"],
    )
    secret: SecretStr | None = Field(
        None,
        min_length=_LEAST_SECRET,
        description="32 or more characters, the same for every process: tracking tokens are derived from it. "
        "Unset with SQLite: kept in a file beside the database, readable by its owner only.",
        examples=["the output of: openssl rand -hex 32"],
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.", examples=["0.0.0.0"])  # noqa: S104
    port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on.", examples=[8000])
    embedded_worker: bool = Field(
        True, description="Whether `serve` runs the worker inside itself.", examples=["false"]
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@]+(/[^\s]*)?$",
        description="The address that agencies and people reach this service by; then messages hold a full callback_url, and "
        "the QR codes of receipts this address.",
        examples=["https://one-window.example.gov.cn"],
    )
    code_gateway_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@]+(/[^\s]*)?$",
        description="The county's SMS gateway: sign-in codes of guest links are posted to it, signed. Unset: a "
        "coordinator reads them out by telephone.",
        examples=["https://sms.example.gov.cn/send"],
    )
    code_gateway_secret: SecretStr | None = Field(
        None,
        description="What the posts to the SMS gateway are signed with (Standard Webhooks).",
        examples=["whsec_ and the output of: openssl rand -base64 32"],
    )
    coordinator_phone: str | None = Field(
        None,
        max_length=32,
        description="The county coordinator's telephone, for the pages that say to call it.",
        examples=["0796-1234567"],
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto",
        description="`console` for people, `json` for machines, `auto`: console in a terminal.",
        examples=["json"],
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe log line that is written.", examples=["info"]
    )
    ledger_group: int = Field(
        64, ge=1, le=1000, description="At most this many submissions share one transaction.", examples=[64]
    )
    database_pool: int = Field(
        10, ge=3, le=200, description="Database connections in the pool of a process, at most.", examples=[10]
    )
    delivery_concurrency: int = Field(
        64, ge=1, le=1000, description="Messages in flight per worker, at most.", examples=[64]
    )
    delivery_per_agency: int = Field(
        8, ge=1, le=200, description="Messages in flight to one agency per worker, at most.", examples=[8]
    )
    delivery_connect_seconds: float = Field(
        5, gt=0, le=60, description="Time limit for reaching an endpoint: its name, its address, TLS.", examples=[5]
    )
    delivery_total_seconds: float = Field(
        20, gt=0, le=120, description="Time limit for one attempt, whole.", examples=[20]
    )
    delivery_slow_seconds: float = Field(
        5,
        gt=0,
        le=120,
        description="An answer that takes longer counts against its endpoint as a failure does: after five in a row it "
        "is left alone for a while.",
        examples=[5],
    )
    delivery_read_seconds: float = Field(
        15,
        gt=0,
        le=120,
        description="Time limit for an endpoint's silence, before and within its answer.",
        examples=[15],
    )
    delivery_lease_seconds: float = Field(
        60,
        ge=1,
        le=3600,
        description="A delivery claimed by a worker that died is free again after this; "
        "at least 2 seconds longer than ONE_WINDOW_DELIVERY_TOTAL_SECONDS.",
        examples=[60],
    )
    allowed_networks: Networks = Field(
        (),
        description="Networks (CIDR, separated by commas) that messages may be sent to beside public addresses, "
        "also without TLS.",
        examples=["10.36.0.0/16,fd00:36::/32"],
    )
    poll_seconds: float = Field(
        2, gt=0, le=60, description="How often the worker looks even if nobody woke it.", examples=[2]
    )
    refresh_seconds: float = Field(
        2,
        gt=0,
        le=60,
        description="How soon a change of agencies, keys or routing tables is seen by every process.",
        examples=[2],
    )
    sweep_seconds: float = Field(
        30,
        gt=0,
        le=3600,
        description="How often each worker looks for clocks that end: who is reminded, urged, supervised.",
        examples=[30],
    )
    remind_working_days: int = Field(
        1,
        ge=0,
        le=30,
        description="So many working days before a due time its agency is reminded; 0: on the morning of the last day.",
        examples=[1],
    )
    supervise_working_days: int = Field(
        5,
        ge=1,
        le=60,
        description="So many working days after a due time the agency is supervised (督办).",
        examples=[5],
    )
    suspension_applicant_days: int = Field(
        30,
        ge=1,
        le=1000,
        description="So many working days a completion clock may stand for the applicant.",
        examples=[30],
    )
    suspension_verification_days: int = Field(
        20,
        ge=1,
        le=1000,
        description="So many working days a completion clock may stand for a verification.",
        examples=[20],
    )
    suspension_court_days: int = Field(
        125,
        ge=1,
        le=1000,
        description="So many working days a completion clock may stand for a court; 125 are about six months.",
        examples=[125],
    )
    reading_alarm_per_hour: int = Field(
        60,
        ge=1,
        le=10_000,
        description="Whoever looks at more people's data in an hour than this, beside the work in hand, raises an alarm; "
        "nobody is held up.",
        examples=[60],
    )
    reading_alarm_per_day: int = Field(
        300, ge=1, le=10_000, description="The same in a day of China's calendar.", examples=[300]
    )
    reading_alarm_own_work_per_day: int = Field(
        1_000, ge=1, le=100_000, description="The same in a day, of the work in hand.", examples=[1_000]
    )
    reading_purpose_required: bool = Field(
        False,
        description="Whether a coordinator must say what for (`?purpose=`) before a person's data is shown.",
        examples=["true"],
    )
    retention_hour: int = Field(
        2, ge=0, le=23, description="From which hour in China on what is over is erased each night.", examples=[2]
    )
    callback_tolerance_seconds: int = Field(
        300, ge=30, le=3600, description="How far a callback's signed time may be from ours.", examples=[300]
    )
    stop_seconds: int = Field(
        10, ge=1, le=300, description="Time for finishing what is in hand when told to stop.", examples=[10]
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the standalone worker's own /metrics, on loopback.", examples=[9100]
    )

    @field_validator("database_url")
    @classmethod
    def _with_async_driver(cls, value: str) -> str:
        return for_the_driver(value)

    @field_validator("code_gateway_secret")
    @classmethod
    def _as_the_standard_says(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(
            r"whsec_([A-Za-z0-9+/]{4}){8,}([A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?", value.get_secret_value()
        ):
            raise ValueError("is whsec_ and 24 or more random bytes in base64")
        return value

    @model_validator(mode="after")
    def _lease_outlives_an_attempt(self) -> Self:
        least = self.delivery_total_seconds + _LEASE_MARGIN
        if self.delivery_lease_seconds < least:
            name = f"{PREFIX}DELIVERY_LEASE_SECONDS"
            raise ValueError(
                f"{name}: must be {least:g} or more, {_LEASE_MARGIN} seconds longer than a whole attempt may take "
                f"({PREFIX}DELIVERY_TOTAL_SECONDS={self.delivery_total_seconds:g}), or a message may be sent twice "
                f"at once. Write for example {name}={math.ceil(max(least, 3 * self.delivery_total_seconds))}"
            )
        return self

    @model_validator(mode="after")
    def _gateway_gets_signed_posts(self) -> Self:
        if self.code_gateway_url and not self.code_gateway_secret:
            raise ValueError(
                f"{PREFIX}CODE_GATEWAY_URL needs {PREFIX}CODE_GATEWAY_SECRET, which its posts are signed with. Write "
                f"{PREFIX}CODE_GATEWAY_SECRET=whsec_<the output of: openssl rand -base64 32>"
            )
        return self

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_file(self) -> Path:
        return Path(make_url(self.database_url).database or "")

    def secret_bytes(self) -> bytes:
        """The secret; with SQLite and none set, the one in `<database file>.secret` (made with mode 0600)."""
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        if not self.is_sqlite:
            raise WrongSettingError(
                f"{PREFIX}SECRET is not set, and every process on this PostgreSQL needs the same one; "
                f"write {PREFIX}SECRET=<the output of: openssl rand -hex 32>"
            )
        file = self._beside(".secret")
        written_once(file, secrets.token_hex(_LEAST_SECRET).encode())
        found = file.read_bytes().strip()
        if len(found) < _LEAST_SECRET:
            raise WrongSettingError(
                f"{file} holds no secret of {_LEAST_SECRET} characters or more; restore it from a backup, or remove it "
                "if no tracking token has been given out yet"
            )
        return found

    def audit_seed(self, *, make: bool = True) -> bytes | None:
        """The seed of the key that roots are signed with; with SQLite and none set, that in `<database file>.audit-key`
        (made with mode 0600, unless told not to). None: there is none."""
        if self.audit_key is not None:
            return bytes.fromhex(self.audit_key.get_secret_value())
        if not self.is_sqlite:
            return None
        file = self._beside(".audit-key")
        if not file.exists():
            if not make:
                return None
            written_once(file, secrets.token_hex(_LEAST_SECRET).encode())
        found = file.read_text("ascii", "replace").strip()
        if not re.fullmatch(SEED, found):
            raise WrongSettingError(
                f"{file} holds no key of 64 hex digits; restore it from a backup, or remove it, and publish the public "
                "half of the one that is made in its place (`one-window audit key`)"
            )
        return bytes.fromhex(found)

    def _beside(self, ending: str) -> Path:
        self.check_folder()
        return self.sqlite_file.with_name(self.sqlite_file.name + ending)

    def make_file(self) -> None:
        """The SQLite file, readable by its owner only: it holds people's data and signing secrets. Where none can be made,
        SQLite, which opens it next, says so."""
        # Never opened when it is there: closing it would end the locks that this process has on it.
        with suppress(OSError):
            os.close(os.open(self.sqlite_file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def check_folder(self) -> None:
        """Raises WrongSettingError if the SQLite file could not be made where it is to be."""
        if self.is_sqlite and not self.sqlite_file.absolute().parent.is_dir():
            raise WrongSettingError(
                f"{PREFIX}DATABASE_URL: there is no folder {self.sqlite_file.absolute().parent}; make it, or write "
                "sqlite:///path/to/file in a folder that there is"
            )


def written_once(file: Path, content: bytes) -> None:
    """Make a secret file (mode 0600) if there is none, whole or not at all: whoever finds it finds a secret in it."""
    if file.exists():
        return
    made = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    with suppress(FileExistsError):
        os.link(made, file)
    made.unlink()


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, `overrides` first. Raises WrongSettingError with a sentence for the operator."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"):
            close = difflib.get_close_matches(name, sorted(known), 1)
            hint = f"did you mean {close[0]}?" if close else "docs/operating.md lists the settings."
            raise WrongSettingError(f"There is no setting {name}; {hint}")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        sentences = []
        for fault in error.errors(include_input=False, include_url=False):
            reason = fault["msg"].removeprefix("Value error, ")
            if not fault["loc"]:  # of several settings together: it says all itself
                sentences.append(reason)
                continue
            name = str(fault["loc"][0])
            example = (Settings.model_fields[name].examples or ["…"])[0]
            reason = reason[:1].lower() + reason[1:]
            sentences.append(f"{PREFIX}{name.upper()}: {reason}. Write for example {PREFIX}{name.upper()}={example}")
        raise WrongSettingError("\n".join(sentences)) from None

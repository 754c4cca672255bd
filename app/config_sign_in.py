"""Settings of how people sign in to the pages; a part of those in `config.py`."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

_ISSUER = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$))[^\s?#]*$"


class SignInSettings(BaseSettings):
    session_idle_minutes: int = Field(
        30, ge=5, le=480, description="A person who does nothing for so long is signed out.", examples=[30]
    )
    session_hours: int = Field(
        10, ge=1, le=24, description="A person is signed out after so long, whatever they do.", examples=[10]
    )
    oidc_issuer: str | None = Field(
        None,
        description="The issuer of the county's single sign-on (OpenID Connect), exactly as it names itself; https, but "
        "for one on this machine.",
        examples=["https://sso.example.gov.cn/realms/county"],
    )
    oidc_client_id: str | None = Field(
        None, min_length=1, max_length=200, description="What this service is called there.", examples=["one-window"]
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret there; not set: a public client, by PKCE alone.", examples=["as issued there"]
    )
    oidc_claim: str = Field(
        "sub",
        pattern=r"^[A-Za-z0-9_.:/-]{1,100}$",
        description="Which claim of the ID token names the account; `email` counts only where it is verified.",
        examples=["employee_number"],
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is not None and not re.match(_ISSUER, value):
            raise ValueError("is an https:// address, without query or fragment")
        return value

    @model_validator(mode="after")
    def _provider_knows_us(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError(
                "ONE_WINDOW_OIDC_ISSUER needs ONE_WINDOW_OIDC_CLIENT_ID, what this service is called there. Write "
                "ONE_WINDOW_OIDC_CLIENT_ID=one-window"
            )
        return self

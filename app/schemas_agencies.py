"""What comes in about agencies: the public shapes of bodies, with their examples."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.receivers import DeliveryMode
from app.schemas import ANY_DIVISION, Code, Inbound, Line

AGENCY_CODE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MOST_OVERLAP_HOURS = 720
_EXAMPLE_PEM = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"

NameZh = Annotated[Line, Field(max_length=120)]
NameEn = Annotated[Line, Field(max_length=160)]
Phone = Annotated[Line, Field(max_length=32, description="For when a machine is down.")]
Address = Annotated[
    Line,
    Field(
        max_length=500,
        description="Where messages are sent; without one the agency reads its inbox.",
        examples=["https://housing.example.gov.cn/one-window"],
    ),
]
InFlight = Annotated[int, Field(ge=1, le=200, description="Messages in flight to it per worker; null: the settings'.")]
PerSecond = Annotated[int, Field(ge=1, le=1000, description="Messages a second per worker; null: no limit.")]
Pem = Annotated[str, Field(min_length=1, max_length=65_536)]


class TlsIn(Inbound):
    """Write-only, PEM: a private authority, and our client certificate with its key; replaces what was there."""

    ca: Pem | None = None
    certificate: Pem | None = None
    key: Pem | None = None

    @model_validator(mode="after")
    def _certificate_and_key_belong_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise PydanticCustomError("certificate_without_key", "a certificate and its key belong together")
        return self


class AgencyIn(Inbound):
    """A new agency (承办单位)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "360803-housing-2",
                    "department": "county_housing",
                    "division_code": "360803",
                    "name_zh": "青原区住房保障中心",
                    "name_en": "Qingyuan District Housing Security Centre",
                    "phone": "0796-8200001",
                    "endpoint": "https://housing.example.gov.cn/one-window",
                    "delivery_mode": "full",
                    "max_in_flight": 4,
                }
            ]
        }
    )

    code: str = Field(pattern=AGENCY_CODE, description="Names it for good.")
    department: Code
    division_code: str = Field(pattern=ANY_DIVISION, description="Statistical code of its jurisdiction.")
    name_zh: NameZh
    name_en: NameEn
    phone: Phone | None = None
    endpoint: Address | None = None
    delivery_mode: DeliveryMode = DeliveryMode.FULL
    max_in_flight: InFlight | None = None
    per_second: PerSecond | None = None
    tls: TlsIn | None = None


def left_out() -> Any:
    """Stands where nothing was given, and is not read: `model_fields_set` says what was."""
    return None


class AgencyChange(Inbound):
    """What is to be different; what is left out stays, null takes away."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint": "https://10.36.8.20/one-window",
                    "delivery_mode": "reference",
                    "per_second": 20,
                    "tls": {"ca": _EXAMPLE_PEM},
                }
            ]
        }
    )

    name_zh: NameZh = Field(default_factory=left_out)
    name_en: NameEn = Field(default_factory=left_out)
    phone: Phone | None = None
    endpoint: Address | None = None
    delivery_mode: DeliveryMode = Field(default_factory=left_out)
    max_in_flight: InFlight | None = None
    per_second: PerSecond | None = None
    tls: TlsIn | None = None
    active: bool = Field(default_factory=left_out, description="Nothing new is handed to an agency that is not.")


class SecretIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        24, ge=0, le=MOST_OVERLAP_HOURS, description="So long the old secrets sign too, and are accepted."
    )

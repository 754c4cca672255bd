"""What comes in about keys: the public shapes of bodies, with their examples."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.roles import KeyRole
from app.schemas import ANY_DIVISION, Inbound, Line, Moment
from app.schemas_agencies import AGENCY_CODE


def _network(written: str) -> str:
    try:
        return str(ip_network(written))
    except ValueError:
        raise PydanticCustomError("network_malformed", "no network") from None


Name = Annotated[Line, Field(max_length=80, description="What the key is for; unique, also when it has ended.")]
Scope = Annotated[str, Field(pattern=r"^[a-z_]{1,40}:(read|write)$")]
Cidr = Annotated[str, Field(max_length=50), AfterValidator(_network)]


class KeyIn(Inbound):
    """A key for a machine, or for a person who calls with one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "window in the hall of Zhixia",
                    "role": "intake",
                    "division_code": "360803101",
                    "scopes": ["requests:write", "emergencies:write"],
                    "networks": ["10.36.8.0/24"],
                    "expires_at": "2027-12-31T16:00:00Z",
                }
            ]
        }
    )

    name: Name
    role: Annotated[KeyRole, Field(strict=False)]
    agency: Annotated[str, Field(pattern=AGENCY_CODE)] | None = Field(
        None, description="Of a key with the role agency."
    )
    division_code: Annotated[str, Field(pattern=ANY_DIVISION)] | None = Field(
        None, description="Its jurisdiction, with every place in it; none: everywhere. A township's key must have one."
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=40)] | None = Field(
        None, description="What it is narrowed to; none: all that its role may do."
    )
    networks: Annotated[list[Cidr], Field(max_length=40)] = Field(
        default_factory=list, description="From where it may call (CIDR); an empty list: from anywhere."
    )
    owner: Annotated[Line, Field(max_length=80)] | None = Field(
        None, description="Who holds it; needed for admin, security and auditor, which nobody holds two of."
    )
    expires_at: Moment | None = None


class KeyReplaceIn(Inbound):
    """A new key in place of another: it may do the same, and sees what the other took in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "window 1 in 2027", "overlap_hours": 24}]})

    name: Name
    overlap_hours: Annotated[int, Field(ge=0, le=8760)] = Field(24, description="So long the old one still works.")

"""What comes in about the accounts of people who sign in."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from app.roles import KeyRole
from app.schemas import ANY_DIVISION, Inbound, Line
from app.schemas_agencies import left_out

LoginName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9._-]{1,39}$", description="What the person types; unique, and theirs for good.")
]
DisplayName = Annotated[Line, Field(max_length=80, description="How pages call the person.")]
Role = Annotated[KeyRole, Field(description="What the account may do: one account has one role.")]
AgencyCode = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None,
    Field(description="The agency of an account with the role `agency`; no other has one."),
]
Division = Annotated[
    Annotated[str, Field(pattern=ANY_DIVISION)] | None,
    Field(description="Where the person works; null: everywhere.", examples=["360803101"]),
]
OidcName = Annotated[
    Annotated[Line, Field(max_length=200)] | None,
    Field(
        description="What the county's single sign-on calls the person, in the claim of `ONE_WINDOW_OIDC_CLAIM`; such an "
        "account is made without a password."
    ),
]


class StaffIn(Inbound):
    """A person who signs in to the pages."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "login_name": "zhixia.window1",
                    "display_name": "值夏镇窗口一",
                    "role": "intake",
                    "division_code": "360803101",
                }
            ]
        }
    )

    login_name: LoginName
    display_name: DisplayName
    role: Role
    agency_code: AgencyCode = None
    division_code: Division = None
    oidc_name: OidcName = None


class StaffChange(Inbound):
    """What is to be different; what is left out stays. Another role, agency, place or name there, or `disabled`, ends the
    account's sessions at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disabled": True}]})

    display_name: DisplayName = Field(default_factory=left_out)
    role: Role = Field(default_factory=left_out)
    agency_code: AgencyCode = None
    division_code: Division = None
    oidc_name: OidcName = None
    disabled: bool = Field(default_factory=left_out)

"""What comes in about kiosks, and from them: the public shapes of bodies, with their examples."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from app.schemas import DivisionCode, Inbound, Line


def _digits(written: str) -> str:
    return written.replace(" ", "").replace("-", "")


class PairingIn(Inbound):
    """A device that is to be paired: somebody types the code that is answered on it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "值夏镇大厅一号机", "division_code": "360803101"}]}
    )

    name: Annotated[Line, Field(max_length=80, description="How people call it, where they see it listed.")]
    division_code: DivisionCode


class PairIn(Inbound):
    """What a clerk read out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "48210937"}]})

    code: Annotated[
        str,
        Field(pattern=r"^([0-9][ -]?){7}[0-9]$", description="Eight digits; blanks between them do no harm."),
        AfterValidator(_digits),
    ]
    former_key: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="The key that this very device had before, also a revoked one: what waits on it is then still its "
        "own, and what it took in. That key ends.",
    )


class NumbersIn(Inbound):
    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 20}]})

    count: int = Field(20, ge=1, le=100)

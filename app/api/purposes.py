"""What somebody looks at a person's data for: `?purpose=`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from app.purposes import Purpose

StatedPurpose = Annotated[
    Purpose | None,
    Query(
        description="What the person's data is looked at for. Left out: what the role usually does; a coordinator may be required to say."
    ),
]

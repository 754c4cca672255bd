"""What comes in with an attachment."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.schemas import Code, Inbound, Line


class AttachmentIn(Inbound):
    """The fields of the form beside its file."""

    title: Line | None = Field(None, description="What it is, in a few words.", examples=["诊断证明"])
    material: Code | None = Field(
        None, description="As which paper it is meant: a code of GET /v1/needs.", examples=["diagnosis"]
    )


class SealedFileIn(AttachmentIn):
    """What the protected header of a sealed file says of it."""

    name: Line | None = Field(None, description="What the file is called.")


# Of the body as it is sent: multipart/form-data, whose parts may come in any order.
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "A photograph (JPEG, PNG, WebP, HEIC) or a PDF, at most 20 MB.",
        },
        **{
            name: {**part["anyOf"][0], "description": part["description"], "examples": part["examples"]}
            for name, part in AttachmentIn.model_json_schema()["properties"].items()
        },
    },
    "example": {"title": "诊断证明", "material": "diagnosis", "file": "(the bytes)"},
}

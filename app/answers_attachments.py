"""What goes out about attachments."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Outbound

KeptAs = Literal["image/jpeg", "image/png", "application/pdf"]


class AttachmentAdded(Outbound):
    attachment_id: UUID
    request_id: UUID
    material: str | None
    group: str = Field(description="The field group that a rule must name for its agency to see it.")
    kind: KeptAs = Field(description="As it is kept: photographs become JPEG, a PNG stays one.")
    size: int = Field(description="In bytes, as it is kept.")
    created_at: datetime


class AttachmentSeen(AttachmentAdded):
    title: str | None = Field(description="Null, too, for whom people's data is not shown to.")
    name: str | None = Field(description="The name that its file came with.")


class AttachmentList(Outbound):
    items: list[AttachmentSeen]


class AttachmentLink(Outbound):
    link: str = Field(description="Opens it once; a secret until then.")
    ends_at: datetime

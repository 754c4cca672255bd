"""Attachments: papers sent by a form, listed, opened by a short-lived link."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse

from app import attachment_links, attachments, papers
from app.answers_attachments import AttachmentAdded, AttachmentLink, AttachmentList
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, repeat_of
from app.api.documents import answers
from app.api.forms import received_or_unsealed
from app.api.purposes import StatedPurpose
from app.api.rates import Within, looked_up
from app.api.sealed import SEALED_FILE
from app.keys import Key, KeyRole
from app.rates import Budget
from app.schemas_attachments import FORM

router = APIRouter(prefix="/v1", tags=["attachments"])
_ACT = (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.AGENCY, KeyRole.COORDINATOR)
Adds = Annotated[Key, Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.KIOSK, KeyRole.COORDINATOR))]
Lists = Annotated[Key, Depends(Allow(*_ACT, KeyRole.AUDITOR))]
Opens = Annotated[Key, Depends(Allow(*_ACT))]
# Whatever it is, no browser runs anything of it, nor shows it as a page of ours.
_AS_FILE = {"Content-Security-Policy": "sandbox; default-src 'none'"}
_TAKES_FORM: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}, **SEALED_FILE}},
    "parameters": [IDEMPOTENCY_KEY],
}


@router.post(
    "/requests/{request_id}/attachments",
    status_code=201,
    summary="Add a photograph or a PDF",
    responses=answers(
        AttachmentAdded,
        *("not_found", "already_closed", "attachments_full", "idempotency_conflict", "upload_too_slow"),
        *("malformed_form", "malformed_header", "body_too_large", "unsupported_media_type", "file_type_refused"),
        *("file_unusable", "validation_failed", "attachments_off", "sealed_body_refused", "sealing_key_unknown"),
        status=201,
        what="Kept, cleaned and sealed; the agencies that are shown it were told.",
    ),
    openapi_extra=_TAKES_FORM,
)
async def add(request: Request, key: Adds, request_id: UUID) -> Response:
    """At most 20 MB, 40 a request. What it is is found by its content. A photograph is made anew without place, time and
    camera; a PDF without what runs in it. The same file again with the same Idempotency-Key gets the first answer."""
    office, giver = office_of(request), attachments.Giver.of(key)
    repeat_of(request, key, b"")  # a key of the wrong shape is refused before 20 MB are sent
    await attachments.must_be_reached(office, giver, request_id)
    async with received_or_unsealed(request, office) as upload:
        repeat = repeat_of(request, key, upload.mark(office.secret))
        return answer(await attachments.keep(office, giver, request_id, upload, repeat), 201)


@router.get(
    "/requests/{request_id}/attachments",
    summary="The attachments of a request",
    responses=answers(AttachmentList, "not_found", "validation_failed", "purpose_needed"),
)
async def list_attachments(request: Request, key: Lists, request_id: UUID, purpose: StatedPurpose = None) -> Response:
    """An agency sees those whose `group` a rule of its own handoffs discloses, and none before or after it has them.
    That titles and names were read is recorded."""
    return answer(await papers.listed(office_of(request), key, request_id, purpose))


@router.get(
    "/attachments/{attachment_id}/link",
    summary="A link that opens an attachment once",
    responses=answers(AttachmentLink, "not_found", "validation_failed", "purpose_needed"),
)
async def make_link(request: Request, key: Opens, attachment_id: UUID, purpose: StatedPurpose = None) -> Response:
    """For five minutes and one opening, which stands in the timeline under your key. Hand it to a browser, nobody else."""
    office = office_of(request)
    address = (office.settings.public_url or str(request.base_url)).rstrip("/")
    return answer(await papers.link(office, key, attachment_id, address, purpose))


@router.get(
    "/attachments/file/{token}",
    summary="Open an attachment by its link",
    dependencies=[Depends(Within(Budget.LOOK_UPS))],
    responses={
        **answers(
            None, "not_found", "validation_failed", "purpose_needed", "attachment_damaged", "attachments_off", key=False
        ),
        200: {
            "description": "The file, to be saved.",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", "application/pdf")
            },
        },
    },
)
async def open_file(
    request: Request,
    token: Annotated[str, Path(pattern=attachment_links.PATTERN)],
    purpose: StatedPurpose = None,
) -> Response:
    """No key: the link is enough, once. It is never logged."""
    async with looked_up(request):
        paper = await papers.opened(office_of(request), token, purpose)
    headers = {
        **_AS_FILE,
        "Content-Length": str(paper.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(paper.name, safe='')}",
    }
    return StreamingResponse(paper.content, headers=headers, media_type=paper.kind)

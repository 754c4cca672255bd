"""The routing table: versions imported, proved, published, compared, tried; and a preview of any request."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app import previewing, replay, rights, tabling
from app.answers_routing import (
    Certificate,
    Preview,
    Replayed,
    RoutingTablePage,
    RoutingTableView,
    RoutingTableWhole,
    TableDiff,
)
from app.api.access import Allow, office_of
from app.api.bodies import (
    IDEMPOTENCY_KEY,
    answer,
    parse,
    read_bytes,
    read_file,
    repeat_of,
    takes,
    takes_file,
)
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.keys import Key, KeyRole
from app.schemas_routing import PreviewIn, PublishIn, ReplayIn

router = APIRouter(prefix="/v1/routing-tables", tags=["routing"])
preview_router = APIRouter(prefix="/v1/routing", tags=["routing"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]
Asks = Annotated[
    Key,
    Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR)),
]
Version = Annotated[int, Path(ge=1, le=10**6)]
Language = Annotated[Literal["zh", "en"], Query(description="Of headings, words and conditions.")]
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_NOT_NEEDED = {
    **IDEMPOTENCY_KEY,
    "description": "May be sent and is not needed: a repeat is known by the rules of the sheet, whatever the key, and "
    "answered with their draft. Once that is published, the same rules make a new draft.",
}


@router.get("", summary="Versions, newest first", responses=answers(RoutingTablePage, "validation_failed"))
async def list_versions(request: Request, key: Looks, page: Paged) -> Response:
    """Drafts, published and retired ones; the one in force now is marked."""
    return page_answer(request, await tabling.listed(office_of(request), page))


@router.post(
    "",
    status_code=201,
    summary="Import a sheet as a draft",
    responses=answers(
        RoutingTableView,
        "sheet_refused",
        "body_too_large",
        "unsupported_media_type",
        "validation_failed",
        "malformed_header",
        status=201,
        what="Kept as a new draft. The same table again is answered with the draft that there is.",
    ),
    openapi_extra=takes_file(_TYPES.values(), _NOT_NEEDED),
)
async def import_sheet(request: Request, key: Edits) -> Response:
    """One row a rule, as XLSX or as CSV in plain UTF-8, headings in Chinese or English. Read whole or refused whole,
    with every fault; what is in force is never touched."""
    repeat_of(request, key, b"")  # a key of the wrong shape is refused here as everywhere
    content = await read_file(request, _TYPES.values())
    return answer(await tabling.import_sheet(office_of(request), key.actor, content), 201)


@router.get("/{version}", summary="One version", responses=answers(RoutingTableWhole, "not_found", "validation_failed"))
async def one_version(request: Request, key: Looks, version: Version) -> Response:
    """With its rules and the certificate of its last check."""
    return answer(await tabling.whole(office_of(request), version))


@router.get(
    "/{version}/sheet",
    summary="Export a version as a sheet",
    responses={
        **answers(None, "not_found", "validation_failed"),
        200: {
            "description": "The sheet; importing it again gives the same table.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _TYPES.values()},
        },
    },
)
async def export_sheet(
    request: Request,
    key: Looks,
    version: Version,
    form: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "xlsx",
    language: Language = "zh",
) -> Response:
    """XLSX has drop-downs, a comment on each heading and the list of codes."""
    content = await tabling.export_sheet(office_of(request), version, form, language)
    headers = {"Content-Disposition": f'attachment; filename="routing-table-{version}.{form}"'}
    return Response(content, headers=headers, media_type=_TYPES[form])


@router.get(
    "/{version}/diff",
    summary="What differs from another version",
    responses=answers(TableDiff, "not_found", "validation_failed"),
)
async def compare(
    request: Request,
    key: Looks,
    version: Version,
    since: Annotated[int, Query(alias="from", ge=1, le=10**6, description="The version to compare with.")],
) -> Response:
    """By rule, in words."""
    return answer(await tabling.compare(office_of(request), since, version))


@router.post(
    "/{version}/check", summary="Prove a version", responses=answers(Certificate, "not_found", "validation_failed")
)
async def prove(request: Request, key: Edits, version: Version) -> Response:
    """Every need, every place, every day, every region of the facts: one lead each. Each finding has a witness, a
    concrete request that shows it. Errors block publication, warnings want a reason."""
    return answer(await tabling.prove(office_of(request), version))


@router.post(
    "/{version}/publish",
    summary="Put a draft in force",
    responses=answers(RoutingTableView, "not_found", "table_not_draft", "table_not_proved", body=True),
    openapi_extra=takes(PublishIn),
)
async def publish(request: Request, key: Edits, version: Version) -> Response:
    """It is proved once more first. A request sees the old table or the new one, whole."""
    asked = parse(PublishIn, await read_bytes(request))
    await rights.must_hold_all(office_of(request), key)
    return answer(await tabling.publish(office_of(request), key.actor, version, asked))


@router.post(
    "/{version}/retire",
    summary="Take a published version back",
    responses=answers(RoutingTableView, "not_found", "table_not_published", "table_needed", "validation_failed"),
)
async def retire(request: Request, key: Edits, version: Version) -> Response:
    """The version before it decides from now on. What it decided stays, and can still be made again."""
    await rights.must_hold_all(office_of(request), key)
    return answer(await tabling.retire(office_of(request), version))


@router.post(
    "/{version}/replay",
    summary="Try a version on what came before",
    responses=answers(Replayed, "not_found", "no_table_in_force", "purpose_needed", body=True),
    openapi_extra=takes(ReplayIn),
)
async def try_out(request: Request, key: Edits, version: Version, purpose: StatedPurpose = None) -> Response:
    """What would change, by need and agency, and the change in load of each agency. Nothing of it is stored. Which stored
    requests change is told, with examples, to who may see people, and recorded as a reading of each; others get
    counts alone, to the nearest ten, of at least fifty requests."""
    asked = parse(ReplayIn, await read_bytes(request))
    return answer(await replay.replay(office_of(request), version, asked, key, purpose))


@preview_router.post(
    "/preview",
    summary="What would become of a request",
    responses=answers(Preview, "not_found", "no_table_in_force", body=True),
    openapi_extra=takes(PreviewIn),
)
async def preview(request: Request, key: Asks) -> Response:
    """Who would get it and why, why not the others, by when, what to bring, what data sharing supplies, who would see
    what. Nothing is stored."""
    asked = parse(PreviewIn, await read_bytes(request))
    return answer(await previewing.preview(office_of(request), asked))

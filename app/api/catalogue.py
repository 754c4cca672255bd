"""What a kiosk shows: needs and divisions; and what each problem code means. For anyone."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app import catalogue
from app.answers import ProblemExplained
from app.answers_catalogue import DivisionPage, NeedList
from app.api.access import office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.rates import Within
from app.problems import KINDS, Problem
from app.rates import Budget

router = APIRouter(prefix="/v1", tags=["catalogue"], dependencies=[Depends(Within(Budget.CATALOGUE))])


@router.get("/needs", summary="The need catalogue", responses=answers(NeedList, key=False))
async def needs(request: Request) -> Response:
    """What may be asked for, what to bring, what data sharing supplies, and the law it rests on."""
    return answer(await catalogue.needs(office_of(request)), headers={"Cache-Control": "public, max-age=60"})


@router.get("/divisions", summary="Divisions", responses=answers(DivisionPage, "validation_failed", key=False))
async def divisions(
    request: Request,
    page: Paged,
    parent: Annotated[str | None, Query(pattern=r"^[0-9]{2,9}$", description="Code of the division above.")] = None,
    level: Annotated[Literal["province", "prefecture", "county", "township"] | None, Query()] = None,
) -> Response:
    """Statistical codes of Jiangxi as of 2023-06-30, in the order of their codes."""
    return page_answer(request, await catalogue.divisions(office_of(request), page, parent, level))


@router.get(
    "/problems/{code}",
    summary="What a problem code means",
    responses=answers(ProblemExplained, "not_found", "validation_failed", key=False),
)
async def problem(code: Annotated[str, Path(pattern=r"^[a-z_]{1,64}$")]) -> Response:
    """The address that `type` of every error names."""
    kind = KINDS.get(code)
    if kind is None:
        raise Problem("not_found")
    (title_zh, title_en), (advice_zh, advice_en) = kind.title, kind.advice
    texts = {"title_zh": title_zh, "title_en": title_en, "advice_zh": advice_zh, "advice_en": advice_en}
    return answer({"code": code, "status": kind.status, **texts})

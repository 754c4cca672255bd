"""The conference's list as an XLSX workbook with room for the outcomes, and the filled-in workbook read back."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from openpyxl import Workbook
from openpyxl.worksheet.datavalidation import DataValidation

from app.conference.agenda import DISPUTE, OVERDUE_TWICE, SEVERAL_OPEN
from app.conference.outcomes import Line
from app.deadlines import CHINA
from app.routing.cells import Cell, refuse_computed
from app.routing.directory import Agency
from app.routing.faults import CellError, Faults, refused
from app.routing.package import LARGEST, ZIP
from app.routing.words import Language, Pair, pick
from app.routing.workbook import Writer, heading_cell
from app.routing.worksheet import letter_of, open_worksheet
from app.schemas_coordination import MOST_OUTCOMES, REQUIRED, OutcomeIn

TITLE: Pair = ("联席会议", "conference")
_LONGEST = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class _Column(NamedTuple):
    name: str
    heading: Pair
    width: int
    comment: Pair = ("", "")


_SHOWN = (
    _Column("item", ("编号", "item"), 38, ("请勿改动。", "Leave it as it is.")),
    _Column("kind", ("议题", "kind"), 16),
    _Column("receipt_number", ("受理编号", "receipt number"), 16),
    _Column("need", ("救助需求", "need"), 24),
    _Column("since", ("起始日期", "since"), 14),
    _Column("agencies", ("单位、状态、天数", "agencies, status, days"), 60),
    _Column("laws", ("依据", "legal bases"), 50),
)
_FILLED = (
    _Column(
        "decision",
        ("决定", "decision"),
        12,
        (
            "裁定:归某单位;维持:仍归原单位;延期:到某日;备注:只记一句。空着则跳过。",
            "ruling: whose it is; keep: as it is; extend: to a day; note: only that. Empty: nothing.",
        ),
    ),
    _Column("agency", ("裁定单位", "agency"), 26, ("单位代码或全名。", "An agency's code or its full name.")),
    _Column("legal_basis", ("裁定依据", "legal basis"), 30),
    _Column("until", ("延期至", "until"), 14, ("日期,如 2027-03-01。", "A day such as 2027-03-01.")),
    _Column("note", ("理由或备注", "note"), 40),
)
_COLUMNS = (*_SHOWN, *_FILLED)
_READ = {"item": _SHOWN[0].heading, **{column.name: column.heading for column in _FILLED}}
_BY_HEADING = {text.casefold(): name for name, heading in _READ.items() for text in heading}
_KINDS: dict[str, Pair] = {
    DISPUTE: ("争议待裁定", "dispute"),
    SEVERAL_OPEN: ("三家以上在办", "three or more agencies"),
    OVERDUE_TWICE: ("两次超期", "overdue twice"),
}
_DECISIONS: dict[str, Pair] = {
    "ruling": ("裁定", "ruling"),
    "keep": ("维持", "keep"),
    "extend": ("延期", "extend"),
    "note": ("备注", "note"),
}
_STATUSES: dict[str, Pair] = {
    "waiting": ("待转办", "waiting"),
    "dispatched": ("待签收", "dispatched"),
    "received": ("已签收", "received"),
    "in_progress": ("办理中", "in progress"),
    "suspended": ("中止计时", "suspended"),
    "completed": ("已办结", "completed"),
    "returned": ("已退回", "returned"),
}
_MORE: Pair = ("还有更多,未列出", "there are more, not listed")


def write(agenda: Mapping[str, Any], language: Language = "zh") -> bytes:
    """A workbook of one sheet: an `Agenda`, and columns to fill in."""
    book = Workbook(write_only=True)
    book.properties.creator = "One Window"
    sheet = book.create_sheet(pick(TITLE, language))
    sheet.freeze_panes = "A2"
    for index, column in enumerate(_COLUMNS):
        sheet.column_dimensions[letter_of(index)].width = column.width
    choices = ",".join(pick(pair, language) for pair in _DECISIONS.values())
    drop_down = DataValidation("list", f'"{choices}"', allow_blank=True, showErrorMessage=True)
    letter = letter_of(len(_SHOWN))
    drop_down.add(f"{letter}2:{letter}{MOST_OUTCOMES * 2}")
    sheet.data_validations.append(drop_down)
    sheet.append([heading_cell(sheet, pick(each.heading, language), pick(each.comment, language)) for each in _COLUMNS])
    writer = Writer(sheet)
    for item in agenda["items"]:
        writer.append(_row(item, language))
    for kind in agenda["more"]:
        writer.append(["", f"{pick(_KINDS[kind], language)}: {pick(_MORE, language)}"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _row(item: Mapping[str, Any], language: Language) -> Iterator[str]:
    yield str(item["item"])
    yield pick(_KINDS[item["kind"]], language)
    yield item["receipt_number"]
    yield item["need"][f"name_{language}"]
    yield _day(item["since"])
    yield "\n".join(_of_agency(each, language) for each in item["agencies"])
    laws = (law for each in item["agencies"] for law in (each["legal_basis"], each["says"]) if law)
    yield "\n".join(dict.fromkeys(laws))


def _of_agency(each: Mapping[str, Any], language: Language) -> str:
    name, phone, due = each[f"name_{language}"], each["phone"] or "-", each["complete_due"]
    status = pick(_STATUSES.get(each["status"], (each["status"],) * 2), language)
    if language == "zh":
        late = f",期限 {_day(due)}" if due else ""
        return f"{name}({phone}):{status},{each['days']} 天{late},催办 {each['urged']} 次"
    late = f", due {_day(due)}" if due else ""
    return f"{name} ({phone}): {status}, days: {each['days']}{late}, urged: {each['urged']}"


def _day(moment: datetime) -> str:
    return moment.astimezone(CHINA).date().isoformat()


def read(content: bytes, agencies: Collection[Agency]) -> list[Line]:
    """The rows with a decision. Raises SheetError with every fault, by row and column."""
    if len(content) > LARGEST or not content.startswith(ZIP):
        raise refused(
            "应为填好的会议清单(XLSX,不超过 10 MiB)。",
            "send the filled-in list of the conference, an XLSX of at most 10 MiB",
        )
    worksheet = open_worksheet(content)
    faults = Faults(worksheet.name)
    rows = worksheet.rows()
    _, headings = next(rows, (1, {}))
    columns = {
        name: index for index, cell in headings.items() if (name := _BY_HEADING.get(cell.text.strip().casefold()))
    }
    for name in _READ.keys() - columns.keys():
        zh, en = _READ[name]
        faults.add_of_all(CellError(f"缺少标题为“{zh}”的列。", f"the column {en} ({zh}) is missing: add it"), 1)
    faults.check()
    reader = _Reader(worksheet.name, columns, {index: cell.text.strip() for index, cell in headings.items()}, faults)
    reader.names = _names(agencies)
    lines = [line for number, cells in rows if (line := reader.line(number, cells))]
    if len(lines) > MOST_OUTCOMES:
        zh, en = f"最多 {MOST_OUTCOMES} 项决定,请分开提交。", f"at most {MOST_OUTCOMES} decisions: send them apart"
        faults.add_of_all(CellError(zh, en))
    elif not lines and not faults.found:
        faults.add_of_all(CellError("没有填写任何决定。", "no decision is filled in"))
    faults.check()
    return lines


def _names(agencies: Collection[Agency]) -> dict[str, str]:
    """Codes by codes and by names; a name that two agencies have is none."""
    names: dict[str, list[str]] = {}
    for each in agencies:
        for name in {each.code, each.name_zh, each.name_en}:
            names.setdefault(name.casefold(), []).append(each.code)
    return {name: codes[0] for name, codes in names.items() if len(codes) == 1}


class _Reader:
    names: Mapping[str, str]

    def __init__(self, sheet: str, columns: Mapping[str, int], headings: Mapping[int, str], faults: Faults) -> None:
        self._sheet, self._columns, self._headings, self._faults = sheet, columns, headings, faults

    def line(self, row: int, cells: Mapping[int, Cell]) -> Line | None:
        """None for a row without a decision, and for one with faults, which are kept."""
        filled = {name: cells[index] for name, index in self._columns.items() if index in cells}
        if not any(filled[name].text.strip() for name in filled if name != "item"):
            return None
        values: dict[str, Any] = {}
        before = self._faults.found
        for name, read in self._readers().items():
            cell = filled.get(name)
            try:
                if cell is not None and cell.text.strip():
                    values[name] = read(cell)
                elif name in ("item", "decision"):
                    raise CellError("此格必填。", "must be filled in")
            except CellError as error:
                self._add(row, name, error)
        for name in REQUIRED.get(values.get("decision", ""), ()):
            if name not in filled or not filled[name].text.strip():
                zh, en = _DECISIONS[values["decision"]]
                self._add(row, name, CellError(f"“{zh}”须填写此格。", f"is needed for {en}"))
        if self._faults.found > before:
            return None
        return Line(OutcomeIn(**values), partial(self._place, row))

    def _place(self, row: int, name: str) -> str:
        return f"/{self._sheet}/{row}/{self._headings[self._columns[name]]}"

    def _add(self, row: int, name: str, error: CellError) -> None:
        index = self._columns[name]
        self._faults.add(error, row, self._headings[index], letter_of(index))

    def _readers(self) -> dict[str, Callable[[Cell], Any]]:
        return {
            "item": _item,
            "decision": _decision,
            "agency": self._agency,
            "legal_basis": _words,
            "until": _until,
            "note": _words,
        }

    def _agency(self, cell: Cell) -> str:
        text = _words(cell)
        if text.casefold() not in self.names:
            raise CellError(
                "没有这个单位(或有重名),请写代码。", "is no agency, or two: write its code", text, self.names
            )
        return self.names[text.casefold()]


def _words(cell: Cell) -> str:
    refuse_computed(cell)
    text = " ".join(cell.text.split())
    if len(text) > _LONGEST or _UNPRINTABLE.search(text):
        raise CellError(f"最多 {_LONGEST} 个字,不得含控制字符。", f"write at most {_LONGEST} characters")
    return text


def _item(cell: Cell) -> UUID:
    try:
        return UUID(_words(cell))
    except ValueError:
        raise CellError("编号被改动了,请从清单中复制。", "is no item of the list: copy it from there") from None


def _decision(cell: Cell) -> str:
    text = _words(cell).casefold()
    known = {word: code for code, pair in _DECISIONS.items() for word in (code, *pair)}
    if text not in known:
        zh, en = "、".join(pair[0] for pair in _DECISIONS.values()), ", ".join(_DECISIONS)
        raise CellError(f"应为以下之一:{zh}。", f"write one of {en}", text, known)
    return known[text]


def _until(cell: Cell) -> date:
    try:
        return date.fromisoformat(_words(cell))
    except ValueError as error:
        if isinstance(error, CellError):
            raise
        raise CellError("应为日期,如 2027-03-01。", "write a day such as 2027-03-01") from None

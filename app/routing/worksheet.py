"""The worksheet of an XLSX file that holds the rules, row by row, as a person sees it.

Read as a stream: a library that reads such streams does not tell merged cells, and one that does tell them holds the
whole sheet, however large it says it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache

from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from app.routing.cells import Cell, Row
from app.routing.faults import refused
from app.routing.package import Package, corrupt
from app.routing.parts import Formats, Texts, Workbook, Writing, is_number, relations, unescaped

SHEET_NAMES = {"zh": "分办规则", "en": "rules"}
_MOST_COLUMNS, _MOST_ROWS, _MOST_MERGED, _LONGEST_NAME = 16_384, 1_048_576, 20_000, 31
_MIDNIGHT = re.compile(r"[T ]00:00:00(\.0+)?Z?$")
_PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.ASCII)


def letter_of(index: int) -> str:
    """The letter of a column, counted from 0."""
    letter: str = get_column_letter(index + 1)
    return letter


def open_worksheet(content: bytes) -> Worksheet:
    """Raises SheetError for what is no workbook, or has no sheet that is the table's."""
    package = Package(content)
    workbook = next(iter(relations(package, "", "/officeDocument").values()), None)
    if workbook is None or not workbook.endswith(".xml") or not package.has(workbook):
        raise corrupt()
    described = Workbook()
    package.read_all(workbook, described)
    paths = relations(package, workbook, "/worksheet")
    name, path = _chosen({name: paths[key] for name, key in described.sheets if key in paths})
    strings = next(iter(relations(package, workbook, "/sharedStrings").values()), None)
    styles = next(iter(relations(package, workbook, "/styles").values()), None)
    texts, formats = Texts(), Formats()
    for part, reader in ((strings, texts), (styles, formats)):
        if part is not None and package.has(part):
            package.read_all(part, reader)
    cells = _Cells(texts.found, formats.dates, MAC_EPOCH if described.from_1904 else WINDOWS_EPOCH)
    return Worksheet(name, package, path, cells)


class Worksheet:
    """`merged` is complete when `rows` has come to its end: the cells, and the row and letter of the first of them."""

    def __init__(self, name: str, package: Package, path: str, cells: _Cells) -> None:
        self.name = name
        self._package, self._path, self._cells = package, path, cells

    def rows(self) -> Iterator[Row]:
        """Those that hold anything, with their numbers. Raises SheetError for a damaged file."""
        for _ in self._package.read(self._path, self._cells):
            yield from self._cells.taken()

    @property
    def merged(self) -> list[tuple[str, int, str]]:
        return self._cells.merged


def _chosen(sheets: Mapping[str, str]) -> tuple[str, str]:
    named = [name for name in sheets if name.strip().casefold() in SHEET_NAMES.values()]
    if len(named) == 1 or len(sheets) == 1:
        name = (named or list(sheets))[0]
        return name[:_LONGEST_NAME], sheets[name]
    if not sheets:
        raise corrupt()
    names = ", ".join(name[:_LONGEST_NAME] for name in list(sheets)[:20])
    raise refused(
        f"工作簿有几张工作表({names}),把放规则的那一张(只一张)命名为“{SHEET_NAMES['zh']}”。",
        f"the workbook has several sheets ({names}): name the one with the rules, and only it, {SHEET_NAMES['zh']} or "
        f"{SHEET_NAMES['en']}",
    )


class _Cells:
    """Cells of the rows that have been read and not yet taken."""

    def __init__(self, strings: list[str], dates: set[int], epoch: datetime) -> None:
        self.merged: list[tuple[str, int, str]] = []
        self._strings, self._dates, self._epoch = strings, dates, epoch
        self._writing = Writing()
        self._done: list[Row] = []
        self._row, self._column = 0, -1
        self._cells: dict[int, Cell] = {}
        self._kind, self._style = "n", "0"
        self._formula = False

    def taken(self) -> Iterator[Row]:
        done, self._done = self._done, []
        yield from done

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            self._begin_cell(attributes)
        elif tag in Writing.TAGS:
            self._writing.begin(tag)
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._begin_row(attributes.get("r"))
        elif tag == "mergeCell" and len(self.merged) < _MOST_MERGED:
            self._merge(attributes.get("ref", ""))

    def end(self, tag: str) -> None:
        if tag == "c":
            cell = self._cell(self._writing.taken())
            if cell is not None:
                self._cells[self._column] = cell
        elif tag in Writing.TAGS:
            self._writing.end(tag)
        elif tag == "row" and self._cells:
            self._done.append((self._row, self._cells))
            self._cells = {}

    def text(self, text: str) -> None:
        self._writing.text(text)

    def _begin_row(self, written: str | None) -> None:
        number = self._row + 1 if written is None else int(written) if is_number(written) else 0
        if not self._row < number <= _MOST_ROWS:
            raise corrupt()
        self._row, self._column = number, -1

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        column = self._column + 1 if place is None else _column(place)
        if not self._column < column < _MOST_COLUMNS:
            raise corrupt()
        self._column = column
        self._kind, self._style, self._formula = attributes.get("t", "n"), attributes.get("s", "0"), False

    def _merge(self, reference: str) -> None:
        match = _PLACE.match(reference)
        if match is None:
            raise corrupt()
        self.merged.append((reference[:20], int(match[2]), match[1]))

    def _cell(self, written: str) -> Cell | None:
        if self._formula:
            return Cell(written, "formula")
        if self._kind == "s":
            written = self._shared(written)
        elif self._kind in ("inlineStr", "str"):
            written = unescaped(written)
        elif self._kind == "b":
            written = {"1": "TRUE", "0": "FALSE"}.get(written, written)
        if not written.strip():
            return None
        if self._kind == "e":
            return Cell(written, "error")
        if self._kind == "d":
            return Cell(_MIDNIGHT.sub("", written), "date")
        return self._number(written) if self._kind == "n" else Cell(written)

    def _shared(self, written: str) -> str:
        if not written:
            return ""
        if not is_number(written) or int(written) >= len(self._strings):
            raise corrupt()
        return self._strings[int(written)]

    def _number(self, written: str) -> Cell:
        try:
            value = float(written)
        except ValueError:
            raise corrupt() from None
        if is_number(self._style) and int(self._style) in self._dates:
            try:
                return Cell(_MIDNIGHT.sub("", str(from_excel(value, self._epoch))), "date")
            except (ValueError, OverflowError):
                # A spreadsheet shows ##### for a day that it can't show.
                return Cell("#####", "error")
        return Cell(str(int(value)) if value.is_integer() else repr(value), "number")


def _column(place: str) -> int:
    """From 0; above every column that there can be for what is no place."""
    match = _PLACE.fullmatch(place)
    return _index(match[1] if match else "ZZZZ")


@cache
def _index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1

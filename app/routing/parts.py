"""What the parts of a workbook say of each other, of numbers that are dates, and of the strings that cells share."""

from __future__ import annotations

import posixpath
import re

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from app.routing.package import Package, corrupt

_MOST_NAMED, _MOST_STRINGS, _MOST_STYLES = 1000, 1_000_000, 65_536
_LONGEST_TEXT, _LONGEST_FORMAT = 40_000, 255
# Formats that spreadsheets in Chinese, Japanese and Korean show as dates and that have no text of their own.
_EASTERN_DATES = {*range(27, 37), *range(50, 59)}
# What XML can't hold stands in a string as `_x000D_`, and an underscore before what looks so as `_x005F_`.
_ESCAPED = re.compile(r"_x(?![Dd][89A-Fa-f])([0-9A-Fa-f]{4})_")
_LIKE_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def escaped(text: str) -> str:
    """What `unescaped` reads back."""
    return _LIKE_ESCAPED.sub("_x005F_", text) if "_x" in text else text


def is_number(text: str) -> bool:
    """A whole number that a workbook may count by."""
    return text.isascii() and text.isdigit() and len(text) < 10


def relations(package: Package, path: str, kind: str) -> dict[str, str]:
    """The parts that a part refers to as of this kind, by the keys it calls them by."""
    folder, name = posixpath.split(path)
    found = _Relations()
    listing = posixpath.join(folder, "_rels", f"{name}.rels")
    if not package.has(listing):
        raise corrupt()
    package.read_all(listing, found)
    return {
        key: posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        for key, of_kind, target in found.listed
        if of_kind.endswith(kind)
    }


class _Silent:
    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        pass

    def end(self, tag: str) -> None:
        pass

    def text(self, text: str) -> None:
        pass


class _Relations(_Silent):
    def __init__(self) -> None:
        self.listed: list[tuple[str, str, str]] = []

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.listed) > _MOST_NAMED:
            raise corrupt()
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            self.listed.append(tuple(attributes.get(name, "") for name in ("Id", "Type", "Target")))  # type: ignore[arg-type]


class Workbook(_Silent):
    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.from_1904 = False

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.sheets) > _MOST_NAMED:
            raise corrupt()
        if tag == "sheet":
            key = next((value for name, value in attributes.items() if name.endswith(" id")), "")
            self.sheets.append((attributes.get("name", ""), key))
        elif tag == "workbookPr":
            self.from_1904 = attributes.get("date1904") in ("1", "true")


class Formats(_Silent):
    """`dates` are the cell styles that show a number as a date."""

    def __init__(self) -> None:
        self.dates: set[int] = set()
        self._formats: dict[str, str] = {}
        self._of_cells = False
        self._count = 0

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "numFmt":
            self._formats[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif tag == "cellXfs":
            self._of_cells = True
        elif tag == "xf" and self._of_cells:
            if self._is_date(attributes.get("numFmtId", "0")):
                self.dates.add(self._count)
            self._count += 1
        if self._count > _MOST_STYLES or len(self._formats) > _MOST_STYLES:
            raise corrupt()

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._of_cells = False

    def _is_date(self, number: str) -> bool:
        code = self._formats.get(number)
        if code is None and is_number(number):
            if int(number) in _EASTERN_DATES:
                return True
            code = BUILTIN_FORMATS.get(int(number))
        return code is not None and len(code) <= _LONGEST_FORMAT and bool(is_date_format(code))


class Writing:
    """The text of one string or cell: all its runs, without the pronunciation that may stand above them.

    Told of the TAGS alone.
    """

    TAGS = frozenset({"t", "v", "rPh"})

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open = False
        self._above = 0

    def begin(self, tag: str) -> None:
        self._above += tag == "rPh"
        self._open = tag != "rPh" and not self._above

    def end(self, tag: str) -> None:
        self._above -= tag == "rPh"
        self._open = False

    def text(self, text: str) -> None:
        if self._open and self._length < _LONGEST_TEXT:
            self._parts.append(text)
            self._length += len(text)

    def taken(self) -> str:
        text = "".join(self._parts)
        self._parts, self._length = [], 0
        return text


class Texts:
    """The strings that cells share."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._writing = Writing()

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in Writing.TAGS:
            self._writing.begin(tag)

    def end(self, tag: str) -> None:
        if tag in Writing.TAGS:
            self._writing.end(tag)
        elif tag == "si":
            self.found.append(unescaped(self._writing.taken()))
            if len(self.found) > _MOST_STRINGS:
                raise corrupt()

    def text(self, text: str) -> None:
        self._writing.text(text)

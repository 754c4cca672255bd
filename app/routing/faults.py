"""What is wrong with a sheet: where it stands, and what to write instead; each text in Chinese and English."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from app.routing.words import Language

MOST_FAULTS = 200
_LONGEST_LIKENED, _SHORT = 80, 4


class CellError(ValueError):
    """What is wrong, without its place. The closest of `choices` to what was `written` is suggested, if one is close."""

    def __init__(self, zh: str, en: str, written: str = "", choices: Collection[str] = ()) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en
        self.written, self.choices = written, choices

    def suggestion(self) -> str | None:
        if len(self.written) > _LONGEST_LIKENED:
            return None
        likeness = 0.5 if len(self.written) < _SHORT else 0.6
        return next(iter(get_close_matches(self.written.casefold(), self.choices, 1, likeness)), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """`row` counts as the spreadsheet does, `column` is the heading as it stands there, `letter` the column's in XLSX."""

    sheet: str | None
    row: int | None
    column: str | None
    zh: str
    en: str
    letter: str | None = None

    def text(self, language: Language) -> str:
        """One line that names the place and says what to write."""
        return f"{self._place_zh()}{self.zh}" if language == "zh" else f"{self._place_en()}{self.en}"

    def _place_zh(self) -> str:
        sheet = f"工作表“{self.sheet}”" if self.sheet else ""
        row = f"第 {self.row} 行" if self.row else ""
        column = f"“{self.column}”列" if self.column else ""
        letter = (f"({self.letter} 列)" if column else f" {self.letter} 列") if self.letter else ""
        place = sheet + row + column + letter
        return f"{place}:" if place else ""

    def _place_en(self) -> str:
        letter = (f" ({self.letter})" if self.column else f" {self.letter}") if self.letter else ""
        parts = (
            f"sheet {self.sheet}" if self.sheet else "",
            f"row {self.row}" if self.row else "",
            "column" + (f" {self.column}" if self.column else "") + letter if self.column or letter else "",
        )
        place = ", ".join(part for part in parts if part)
        return f"{place}: " if place else ""


class SheetError(ValueError):
    """Every fault of a sheet that was refused, at most MOST_FAULTS and one that says how many more there are."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.text("en"))

    def text(self, language: Language) -> str:
        """A line for each fault."""
        return "\n".join(fault.text(language) for fault in self.faults)


def refused(zh: str, en: str) -> SheetError:
    """A file that can't be read any further, for one reason."""
    return SheetError([Fault(None, None, None, zh, en)])


class Faults:
    """Gathers the faults of one sheet, and only counts them when there are more than anybody will read."""

    def __init__(self, sheet: str | None = None) -> None:
        self._sheet = sheet
        self._of_all: list[Fault] = []
        self._of_cells: list[Fault] = []
        self.found = 0

    def add(self, error: CellError, row: int | None, column: str | None = None, letter: str | None = None) -> None:
        self._keep(self._of_cells, error, row, column, letter)

    def add_of_all(self, error: CellError, row: int | None = None, letter: str | None = None) -> None:
        """A fault that is told before those of single cells, whenever it was found."""
        self._keep(self._of_all, error, row, None, letter)

    def _keep(
        self, kept: list[Fault], error: CellError, row: int | None, column: str | None, letter: str | None
    ) -> None:
        self.found += 1
        if len(kept) < MOST_FAULTS:
            zh, en = error.zh, error.en
            if meant := error.suggestion():
                zh, en = f"{zh}是不是想写“{meant}”?", f"{en}; did you mean {meant}?"
            kept.append(Fault(self._sheet, row, column, zh, en, letter))

    def check(self) -> None:
        """Raises SheetError if there is any."""
        told = (self._of_all + self._of_cells)[:MOST_FAULTS]
        if more := self.found - len(told):
            told.append(
                Fault(self._sheet, None, None, f"另有 {more} 处错误未列出。", f"{more} more faults are not listed")
            )
        if told:
            raise SheetError(told)

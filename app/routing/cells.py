"""One cell of a rule: from what stands there to a value, and back.

Spaces around a cell and around the parts of a list are not part of it, a line break in it is `\\n`, and other control
characters are refused. Known words are read in Chinese or by their codes, and written in the language asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal, NamedTuple

from app.deadlines import Limit, parse_limit
from app.routing.conditions import Condition, spell
from app.routing.faults import CellError
from app.routing.grammar import ConditionError, parse_condition
from app.routing.headings import BY_NAME
from app.routing.rules import Consent, ConsentOf, Role
from app.routing.words import CODE_COLUMNS, VOCABULARIES, Language, heard_limit

LONGEST_CELL = 4000
_MOST_NUMBER, _MOST_STEP = 999_999_999, 99
_LONGEST_WORD, _LONGEST_SHOWN = 64, 20
_NUMERIC, _DATED = ("number", "step", "area"), ("effective_from", "effective_to")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CODE = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_WORD}}}", re.ASCII)
_AREA = re.compile(r"\d{2}|\d{4}|\d{6}|\d{9}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SEPARATORS = re.compile("[;\uff1b\n]")


class Cell(NamedTuple):
    """`text` as a person sees it; `kind` says how a spreadsheet holds it."""

    text: str
    kind: Literal["text", "number", "date", "formula", "error"] = "text"


# Its number as the spreadsheet shows it, and the cells that hold anything by their columns, from 0.
Row = tuple[int, Mapping[int, Cell]]


@dataclass(frozen=True, slots=True)
class Known:
    """The codes that rules may name, in sets or mappings. Prerequisites are free words."""

    needs: Collection[str]
    departments: Collection[str]
    areas: Collection[str]
    materials: Collection[str]


def read_cell(column: str, cell: Cell, known: Known | None = None) -> Any:
    """The value of a rule's field. Raises CellError that says what to write."""
    value = _READERS[column](_plain(column, cell))
    kind = CODE_COLUMNS.get(column)
    if known is not None and kind is not None:
        _check_known(value if isinstance(value, tuple) else (value,), getattr(known, kind))
    return value


def write_cell(column: str, value: Any, language: Language) -> str:
    """The text that `read_cell` reads back to an equal value, whichever the language."""
    if value is None:
        return ""
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, Condition):
        return spell(value.node, language)
    if isinstance(value, tuple):
        return ";".join(write_cell(column, each, language) for each in value)
    if language == "zh" and (words := VOCABULARIES.get(column, {}).get(str(value))):
        return words[0]
    return value.isoformat() if isinstance(value, date) else str(value)


def refuse_computed(cell: Cell) -> None:
    """Raises CellError for a cell that holds a formula, or shows an error in place of a value."""
    if cell.kind == "formula":
        raise CellError(
            "这里是公式。删去公式,直接写出结果(可复制后用“选择性粘贴”只贴数值)。",
            "holds a formula: write its result instead (copy, then paste values only)",
        )
    if cell.kind == "error":
        raise CellError(
            f"这里显示错误 {cell.text[:_LONGEST_SHOWN]},改写成应有的内容。",
            f"shows the error {cell.text[:_LONGEST_SHOWN]}: write it anew",
        )


def _plain(column: str, cell: Cell) -> str:
    refuse_computed(cell)
    shown = cell.text[:_LONGEST_SHOWN]
    if cell.kind == "date" and column not in _DATED:
        raise CellError(
            f"电子表格把这里变成了日期 {shown}。把单元格格式设为“文本”后重写。",
            f"the spreadsheet has made a date of it, {shown}: set the cell's format to text and write it again",
        )
    if cell.kind == "number" and column not in _NUMERIC:
        raise CellError(
            f"电子表格把这里当作数字 {shown}。把单元格格式设为“文本”后重写。",
            f"the spreadsheet takes it for the number {shown}: set the cell's format to text and write it again",
        )
    if len(cell.text) > LONGEST_CELL:
        raise CellError(f"最多 {LONGEST_CELL} 个字符,请写短些。", f"at most {LONGEST_CELL} characters: shorten it")
    text = cell.text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if found := _UNPRINTABLE.search(text):
        code = f"U+{ord(found.group()):04X}"
        raise CellError(
            f"第 {found.start() + 1} 个字符是看不见的控制字符({code}),请删去。",
            f"character {found.start() + 1} is a control character ({code}) that nobody sees: delete it",
        )
    return text


def _check_known(codes: tuple[str | None, ...], known: Collection[str]) -> None:
    strange = [code for code in codes if code and code not in known]
    if strange:
        raise CellError(
            f"没有代码 {'、'.join(strange)},请写代码表中的代码。",
            f"there is no code {', '.join(strange)}: write one of the codes in use",
            written=strange[0],
            choices=known,
        )


def _whole_number(most: int, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise CellError(f"写 1 至 {most} 的整数。", f"write a whole number from 1 to {most}")
    return int(text)


def _code(text: str) -> str:
    if not text:
        raise CellError("不能空着,请写代码。", "may not be empty: write a code")
    return _code_or_none(text) or ""


def _code_or_none(text: str) -> str | None:
    if text and not _CODE.fullmatch(text):
        raise CellError(
            f"“{text[:_LONGEST_WORD]}”不是代码。代码由字母、数字和 _ - 组成,最多 {_LONGEST_WORD} 个字符。",
            f"{text[:_LONGEST_WORD]!r} is no code: letters, digits, _ and -, at most {_LONGEST_WORD}",
        )
    return text or None


def _codes(text: str) -> tuple[str, ...]:
    return tuple(_code(part) for part in _parts(text))


def _area(text: str) -> str:
    if not _AREA.fullmatch(text):
        raise CellError("写 2、4、6 或 9 位行政区划代码。", "write a division code of 2, 4, 6 or 9 digits")
    return text


def _condition(text: str) -> Condition | None:
    try:
        return parse_condition(text)
    except ConditionError as error:
        raise CellError(f"第 {error.position} 个字符:{error.zh}", str(error)) from None


def _word(column: str, text: str) -> str:
    """A word of the column's vocabulary as its code."""
    words = VOCABULARIES[column]
    code = text if text in words else next((code for code, (zh, _) in words.items() if zh == text), None)
    if code is None:
        choices = [zh for zh, _ in words.values()]
        raise CellError(
            f"{f'不认识“{text[:_LONGEST_WORD]}”' if text else '不能空着'},写其中之一:{'、'.join(choices)}。",
            f"{f'{text[:_LONGEST_WORD]!r} is unknown' if text else 'may not be empty'}, write one of {', '.join(words)}",
            written=text,
            choices=[*words, *choices],
        )
    return code


def _word_or_empty(column: str, text: str) -> str:
    return _word(column, text) if text else ""


def _words(column: str, text: str) -> tuple[str, ...]:
    return tuple(_word(column, part) for part in _parts(text))


def _free_words(text: str) -> tuple[str, ...]:
    parts = _parts(text)
    if long := next((part for part in parts if len(part) > _LONGEST_WORD), None):
        raise CellError(
            f"“{long[:10]}…”太长,每项最多 {_LONGEST_WORD} 个字符,各项用分号隔开。",
            f"{long[:10]!r}… is too long: at most {_LONGEST_WORD} characters each, with semicolons between",
        )
    return parts


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _SEPARATORS.split(text) if part.strip())


def _limit(text: str) -> Limit | None:
    try:
        return heard_limit(text) or parse_limit(text.upper().replace("\uff1a", ":"))
    except ValueError:
        raise CellError(
            "时限写 WD:n(工作日)、CD:n(自然日)或 H:n(小时),如 WD:5。",
            "a limit is written WD:n (working days), CD:n (calendar days) or H:n (hours), such as WD:5",
        ) from None


def _publicity(text: str) -> str:
    try:
        limit = _limit(text)
    except CellError:
        limit = None
    if limit:
        return str(limit)
    try:
        return _word("publicity", text)
    except CellError as error:
        zh, en = f"{error.zh[:-1]},或公示多久,如 CD:7。", f"{error.en}, or how long it is posted, such as CD:7"
        raise CellError(zh, en, error.written, error.choices) from None


def _day(text: str) -> date:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise CellError(
            f"{'没有这一天' if _DATE.fullmatch(text) else '日期'},写成 2026-01-31 这样的年-月-日。",
            f"{'there is no such day' if _DATE.fullmatch(text) else 'a date'}: write it as in 2026-01-31",
        ) from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(BY_NAME, str),
    "number": partial(_whole_number, _MOST_NUMBER),
    "need": _code,
    "area": _area,
    "condition": _condition,
    "department": _code,
    "role": lambda text: Role(_word("role", text)),
    "step": partial(_whole_number, _MOST_STEP),
    "mandatory": lambda text: _word("mandatory", text) == "yes",
    "prerequisites": _free_words,
    **dict.fromkeys(("sign_in_limit", "accept_limit", "complete_limit", "emergency_limit"), _limit),
    **{name: partial(_word_or_empty, name) for name in ("sign_in_certainty", "accept_certainty", "complete_certainty")},
    "discloses": partial(_words, "discloses"),
    "consent": lambda text: tuple(Consent(code) for code in _words("consent", text)),
    "consent_of": lambda text: ConsentOf(_word_or_empty("consent_of", text)),
    "publicity": _publicity,
    "materials": _codes,
    "waived": _codes,
    "emergency_variant": _code_or_none,
    "effective_from": _day,
    "effective_to": lambda text: _day(text) if text else None,
}

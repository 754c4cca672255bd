"""A CSV file of rules: rows of cells out of its bytes, and back.

It is UTF-8 without a byte order mark, its lines end with LF. A cell that a spreadsheet would take for a formula is
written with an apostrophe before it, which is taken off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from app.routing.cells import Cell, Row
from app.routing.faults import CellError, Faults, SheetError, refused

_MOST_HEADINGS = 1000
_FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_RISKY, _GUARDED = re.compile(f"'*[{_FORMULA_SIGNS}]"), re.compile(f"'+[{_FORMULA_SIGNS}]")
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def csv_of(rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow(f"'{text}" if _RISKY.match(text) else text for text in row)
    return out.getvalue().encode()


class _Cells(dict[str, Cell | None]):
    """The cell of each text, None where nothing stands: a sheet says the same things in most of its rows."""

    def __missing__(self, written: str) -> Cell | None:
        text = written.strip()
        self[written] = cell = Cell(_unguarded(text)) if text else None
        return cell


def csv_rows(content: bytes, faults: Faults) -> Iterator[Row]:
    """Rows that hold anything, numbered as a spreadsheet shows them. One with cells too many or too few
    is a fault, and comes without any.

    Raises SheetError for what is no text in UTF-8.
    """
    reader = csv.reader(io.StringIO(_decoded(content), newline=""), strict=True)
    heard = _Cells()
    width: int | None = None
    number = 0
    try:
        for number, texts in enumerate(reader, start=1):
            cells = {index: cell for index, text in enumerate(texts) if (cell := heard[text])}
            if width is None and cells:
                # An empty heading within the row is told as one.
                width = len(texts)
                cells = {index: cells.get(index, Cell("")) for index in range(min(width, _MOST_HEADINGS))}
            elif cells and len(texts) != width:
                faults.add(_miscounted(len(texts), width or 0), number)
                yield number, {}
                continue
            if cells:
                yield number, cells
    except csv.Error as error:
        faults.add(_unreadable(error), number + 1)


def _unreadable(error: csv.Error) -> CellError:
    if "limit" in str(error):
        zh, en = (
            "有单元格长得出奇,也可能是双引号不成对",
            "holds a cell of endless length, or double quotes that don't pair",
        )
    else:
        zh, en = "双引号不成对", "double quotes don't pair"
    return CellError(
        f"{zh},未再往下读。含逗号、引号或换行的单元格用双引号括起,其中的引号写两遍。",
        f"{en}, the rest was not read: put a cell with a comma, a quote or a line break between double quotes, and "
        "write a quote in it twice",
    )


def _miscounted(cells: int, width: int) -> CellError:
    return CellError(
        f"有 {cells} 个单元格,应有 {width} 个。含逗号的单元格要用双引号括起。",
        f"has {cells} cells instead of {width}: put a cell that holds a comma between double quotes",
    )


def _unguarded(text: str) -> str:
    return text[1:] if _GUARDED.match(text) else text


def _decoded(content: bytes) -> str:
    """Raises SheetError for anything but plain UTF-8, and says which encoding it seems to be."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise _encoded_otherwise(f"带字节顺序标记(BOM)的 {name}", f"{name} with a byte order mark")
    if b"\0" in content:
        row = content[: content.index(b"\0")].count(b"\n") + 1
        zh, en = (
            f"第 {row} 行有空字节,不是 CSV 或 XLSX 文件。",
            f"line {row} holds a NUL byte: this is no CSV or XLSX file",
        )
        raise refused(zh, en)
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        raise _encoded_otherwise("无法辨认的编码", "an encoding that is not known") from None
    raise _encoded_otherwise("GBK(GB18030)编码", "GBK (GB18030)")


def _encoded_otherwise(zh: str, en: str) -> SheetError:
    return refused(
        f"文件是{zh},不是 UTF-8。请在电子表格中另存为 XLSX,或存为不带 BOM 的 UTF-8 编码的 CSV。",
        f"the file is in {en}: save it as XLSX, or as CSV in UTF-8 without a byte order mark",
    )

"""An XLSX file is a zip of XML parts. Its parts are unpacked piece by piece and never beyond a bound, and XML is read as
a stream of tags that defines nothing: no document type, no entity, nothing from elsewhere."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NoReturn, Protocol
from xml.parsers import expat

from app.routing.faults import SheetError, refused

# What a file may be at most: bytes as it comes, bytes unpacked, rules in it.
LARGEST, UNPACKED, MOST_RULES = 10 << 20, 64 << 20, 20_000
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_PARTS, _MOST_TAGS, _DEEPEST, _PIECE = 1000, 5_000_000, 64, 1 << 16
_ENTRY, _ENCRYPTED = b"PK\x01\x02", 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError, LookupError, OverflowError),
)


class Reader(Protocol):
    """What hears the tags of a part, by their names without namespaces."""

    def begin(self, tag: str, attributes: dict[str, str]) -> None: ...

    def end(self, tag: str) -> None: ...

    def text(self, text: str) -> None: ...


class Package:
    """The parts of an XLSX file. Every method raises SheetError where the file is not what it should be."""

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > _MOST_PARTS:
            _refuse_bomb()
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except _BROKEN as error:
            raise corrupt() from error
        parts = self._archive.infolist()
        if sum(part.file_size for part in parts) > UNPACKED:
            _refuse_bomb()
        if any(part.flag_bits & _ENCRYPTED for part in parts):
            _refuse_encrypted()
        if any(part.compress_type not in _METHODS for part in parts) or len({p.filename for p in parts}) < len(parts):
            raise corrupt()
        self._left = UNPACKED
        self._tags = 0

    def has(self, path: str) -> bool:
        return path in self._archive.NameToInfo

    def read(self, path: str, reader: Reader) -> Iterator[None]:
        """Tells `reader` a part from its beginning to its end, and pauses after each piece of it."""
        parser = self._parser(reader)
        try:
            for piece in self._pieces(path):
                parser.Parse(piece, False)
                yield
            parser.Parse(b"", True)
            yield
        except SheetError:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise corrupt() from error

    def read_all(self, path: str, reader: Reader) -> None:
        for _ in self.read(path, reader):
            pass

    def _pieces(self, path: str) -> Iterator[bytes]:
        try:
            with self._archive.open(path) as part:
                while piece := part.read(_PIECE):
                    # What a part says of its own size is not believed.
                    self._left -= len(piece)
                    if self._left < 0:
                        _refuse_bomb()
                    yield piece
        except SheetError:
            raise
        except _BROKEN as error:
            raise corrupt() from error

    def _parser(self, reader: Reader) -> expat.XMLParserType:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        depth = 0

        def begin(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            self._tags += 1
            if depth > _DEEPEST:
                raise corrupt()
            if self._tags > _MOST_TAGS:
                _refuse_bomb()
            reader.begin(_local(name), attributes)

        def end(name: str) -> None:
            nonlocal depth
            depth -= 1
            reader.end(_local(name))

        parser.StartElementHandler, parser.EndElementHandler = begin, end
        parser.CharacterDataHandler = reader.text
        parser.StartDoctypeDeclHandler = _refuse_definitions
        return parser


@lru_cache(256)
def _local(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition(" ")[2]


def corrupt() -> SheetError:
    return refused(
        "文件损坏或不是 XLSX 工作簿。请在电子表格中打开,另存为 XLSX。",
        "the file is damaged or no XLSX workbook: open it in a spreadsheet and save it as XLSX",
    )


def refuse_ole(content: bytes) -> NoReturn:
    """For the container of old .xls files and of encrypted XLSX files."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        _refuse_encrypted()
    raise refused("这是旧版 .xls 文件,请另存为 XLSX。", "this is an old .xls file: save it as XLSX")


def _refuse_encrypted() -> NoReturn:
    raise refused("文件有密码,请去掉密码后另存。", "the file has a password: remove it and save the file again")


def _refuse_bomb() -> NoReturn:
    size = UNPACKED >> 20
    raise refused(
        f"文件解压后超过 {size} MiB 或内容过于零碎,不予打开。规则最多 {MOST_RULES} 条;把规则复制到新的工作簿再存。",
        f"the file unpacks to more than {size} MiB or to too many pieces and was not opened: if it holds no more than "
        f"{MOST_RULES} rules, copy them into a new workbook",
    )


def _refuse_definitions(*_: object) -> None:
    raise refused(
        "文件里有文档类型定义(DTD),电子表格不会写这种内容,不予打开。",
        "the file holds a document type definition, which no spreadsheet writes, and was not opened",
    )

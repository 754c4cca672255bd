"""A form with a file (multipart/form-data), read as it comes: the file goes to a sealed spool, never whole into memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.api.bodies import must_be_unpacked, parse
from app.api.sealed import MOST_BYTES_SEALED, is_sealed, unseal
from app.envelopes import most_sealed
from app.office import Office
from app.problems import FieldError, Problem, Text, invalid
from app.schemas_attachments import AttachmentIn, SealedFileIn
from app.sealed_files import Spool
from app.uploads import MOST_BYTES, Upload
from app.wire import to_json

SILENCE_SECONDS = 30.0
WHOLE_SECONDS = 600.0
_FILE = "file"
_MOST_OF_A_FIELD = 2_000
_MOST_FIELDS = 8
_AROUND = 64 * 1024  # of the body beside its file
_LONGEST_NAME = 200
_CLOSE = {"Connection": "close"}


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Upload]:
    """The upload, while the block lasts. Raises `unsupported_media_type`, `body_too_large`, `upload_too_slow`,
    `malformed_form`, `validation_failed`."""
    form = _Form(_boundary(request))
    declared = request.headers.get("content-length", "0")
    try:
        if declared.isdigit() and int(declared) > MOST_BYTES + _AROUND:
            raise _too_large()
        await _read(request, form, MOST_BYTES + _AROUND)
        yield form.upload()
    finally:
        form.spool.close()


@asynccontextmanager
async def received_or_unsealed(request: Request, office: Office) -> AsyncIterator[Upload]:
    """The same of a form, or of a photograph that a device sealed, at most 3 MB: its bytes, and in the header parameter
    `file` what a form's other fields say. Raises what `sealed.unseal` does, too."""
    if not is_sealed(request):
        async with received(request) as upload:
            yield upload
        return
    must_be_unpacked(request)
    arrived, spool = _Arrived(), Spool()
    try:
        await _read(request, arrived, most_sealed(MOST_BYTES_SEALED))
        arrived.spool.end()
        async with office.cleaning:  # a few at a time are whole in memory
            unsealed = await unseal(b"".join(arrived.spool.read()), office, MOST_BYTES_SEALED)
            await asyncio.to_thread(spool.write, unsealed.content)
        spool.end()
        fields = parse(SealedFileIn, to_json(unsealed.file))
        name = _plain_name(fields.name.encode()) if fields.name else None
        yield Upload(spool, name, fields.title, fields.material)
    finally:
        arrived.spool.close()
        spool.close()


class _Arrived:
    """An envelope as it comes, on the disk."""

    is_whole = True
    most = MOST_BYTES_SEALED

    def __init__(self) -> None:
        self.spool = Spool()

    async def take(self, part: bytes) -> None:
        await asyncio.to_thread(self.spool.write, part)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 70:
        text = Text(
            "请以 multipart/form-data 发送,文件放在 file 字段。",
            "Send `multipart/form-data`, with the file as its field `file`.",
        )
        raise Problem("unsupported_media_type", text)
    return boundary


async def _read(request: Request, form: _Form | _Arrived, whole: int) -> None:
    parts, come = request.stream(), 0
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    part = await anext(parts, None)
                if part is None:
                    break
                come += len(part)
                if come > whole:
                    raise _too_large(form.most)
                await form.take(part)
    except TimeoutError:
        raise Problem("upload_too_slow", headers=_CLOSE) from None
    except FormParserError:
        raise _malformed() from None
    if not form.is_whole:
        raise _malformed()


class _Form:
    """What the parser says of the form, in order. One file; fields are short."""

    most = MOST_BYTES

    def __init__(self, boundary: bytes) -> None:
        self.spool = Spool()
        self.is_whole = False
        self._name: str | None = None
        self._fields: dict[str, bytearray] = {}
        self._part = ""
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._to_spool: list[bytes] = []
        self._has_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._add,
                "on_end": self._end,
            },
        )

    async def take(self, part: bytes) -> None:
        self._parser.write(part)
        for each in self._to_spool:
            if self.spool.size + len(each) > MOST_BYTES:
                raise _too_large()
            await asyncio.to_thread(self.spool.write, each)
        self._to_spool.clear()

    def upload(self) -> Upload:
        if not self._has_file:
            text = Text("请在 file 字段附上文件。", "Put the file into the field `file`.")
            raise invalid(FieldError("/file", "missing", text))
        self.spool.end()
        told = parse(AttachmentIn, to_json(self._told()))
        return Upload(self.spool, self._name, told.title or None, told.material or None)

    def _told(self) -> dict[str, Any]:
        """The fields that say something; browsers send empty ones for what was left blank."""
        try:
            told = {name: bytes(value).decode().strip() for name, value in self._fields.items()}
        except UnicodeDecodeError:
            raise _malformed() from None
        return {name: value for name, value in told.items() if value}

    def _end_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part == _FILE and not self._has_file:
            self._has_file = True
            self._name = _plain_name(options.get(b"filename", b""))
            return
        if self._part in self._fields or self._part == _FILE:
            text = Text(
                "这个字段出现了两次;一次只能上传一个文件。", "This field is there twice: send one file at a time."
            )
            raise invalid(FieldError(f"/{self._part}", "field_twice", text))
        if len(self._fields) == _MOST_FIELDS:
            raise _malformed()
        self._fields[self._part] = bytearray()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._part == _FILE:
            self._to_spool.append(bytes(data[start:end]))
            return
        field = self._fields[self._part]
        field += data[start:end]
        if len(field) > _MOST_OF_A_FIELD:
            raise _too_large()

    def _end(self) -> None:
        self.is_whole = True


def _plain_name(given: bytes) -> str | None:
    name = given.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in name if sign.isprintable())[-_LONGEST_NAME:] or None


def _too_large(most: int = MOST_BYTES) -> Problem:
    text = Text(
        f"文件不得超过 {most // 2**20} MB;请缩小照片,或分成几个文件。",
        f"A file may have at most {most // 2**20} MB: make the photograph smaller, or several files of it.",
    )
    return Problem("body_too_large", text, headers=_CLOSE)


def _malformed() -> Problem:
    return Problem("malformed_form", headers=_CLOSE)

"""Column types that mean the same on both databases."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from cramjam import lz4
from sqlalchemy import JSON, DateTime, Dialect, LargeBinary, String, TypeDecorator, Uuid
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import UserDefinedType


class _InstantText(sqlite.DATETIME):
    """ISO 8601 text in UTC: it sorts as time does. Every instant that reaches a table is UTC already."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        return _written

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return lambda value: None if value is None else datetime.fromisoformat(value)


# The rows of a submission name the same few moments again and again, and writing one out is slow.
@lru_cache(1024)
def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(" ", "milliseconds")


class _UuidBytes(UserDefinedType[UUID]):
    """Sixteen bytes: half of what text takes in every index."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BLOB"

    def bind_processor(self, dialect: Dialect) -> Any:
        # The driver takes a bytearray as it is; of bytes it asks first whether somebody adapts them.
        return lambda value: None if value is None else bytearray(value.int.to_bytes(16))

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return lambda value: None if value is None else UUID(bytes=value)


def packed(content: bytes) -> bytes:
    """A zero, then LZ4 with the length before it (lz4/doc/lz4_Block_format.md), where that is shorter; else as it is."""
    made = b"\0" + bytes(lz4.compress_block(content))
    return made if len(made) < len(content) or content[:1] == b"\0" else content


def unpacked(stored: bytes) -> bytes:
    return bytes(lz4.decompress_block(stored[1:])) if stored[:1] == b"\0" else stored


class Packed(TypeDecorator[bytes]):
    """Bytes that say the same again and again (docs/decisions/0031)."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else packed(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else unpacked(value)


Instant = DateTime(timezone=True).with_variant(_InstantText(), "sqlite")  # type: ignore[no-untyped-call]
Id = Uuid().with_variant(_UuidBytes(), "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Digest = LargeBinary(32)


class before_slash(FunctionElement[str]):  # noqa: N801
    """What stands before the first slash; all of it where there is none."""

    type = String()
    inherit_cache = True


@compiles(before_slash, "sqlite")
def _before_slash_on_sqlite(element: before_slash, compiler: Any, **more: Any) -> str:
    whole = compiler.process(element.clauses, **more)
    return f"substr({whole}, 1, instr({whole} || '/', '/') - 1)"


@compiles(before_slash, "postgresql")
def _before_slash_on_postgresql(element: before_slash, compiler: Any, **more: Any) -> str:
    return f"split_part({compiler.process(element.clauses, **more)}, '/', 1)"


class digits_of(FunctionElement[str]):  # noqa: N801
    """An id as its 32 hex digits."""

    type = String()
    inherit_cache = True


@compiles(digits_of, "sqlite")
def _digits_on_sqlite(element: digits_of, compiler: Any, **more: Any) -> str:
    return f"lower(hex({compiler.process(element.clauses, **more)}))"


@compiles(digits_of, "postgresql")
def _digits_on_postgresql(element: digits_of, compiler: Any, **more: Any) -> str:
    return f"replace(CAST({compiler.process(element.clauses, **more)} AS text), '-', '')"

"""Structured logs: for people in a terminal, JSON otherwise; with request ids, never a name, a number or a secret.

Nothing that a caller sent is logged, not even in an error: that is logged by kind and place, and an address as its
route's template.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Literal

import structlog

# One list for good: a logger that was used keeps the one that it began with.
_PROCESSORS: list[structlog.typing.Processor] = []
_QUIET = ("uvicorn.access", "aiohttp.access", "httpx", "asyncio", "aiosqlite", "alembic")


def describe(error: BaseException) -> dict[str, object]:
    """An error for the log: its kind and where it arose. Its own words may quote a row, so they stay out."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    kinds, cause = [type(error).__name__], error.__cause__
    while cause is not None and len(kinds) < 4:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    return {"error": " < ".join(kinds), "at": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]}


def configure(form: Literal["auto", "console", "json"], level: str) -> None:
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    severity = logging.getLevelNamesMapping()[level.upper()]
    _PROCESSORS[:] = [*shared, *renderer]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=severity, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)

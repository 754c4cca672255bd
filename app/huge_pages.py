"""Memory that a process keeps for good, in huge pages (Linux 6.1 and later; elsewhere nothing happens).

Taking a request in touches most of what was imported, some 80 MB: twenty thousand pages of 4 KiB, of which a processor
knows the places of two thousand at a time (docs/decisions/0027).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from app.logs import describe

log = structlog.get_logger()
# What is imported and cached at the first calls is there by then; and who runs for a moment alone needs none of it.
_AFTER_SECONDS = 10
_ALLOWED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_HUGE = 2 << 20  # bytes
_FULL = 0.9  # what is emptier (the stacks of threads) would take memory that nobody uses
_MADV_COLLAPSE = 25  # linux/mman.h


async def take_when_settled(stopping: asyncio.Event) -> None:
    """Once, after the first seconds. Nothing depends on it, so nothing that goes wrong is raised."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), _AFTER_SECONDS)
    try:
        await asyncio.to_thread(take, stopping.is_set)
    except Exception as error:
        log.warning("huge_pages_not_taken", **describe(error))


def take(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Move this process's own memory, where it is in use as a whole, to huge pages. What the kernel refuses stays as it is,
    and all of it where its administrator wants none (`never`)."""
    if is_stopping() or not _ALLOWED.exists() or "[never]" in _ALLOWED.read_text(encoding="ascii"):
        return
    import ctypes  # not every build of Python has it

    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for begins, ends in list(_in_use(Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace"))):
        if is_stopping():
            return
        advise(begins, ends - begins, _MADV_COLLAPSE)


def _in_use(mappings: str) -> Iterator[tuple[int, int]]:
    """Where anonymous memory begins and ends that is at least one huge page and nearly all resident (proc_pid_smaps(5))."""
    begins, ends, is_own = 0, 0, False
    for line in filter(None, mappings.split("\n")):
        name, *rest = line.split()
        if not name.endswith(":"):
            begins, ends = (int(each, 16) for each in name.split("-"))
            is_own = rest[0].startswith("rw") and (len(rest) == 4 or rest[4].startswith(("[heap]", "[anon:")))
        elif name == "Rss:" and is_own:
            size, resident = ends - begins, int(rest[0]) << 10
            if size >= _HUGE and resident >= size * _FULL:
                yield begins, ends

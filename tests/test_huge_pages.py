"""What a process keeps for good is moved to huge pages, and nothing that is not in use."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
import time

import pytest
import structlog

from app import huge_pages

# So many objects of a kind that pymalloc keeps in its arenas, 40 MB of them; and a thread, whose stack is hardly used.
_PROCESS = """
import threading, time
from app import huge_pages

def of_this_process(name):
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

kept = [(each, each + 1) for each in range(700_000)]
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
huge, resident = of_this_process("AnonHugePages:"), of_this_process("Rss:")
huge_pages.take()
print(of_this_process("AnonHugePages:") - huge, of_this_process("Rss:") - resident, sum(a + b for a, b in kept))
"""


def can_be_asked_for() -> bool:
    """Where all memory is in huge pages anyway, and where none may be, there is nothing to ask for."""
    number = tuple(int(each) for each in platform.release().split("-")[0].split(".")[:2] if each.isdigit())
    allowed = huge_pages._ALLOWED
    return number >= (6, 1) and allowed.exists() and "[madvise]" in allowed.read_text(encoding="ascii")


@pytest.mark.skipif(not can_be_asked_for(), reason="only Linux 6.1 and later, set to `madvise`, shows the difference")
def test_what_is_in_use_is_moved_and_what_is_not_takes_no_more_memory() -> None:
    done = subprocess.run([sys.executable, "-c", _PROCESS], capture_output=True, text=True, check=True, timeout=60)
    more_huge, more, total = map(float, done.stdout.split())
    assert more_huge > 20
    assert more < 8
    assert total == 700_000**2


def test_only_own_memory_that_is_nearly_all_resident_is_chosen() -> None:
    mappings = """7f0000000000-7f0000400000 rw-p 00000000 00:00 0
Size:               4096 kB
Rss:                3800 kB
Pss:                3800 kB
7f0010000000-7f0010400000 rw-p 00000000 00:00 0
Rss:                3600 kB
7f0020000000-7f0020100000 rw-p 00000000 00:00 0
Rss:                1024 kB
7f0030000000-7f0030400000 r-xp 00000000 fe:00 17                         /usr/lib/libpython3.so
Rss:                4096 kB
7f0040000000-7f0040400000 rw-s 00000000 00:01 18                         /dev/zero (deleted)
Rss:                4096 kB
7f0050000000-7f0050400000 rw-p 00000000 fe:00 19                         /srv/a\f name\u2028 of a file
Rss:                4096 kB

7f0060000000-7f0060400000 rw-p 00000000 00:00 0                          [anon:cpython:pymalloc]
Rss:                4096 kB
560000000000-560000400000 rw-p 00000000 00:00 0                          [heap]
Rss:                4096 kB
VmFlags: rd wr mr mw me ac sd
"""
    begins = (0x7F0000000000, 0x7F0060000000, 0x560000000000)
    assert list(huge_pages._in_use(mappings)) == [(each, each + 0x400000) for each in begins]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), OSError("no madvise"), ValueError("a line")])
def test_what_goes_wrong_is_told_and_ends_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(huge_pages, "take", fail)
    monkeypatch.setattr(huge_pages, "_AFTER_SECONDS", 0)
    with structlog.testing.capture_logs() as told:
        asyncio.run(huge_pages.take_when_settled(asyncio.Event()))
    assert [each["event"] for each in told] == ["huge_pages_not_taken"]


def test_who_stops_earlier_waits_for_nothing() -> None:
    async def stopped_at_once() -> None:
        stopping = asyncio.Event()
        waiting = asyncio.create_task(huge_pages.take_when_settled(stopping))
        await asyncio.sleep(0)
        stopping.set()
        await waiting

    began = time.monotonic()
    asyncio.run(stopped_at_once())
    assert time.monotonic() - began < huge_pages._AFTER_SECONDS / 2

"""The system's clock as one process sees it, by libfaketime (Debian: libfaketime)."""

from __future__ import annotations

from pathlib import Path

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def faked(rule: str = "+0") -> dict[str, str]:
    """The environment of a process whose clocks go by `rule`: `+0 x60` is sixty times as fast. Empty without it."""
    return {"LD_PRELOAD": str(_LIBRARIES[0]), "FAKETIME": rule} if _LIBRARIES else {}


class Clock:
    """The wall clock of the processes in whose environment it is; their monotonic clock goes on as ever."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """So many seconds ahead of the true time; seen within a second."""
        self._file.write_text(f"{seconds:+d}\n")

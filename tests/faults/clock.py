"""The system's clock as one process sees it, by libfaketime (Debian: libfaketime)."""

from __future__ import annotations

from pathlib import Path

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
CAN_BE_SET = bool(_LIBRARIES)


class Clock:
    """The wall clock of the processes in whose environment it is; the monotonic one too where it is `all_of_them`."""

    def __init__(self, file: Path, *, all_of_them: bool = False) -> None:
        self._file = file
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if all_of_them else "1",
        }

    def set(self, seconds: int) -> None:
        """So many seconds ahead of the true time; seen within two seconds."""
        self._file.write_text(f"{seconds:+d}\n")

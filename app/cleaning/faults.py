"""Why a file can't be kept, as the cleaning process tells it: by its exit code."""

from __future__ import annotations

from enum import IntEnum


class Fault(IntEnum):
    BROKEN = 3
    TOO_LARGE = 4  # opened, whatever its size as it was sent
    LOCKED = 5  # by a password


class FaultyFileError(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault

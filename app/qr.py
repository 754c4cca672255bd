"""QR codes (ISO/IEC 18004), as a path that a page draws or prints at any size."""

from __future__ import annotations

import segno

_QUIET = 4  # modules around it, as the standard asks
_MASK = 3  # any of the eight is read alike; to look for the best one takes eight times as long


def drawn(text: str) -> dict[str, int | str]:
    """`modules`: how many there are each way, with the quiet zone; `path`: the dark ones, for `<path d>` in a viewBox of
    so many units. Level M: some 15% of it may be soiled and it is read."""
    code = segno.make_qr(text, error="m", mask=_MASK)
    rows = [bytes(row) for row in code.matrix]
    path = "".join(
        f"M{start + _QUIET} {y + _QUIET}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _runs(row)
    )
    return {"modules": len(rows) + 2 * _QUIET, "path": path}


def _runs(row: bytes) -> list[tuple[int, int]]:
    """Where dark modules begin, and how many stand side by side."""
    runs, at = [], 0
    while (start := row.find(1, at)) >= 0:
        at = row.find(0, start)
        at = len(row) if at < 0 else at
        runs.append((start, at - start))
    return runs

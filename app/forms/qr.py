"""QR codes (ISO/IEC 18004) as one path of an SVG picture."""

from __future__ import annotations

from collections.abc import Iterable

import segno


def path_of(text: str) -> tuple[int, str]:
    """How many modules wide the picture is, with its quiet zone of four, and the `d` of its path."""
    code = segno.make(text, error="m", micro=False)
    path = []
    for y, row in enumerate(code.matrix_iter(border=4)):
        x = 0
        for dark, length in _runs(row):
            if dark:
                path.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return int(code.symbol_size(border=4)[0]), "".join(path)


def _runs(row: Iterable[int]) -> list[tuple[bool, int]]:
    runs: list[tuple[bool, int]] = []
    for module in row:
        if runs and runs[-1][0] == bool(module):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((bool(module), 1))
    return runs

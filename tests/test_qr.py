"""QR codes as paths that a page draws: the modules of the library, each where it belongs, with the quiet zone around."""

from __future__ import annotations

import re

import pytest
import segno

from app.qr import drawn

LONG = f"https://one-window.example.gov.cn/track/{'A' * 27}"


@pytest.mark.parametrize("text", ["1", LONG, LONG * 4])
def test_the_path_of_a_code_draws_its_modules(text: str) -> None:
    code = drawn(text)
    made = segno.make_qr(text, error="m", mask=3)
    shown = [
        (int(x) + more, int(y))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", str(code["path"]))
        for more in range(int(length))
    ]
    dark = {(x, y) for y, row in enumerate(made.matrix_iter(border=4)) for x, module in enumerate(row) if module}
    assert len(shown) == len(set(shown))
    assert set(shown) == dark
    assert code["modules"] == made.symbol_size(border=4)[0]

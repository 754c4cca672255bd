"""Masks: what is left of a name or a number on a paper that is taken home."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.masks import masked_name, masked_number


@pytest.mark.parametrize(
    ("mask", "written", "left"),
    [
        (masked_name, "张某某", "张*"),
        (masked_name, "张某", "张*"),
        (masked_name, " Anna Maria ", "A*"),
        (masked_number, "360111199001011234", "3601**********1234"),
        (masked_number, "11010519491231002X", "1101**********002X"),
        (masked_number, "E12345678", "E*******8"),
        (masked_number, "12345", "*****"),
    ],
)
def test_a_mask_leaves_what_tells_the_person_that_it_is_theirs(mask, written: str, left: str) -> None:
    assert mask(written) == left


@given(st.text(st.characters(codec="ascii", categories=("Lu", "Nd")), min_size=1, max_size=40))
def test_no_mask_leaves_more_than_eight_signs_nor_more_than_two_thirds(written: str) -> None:
    masked = masked_number(written)
    assert len(masked.replace("*", "")) <= min(8, len(written) * 0.7)
    assert len(masked) == len(written)

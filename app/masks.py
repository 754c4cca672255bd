"""Masks (脱敏): names and numbers as they may stand on a paper that is taken home or posted; pure.

张* for a name, 3601**********1234 for an identity number, 138****5678 for a telephone: what is left tells the person that
the paper is theirs, and tells nobody else who they are.
"""

from __future__ import annotations

_LONG, _SHORT = 12, 6


def masked_name(name: str) -> str:
    """`张某某` -> `张*`, however long it is: its length tells something too."""
    return f"{name.strip()[:1]}*"


def masked_number(number: str) -> str:
    """Of an identity document: four and four of a long one, the first and the last of a short one, else nothing."""
    number = "".join(number.split())
    if len(number) >= _LONG:
        return _but(number, 4, 4)
    return _but(number, 1, 1) if len(number) > _SHORT else "*" * len(number)


def _but(text: str, first: int, last: int) -> str:
    return f"{text[:first]}{'*' * (len(text) - first - last)}{text[-last:]}"

"""What a decision is made from: where, what is asked for, and what was declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    division_code: str
    needs: tuple[str, ...]
    declared: Mapping[str, Any] = field(default_factory=dict)


def lies_in(division_code: str, area: str) -> bool:
    """Whether a division is `area` or a part of it: statistical codes nest by prefix."""
    return division_code.startswith(area)

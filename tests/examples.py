"""Bodies that tests send."""

from __future__ import annotations

from typing import Any

TOWNSHIP = "360803101"


def a_request(*needs: str, **changes: Any) -> dict[str, Any]:
    """A valid request; `changes` replace its fields."""
    return {
        "channel": "window",
        "division_code": TOWNSHIP,
        "applicant": {"name": "测试甲", "phone": "13800000000"},
        "needs": [{"code": code} for code in needs or ("medical_assistance_applied",)],
        **changes,
    }

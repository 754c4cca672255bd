"""Whether a department can be reached in a place, and what keeps it from being reached; pure."""

from __future__ import annotations

from app.routing.directory import Agency, Directory

FAULTS = {
    "agency_missing": ("没有承办单位(本级及上级均无);请先登记该单位。", "has no agency there or above; add one"),
    "agency_suspended": (
        "已停用;请恢复该单位或改由别的部门。",
        "is suspended; take it back or name another department",
    ),
    "agency_unreachable": (
        "没有接口地址、收件箱密钥,也没有电话;请至少登记一样。",
        "has neither an endpoint, a key for its inbox, nor a telephone; give it one",
    ),
}


class Reach:
    """Looks each department up once in each place."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._found: dict[tuple[str, str], str | None] = {}

    def fault(self, department: str, place: str) -> str | None:
        """A key of FAULTS, or None where somebody answers."""
        seat = department, place
        if seat not in self._found:
            self._found[seat] = self._look_up(department, place)
        return self._found[seat]

    def _look_up(self, department: str, place: str) -> str | None:
        agency = self._directory.resolve(department, place)
        if agency is None:
            return "agency_suspended" if self._directory.suspended(department, place) else "agency_missing"
        return None if _is_reachable(agency) else "agency_unreachable"


def _is_reachable(agency: Agency) -> bool:
    return bool(agency.endpoint or agency.phone or agency.inbox)

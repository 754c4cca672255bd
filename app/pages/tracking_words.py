"""The words of the person's own page for what the county calls by codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.lifecycle import HandoffStatus, Solved
from app.routing.rules import Role

Tell = Callable[..., str]


def statuses(_: Tell) -> Mapping[HandoffStatus, str]:
    """Of an agency's part."""
    return {
        HandoffStatus.WAITING: _("还没有转去,等前面的环节"),
        HandoffStatus.DISPATCHED: _("已转给该单位,等它签收"),
        HandoffStatus.RECEIVED: _("该单位已签收,马上开始办理"),
        HandoffStatus.IN_PROGRESS: _("正在办理"),
        HandoffStatus.SUSPENDED: _("暂停计时,在等核实或材料"),
        HandoffStatus.COMPLETED: _("已办结"),
        HandoffStatus.RETURNED: _("该单位退回,正在确定由谁办理"),
        HandoffStatus.CANCELLED: _("该单位不用再办"),
    }


def outcomes(_: Tell) -> Mapping[str, str]:
    return {
        "granted": _("同意救助"),
        "partly_granted": _("同意部分救助"),
        "not_granted": _("不予救助"),
        "referred": _("转到其他渠道"),
    }


def roles(_: Tell) -> Mapping[Role, str]:
    return {Role.LEAD: _("牵头办理"), Role.CO_HANDLER: _("协助办理"), Role.INFORMED: _("知会,不用答复")}


def solved(_: Tell) -> Mapping[Solved, str]:
    return {Solved.YES: _("解决了"), Solved.PARTLY: _("解决了一部分"), Solved.NO: _("没有解决")}

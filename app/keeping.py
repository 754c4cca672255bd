"""What is kept and for how long (保管期限), where the county has not said otherwise; pure.

A period counts whole days in China: what began to count on a day is kept to the end of the day that lies the period
later. Only what is named in `source` with a paper is written somewhere; all else is proposed, and the county sets it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from app.deadlines import CHINA, china_day

PERIOD_PATTERN = r"^P([1-9][0-9]?Y|[1-9][0-9]{0,2}M|[1-9][0-9]{0,3}D)$"
_MONTHS_OF = {"Y": 12, "M": 1}
_DAYS_OF = {"Y": 365.2425, "M": 30.436875, "D": 1}


@dataclass(frozen=True, slots=True)
class Period:
    """`P10Y` ten years, `P6M` six months, `P180D` a hundred and eighty days (ISO 8601)."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"P{self.count}{self.unit}"

    def is_shorter_than(self, other: Period) -> bool:
        return self.count * _DAYS_OF[self.unit] < other.count * _DAYS_OF[other.unit]

    def before(self, at: datetime) -> datetime:
        """What began to count before this instant has been kept for the whole period at `at`."""
        return _morning(self._back_from(china_day(at)))

    def over_from(self, began: datetime) -> datetime:
        """From when on what began to count then has been kept for the whole period."""
        first, day = china_day(began), china_day(began) + timedelta(days=self.count * int(_DAYS_OF[self.unit]))
        while self._back_from(day) <= first:
            day += timedelta(days=1)
        return _morning(day)

    def _back_from(self, day: date) -> date:
        if self.unit == "D":
            return day - timedelta(days=self.count)
        months = day.year * 12 + day.month - 1 - self.count * _MONTHS_OF[self.unit]
        year, month = months // 12, months % 12 + 1
        return date(year, month, min(day.day, monthrange(year, month)[1]))


def parse_period(text: str) -> Period:
    """Raises ValueError."""
    if not re.fullmatch(PERIOD_PATTERN, text, re.ASCII):
        raise ValueError(f"a period is written P10Y, P6M or P180D, not {text!r}")
    return Period(int(text[1:-1]), text[-1])


def last_night(at: datetime, hour: int) -> datetime:
    """The last time that it was so late in China."""
    tonight = datetime.combine(china_day(at), time(hour), CHINA)
    return (tonight if tonight <= at else tonight - timedelta(days=1)).astimezone(UTC)


def _morning(day: date) -> datetime:
    return datetime.combine(day, time.min, CHINA).astimezone(UTC)


class Kept(NamedTuple):
    """A kind of record: what it is, from when it counts, and what is proposed. No period: it is kept for good."""

    zh: str
    en: str
    period: str | None
    minimum: str | None
    source: str


REQUEST, WITHDRAWN, EMERGENCY = "request", "request_withdrawn", "emergency"
_FILES = "最短:民政部办公厅、国家档案局办公室关于加强最低生活保障档案管理的通知(日常管理类不少于5年);10年为建议"
KINDS: Mapping[str, Kept] = {
    REQUEST: Kept(
        "办结的求助事项中的个人信息,自办结起", "people's data in closed requests, from closing", "P10Y", "P5Y", _FILES
    ),
    WITHDRAWN: Kept(
        "撤回的求助事项中的个人信息,自撤回起",
        "people's data in withdrawn requests, from the withdrawal",
        "P3Y",
        "P6M",
        "建议 proposed;最短:行政诉讼法46(起诉期限六个月);个人信息保护法19",
    ),
    EMERGENCY: Kept(
        "急难事项中的个人信息,自办结或撤回起", "people's data in emergencies, from their end", "P10Y", "P5Y", _FILES
    ),
    "delivery_body": Kept(
        "已送达报文的正文,自生成起;摘要保留",
        "the bytes of delivered messages, from when they were made; their digests stay, sealed",
        "P180D",
        None,
        "建议 proposed;个人信息保护法19",
    ),
    "attempt_answer": Kept(
        "对方系统的应答内容,自尝试起",
        "what endpoints answered, from the attempt",
        "P180D",
        None,
        "建议 proposed;个人信息保护法19",
    ),
    "callback_refused": Kept(
        "被拒回告的记录,自收到起", "the notes of refused callbacks, from their coming", "P3Y", None, "建议 proposed"
    ),
    "idempotency": Kept(
        "幂等键及首次应答,自首次使用起",
        "idempotency keys with their first answers, from their first use",
        "P30D",
        "P7D",
        "建议 proposed",
    ),
    "guest_link": Kept("答复链接,自生成起", "guest links, from when they were made", "P1Y", "P1M", "建议 proposed"),
    "reserved_number": Kept(
        "预留给自助终端的受理编号,自预留起",
        "receipt numbers given to kiosks in advance, from when they were given",
        "P2Y",
        "P1Y",
        "建议 proposed;最短:编号第二位是年份末位,满一年后十年内不会再次发出",
    ),
    "reading": Kept(
        "查阅记录,自同一链最后一条起",
        "the record of readings, from the last one of its chain",
        "P10Y",
        "P3Y",
        "最短:个人信息保护法56(处理情况记录至少三年);10年为建议",
    ),
    "sign_in": Kept(
        "人员登录记录,自发生起",
        "who signed in to the pages, from when it happened",
        "P1Y",
        "P6M",
        "最短:网络安全法21(网络日志不少于六个月);1年为建议",
    ),
    "alarm": Kept(
        "已确认的查阅告警,自发出起",
        "acknowledged alarms about readings, from when they were raised",
        "P3Y",
        "P3Y",
        "个人信息保护法56",
    ),
}


def kind_of(request: Mapping[Any, Any]) -> str:
    """Of a request that has ended."""
    if request["emergency"] is not None:
        return EMERGENCY
    return WITHDRAWN if request["status"] == "withdrawn" else REQUEST

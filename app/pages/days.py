"""Days as people in China say them: by the calendar there, with the day of the week, and how far off they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from babel.dates import format_date

from app.deadlines import CHINA, china_day
from app.pages.showing import local


def day_in_words(at: datetime, language: str) -> str:
    """`2026年12月3日 星期四`, `Thursday 3 December 2026`."""
    day = china_day(at)
    return format_date(day, "EEEE d MMMM y", "en") if language == "en" else format_date(day, "y年M月d日 EEEE", "zh")


def moment_in_words(at: datetime, language: str) -> str:
    """The day, and the time as the clock on the wall says it."""
    return f"{day_in_words(at, language)} {local(at)[-5:]}"


def how_far(due_at: datetime, at: datetime, _: Callable[..., str]) -> str:
    """Of a time that something is due by, as days of the calendar."""
    days = (china_day(due_at) - china_day(at)).days
    if due_at < at:
        return _("已超过期限 {days} 天", days=-days) if days else _("今天已超过期限")
    if days == 0:
        return _("今天 {time} 前", time=due_at.astimezone(CHINA).strftime("%H:%M"))
    return _("明天") if days == 1 else _("还有 {days} 天", days=days)

"""Why and how somebody is shown something of a person, in words; pure.

Personal Information Protection Law art. 6, 17, 44: for a stated purpose, and the person may know.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

Words: TypeAlias = tuple[str, str]


class Purpose(StrEnum):
    HANDLING = "handling"
    VERIFICATION = "verification"
    COMPLAINT = "complaint"
    SUPERVISION = "supervision"
    CORRECTION = "correction"
    PERSON_ASKED = "person_asked"


class Way(StrEnum):
    MESSAGE = "message"  # sent to an agency's system
    HANDOFF = "handoff"  # an agency fetched it
    GUEST_PAGE = "guest_page"  # an agency's officer opened it by a link
    REQUEST = "request"  # the whole request was opened
    TIMELINE = "timeline"  # its history, with what was written there
    DELIVERY = "delivery"  # what an endpoint answered
    SEARCH = "search"  # found by an identity number or a telephone
    ATTACHMENT = "attachment"  # a paper was opened


PURPOSES: Mapping[str, Words] = {
    Purpose.HANDLING: ("办理您的求助", "to handle your request"),
    Purpose.VERIFICATION: ("核实情况", "to verify what was stated"),
    Purpose.COMPLAINT: ("处理投诉", "to handle a complaint"),
    Purpose.SUPERVISION: ("协调和督办", "to coordinate and supervise"),
    Purpose.CORRECTION: ("更正信息", "to correct what is recorded"),
    Purpose.PERSON_ASKED: ("应您本人要求", "because you asked"),
}
WAYS: Mapping[str, Words] = {
    Way.MESSAGE: ("系统消息送达", "by a message to its system"),
    Way.HANDOFF: ("在本系统查阅转办单", "by looking at the handoff here"),
    Way.GUEST_PAGE: ("凭链接和验证码打开页面", "on a page opened by a link and a code"),
    Way.REQUEST: ("在本系统查阅求助事项", "by looking at the request here"),
    Way.TIMELINE: ("在本系统查阅办理轨迹", "by looking at its history here"),
    Way.DELIVERY: ("在本系统查阅送达记录", "by looking at a delivery here"),
    Way.SEARCH: ("按证件号码或电话查询", "by looking up an identity number or a telephone"),
    Way.ATTACHMENT: ("打开附件", "by opening an attachment"),
}
# Beside the field groups that a rule may open.
OTHERS_SHOWN: Mapping[str, Words] = {
    "situation": ("急难情况和地点", "what happened in the emergency, and where"),
    "papers": ("已交材料的名称", "which papers were handed in"),
    "routing": ("据以分办的情况", "what it was routed by"),
    "notes": ("办理中写下的说明", "what was written down on the way"),
}
OFFICES: Mapping[str, Words] = {
    "intake": ("受理窗口", "the desk that took your request in"),
    "township": ("乡镇(街道)", "your township"),
    "coordinator": ("县级协调机构", "the county coordinator"),
}
ANOTHER_OFFICE: Words = ("其他经办机构", "another office in charge")
_BY_ROLE = {"coordinator": Purpose.SUPERVISION, "supervisor": Purpose.SUPERVISION, "auditor": Purpose.SUPERVISION}


def usual(role: str) -> Purpose:
    """What somebody of a role who states no purpose reads for."""
    return _BY_ROLE.get(role, Purpose.HANDLING)

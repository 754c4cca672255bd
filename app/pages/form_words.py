"""The words of the paper forms for what is kept as codes, in Chinese and English."""

from __future__ import annotations

from app.dangers import Kind
from app.lifecycle import HandoffStatus, RequestStatus
from app.pages import words
from app.problems import Text
from app.purposes import Purpose
from app.schemas import Channel

CHANNELS = {
    Channel.KIOSK: Text("自助终端", "Kiosk"),
    Channel.WINDOW: Text("窗口", "Window"),
    Channel.HOTLINE: Text("热线电话", "Hotline"),
    Channel.VILLAGE_WORKER: Text("村(居)代办", "Village worker"),
    Channel.OUTREACH: Text("主动发现", "Outreach"),
    Channel.ONLINE: Text("网上", "Online"),
    Channel.DEPARTMENT: Text("部门转来", "Another department"),
}
EMERGENCIES = {
    Kind.FIRE: Text("火灾", "Fire"),
    Kind.ILLNESS: Text("急病、重伤", "Illness or injury"),
    Kind.HOMELESS: Text("无处安身", "No shelter"),
    Kind.DISASTER: Text("自然灾害", "Natural disaster"),
    Kind.CHILD: Text("儿童处于危险", "A child in danger"),
    Kind.VIOLENCE: Text("受到侵害", "Violence"),
    Kind.HUNGER: Text("断粮", "No food"),
    Kind.UNDETERMINED: Text("急难,情形待查", "Kind not yet known"),
}
STATUSES = {
    HandoffStatus.WAITING: Text("待转办", "Not yet handed off"),
    HandoffStatus.DISPATCHED: Text("已转办,待签收", "Handed off, not yet signed for"),
    HandoffStatus.RECEIVED: Text("已签收", "Signed for"),
    HandoffStatus.IN_PROGRESS: Text("办理中", "Being handled"),
    HandoffStatus.SUSPENDED: Text("中止计时", "Paused"),
    HandoffStatus.COMPLETED: Text("已办结", "Completed"),
    HandoffStatus.RETURNED: Text("已退回", "Returned"),
    HandoffStatus.CANCELLED: Text("已撤销", "Cancelled"),
}
REQUEST_STATUSES = {
    RequestStatus.REGISTERED: Text("已登记,正在确定承办单位", "Registered; who handles it is being found out"),
    RequestStatus.ROUTED: Text("已转办,待签收", "Handed off, not yet signed for"),
    RequestStatus.IN_PROGRESS: Text("办理中", "Being handled"),
    RequestStatus.AWAITING_APPLICANT: Text("等待申请人", "Waiting for the applicant"),
    RequestStatus.DISPUTED: Text("有争议,待裁定", "Disputed, to be ruled on"),
    RequestStatus.CLOSED: Text("已办结", "Closed"),
    RequestStatus.WITHDRAWN: Text("已撤回", "Withdrawn"),
}
ROLES, OUTCOMES = words.ROLES, words.OUTCOMES
RETURNS = {
    "not_my_duty": Text("职责不符", "Not our duty"),
    "wrong_area": Text("属地不符", "Not our area"),
    "duplicate": Text("重复", "A duplicate"),
    "recognised_elsewhere": Text("已在册", "On record elsewhere"),
    "applicant_withdrew": Text("申请人撤回", "The applicant withdrew"),
    "needs_joint": Text("需会办", "Needs several agencies together"),
}
ACTS = {
    "received": Text("签收", "Signed for"),
    "accepted": Text("受理", "Accepted"),
    "information_requested": Text("一次性告知补正", "Asked the applicant for materials"),
    "suspended": Text("中止计时", "Paused the clock"),
    "extended": Text("延期", "Extended the limit"),
    "returned": Text("退回", "Returned"),
    "completed": Text("办结", "Completed"),
}
SAID = {
    "note": Text("说明", "Note"),
    "handler": Text("经办人", "Handled by"),
    "reason": Text("理由", "Reason"),
    "legal_basis": Text("依据", "Legal basis"),
    "approver": Text("批准人", "Approved by"),
    "materials": Text("所缺材料", "What is missing"),
}
PURPOSES = {
    Purpose.HANDLING: Text("办理此事项", "To handle it"),
    Purpose.VERIFICATION: Text("核实情况", "To verify what was stated"),
    Purpose.COMPLAINT: Text("处理投诉", "To handle a complaint"),
    Purpose.SUPERVISION: Text("协调和督办", "To coordinate and supervise"),
    Purpose.CORRECTION: Text("更正信息", "To correct what is recorded"),
    Purpose.PERSON_ASKED: Text("应当事人要求", "Because the person asked"),
}

"""The words of the answering page, in Chinese and English."""

from __future__ import annotations

from dataclasses import dataclass

from app.lifecycle import Act, HandoffStatus
from app.problems import Text

STATUSES: dict[HandoffStatus, Text] = {
    HandoffStatus.WAITING: Text("待转办", "Not yet handed to you"),
    HandoffStatus.DISPATCHED: Text("待签收", "Waiting for you to sign for it"),
    HandoffStatus.RECEIVED: Text("已签收,待受理", "Signed for, waiting to be accepted"),
    HandoffStatus.IN_PROGRESS: Text("办理中", "In progress"),
    HandoffStatus.SUSPENDED: Text("中止计时", "Paused"),
    HandoffStatus.COMPLETED: Text("已办结", "Completed"),
    HandoffStatus.RETURNED: Text("已退回", "Passed back"),
    HandoffStatus.CANCELLED: Text("已撤销,不必再办", "Cancelled, nothing more to do"),
}
ROLES = {
    "lead": Text("牵头", "Lead"),
    "co_handler": Text("协办", "Co-handler"),
    "informed": Text("知会", "To be informed"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """`kind`: line, lines, day, department, or the choices by their code."""

    label: Text
    kind: str | dict[str, Text]
    must: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What an officer may do: the button, what it means, and what is to be filled in (by the callback's own names)."""

    button: Text
    meaning: Text
    fields: dict[str, Field]


_NOTE = Field(Text("说明(可不填)", "Note (may be left empty)"), "lines")
_HANDLER = Field(Text("经办人(可不填)", "Who handles it (may be left empty)"), "line")
OUTCOMES = {
    "granted": Text("予以救助", "Granted"),
    "partly_granted": Text("部分救助", "Partly granted"),
    "not_granted": Text("不予救助", "Not granted"),
    "referred": Text("转介其他渠道", "Referred elsewhere"),
}
_REASONS = {
    "not_my_duty": Text("不属于本单位职责", "Not our duty"),
    "wrong_area": Text("不在本辖区", "Not our area"),
    "duplicate": Text("重复转办", "A duplicate"),
    "recognised_elsewhere": Text("他处已认定", "Recognised elsewhere already"),
    "applicant_withdrew": Text("申请人已撤回", "The applicant has withdrawn"),
    "needs_joint": Text("需联合办理", "Needs several agencies together"),
}
_WAITS_FOR = {
    "applicant": Text("申请人", "The applicant"),
    "verification": Text("核对、鉴定", "Verification or assessment"),
    "court": Text("法院或仲裁", "A court or arbitration"),
}
FORMS: dict[Act, Form] = {
    Act.RECEIVED: Form(
        Text("签收", "Sign for it"),
        Text("我单位已收到此转办单。", "Our office has this handoff."),
        {"handler": _HANDLER},
    ),
    Act.ACCEPTED: Form(
        Text("受理", "Accept"),
        Text("属于我单位职责,开始办理。", "It is our duty; we begin."),
        {"handler": _HANDLER, "note": _NOTE},
    ),
    Act.INFORMATION_REQUESTED: Form(
        Text("请申请人补充材料", "Ask the person for materials"),
        Text("一次性告知所缺的全部材料;办理计时中止。", "All that is missing, told once; the clock stops meanwhile."),
        {
            "materials": Field(Text("所缺材料,每行一项", "What is missing, one to a line"), "lines", must=True),
            "reason": Field(Text("再次补正的理由", "Why again, if you asked before"), "line"),
            "note": _NOTE,
        },
    ),
    Act.SUSPENDED: Form(
        Text("中止计时", "Pause the clock"),
        Text("须等待他人,办理计时中止。", "Somebody else must act first; the clock stops."),
        {"suspended_for": Field(Text("等待", "Waiting for"), _WAITS_FOR, must=True), "note": _NOTE},
    ),
    Act.RESUMED: Form(
        Text("继续办理", "Go on"),
        Text("所等的已经办妥,计时继续。", "What was waited for is done; the clock runs again."),
        {"note": _NOTE},
    ),
    Act.EXTENDED: Form(
        Text("延长期限", "Extend the time limit"),
        Text("经批准延长办理期限。", "A longer limit was approved."),
        {
            "approver": Field(Text("批准人", "Approved by"), "line", must=True),
            "reason": Field(Text("理由", "Reason"), "line", must=True),
            "due_on": Field(Text("新的办结日期", "New day to complete it by"), "day", must=True),
        },
    ),
    Act.COMPLETED: Form(
        Text("办结", "Complete"),
        Text("我单位已有结果。", "Our office has a result."),
        {
            "outcome": Field(Text("结果", "Outcome"), OUTCOMES, must=True),
            "note": _NOTE,
            "handler": _HANDLER,
        },
    ),
    Act.RETURNED: Form(
        Text("退回", "Return it"),
        Text(
            "不应由我单位办理;须写明依据,职责不符的还须写明应办部门。材料不全不能退回。",
            "It is not for us; say on what basis, and, if it is another's duty or needs another, whose.",
        ),
        {
            "reason_code": Field(Text("退回原因", "Reason"), _REASONS, must=True),
            "legal_basis": Field(Text("依据", "Legal basis"), "line", must=True),
            "suggested_department": Field(Text("应办部门", "Whose duty it is"), "department"),
            "note": _NOTE,
        },
    ),
}

SECTIONS = {
    "applicant": Text("申请人", "Applicant"),
    "account": Text("银行账户", "Bank account"),
    "helper": Text("代办人", "Helper"),
    "household": Text("家庭成员", "Household"),
    "obligors": Text("家庭外义务人", "Obligors outside the household"),
    "facts": Text("情况", "Facts"),
    "told": Text("诉求", "What they told us"),
    "consents": Text("授权", "Consents"),
    "supplements": Text("补充", "Added since"),
}
LABELS = {
    "name": Text("姓名", "Name"),
    "id_type": Text("证件类型", "Kind of identity document"),
    "id_number": Text("证件号码", "Identity number"),
    "birth_date": Text("出生日期", "Born"),
    "phone": Text("电话", "Telephone"),
    "address": Text("住址", "Address"),
    "household_division_code": Text("户籍地", "Registered in"),
    "bank": Text("开户银行", "Bank"),
    "number": Text("账号", "Account"),
    "holder": Text("户名", "Account holder"),
    "relation": Text("关系", "Relation"),
    "organisation": Text("单位", "Organisation"),
    "illness": Text("病情", "Illness"),
    "details": Text("诉求详情", "Details"),
    "narrative": Text("自述", "In their own words"),
    "materials": Text("已交材料", "Materials handed in"),
    "note": Text("说明", "Note"),
    "at": Text("时间", "When"),
    "purpose": Text("用途", "Purpose"),
    "person": Text("授权人", "Given by"),
    "given_at": Text("授权时间", "Given at"),
    "text_version": Text("同意书版本", "Version of the text"),
    "evidence": Text("证据", "Evidence"),
    "guardian": Text("监护人", "Guardian"),
    "withdrawn_at": Text("撤回时间", "Withdrawn at"),
}
VALUES = {
    "resident_id": Text("居民身份证", "Resident identity card"),
    "hmt_residence_permit": Text("港澳台居民居住证", "Residence permit (Hong Kong, Macao, Taiwan)"),
    "foreign_permanent_residence": Text("外国人永久居留证", "Permanent residence card"),
    "passport": Text("护照", "Passport"),
    "other": Text("其他", "Other"),
    "applicant": Text("申请人", "The applicant"),
    "helper": Text("代办人", "The helper"),
    "spouse": Text("配偶", "Spouse"),
    "parent": Text("父母", "Parent"),
    "child": Text("子女", "Child"),
    "village_worker": Text("村(居)干部", "Village worker"),
    "relative": Text("亲戚", "Relative"),
    "neighbour": Text("邻居、朋友", "Neighbour or friend"),
    "mother": Text("母亲", "Mother"),
    "father": Text("父亲", "Father"),
    "grandparent": Text("祖父母、外祖父母", "Grandparent"),
    "guardian": Text("其他监护人", "Another guardian"),
    "sensitive": Text("敏感个人信息", "Sensitive data"),
    "paper_signature": Text("纸质签名", "Signed on paper"),
    "electronic_signature": Text("电子签名", "Signed electronically"),
    "recording": Text("录音录像", "Recorded"),
    "clerk_witness": Text("经办人见证", "Witnessed by a clerk"),
    "economic_verification": Text("家庭经济状况核对", "Verification of economic circumstances"),
    "medical_data": Text("医疗数据", "Medical data"),
    "share_with_charity": Text("与慈善组织共享", "Sharing with charities"),
}

"""What the demonstration asks for. The people are invented; the Qingyuan family's needs and place are a real case's.

The case: Qingyuan district (青原区), Zhixia township (值夏镇), May 2021. Found by a township visit, not by asking.
"""

from __future__ import annotations

from typing import Any

TOWNSHIP = "360803101"
_SIGNED = {"purpose": "economic_verification", "evidence": {"kind": "paper_signature", "reference": "演示 2021-05"}}
_MOTHER = {"name": "演示甲", "relation": "mother"}

QINGYUAN_FAMILY: dict[str, Any] = {
    "channel": "outreach",
    "division_code": TOWNSHIP,
    "applicant": {
        "name": "演示甲",
        "phone": "13800000000",
        "address": "值夏镇",
        "household_division_code": TOWNSHIP,
    },
    "helper": {"name": "演示乙", "relation": "township_worker", "organisation": "值夏镇人民政府"},
    "household": [
        {"name": "演示丙", "relation": "spouse"},
        {"name": "演示丁", "relation": "child", "birth_date": "2012-03-01"},
        {"name": "演示戊", "relation": "child", "birth_date": "2013-09-01"},
    ],
    "facts": {"residence": "rural", "recognised_status": [], "household_size": 4},
    "needs": [
        {"code": "minimum_living_allowance", "details": "多种疾病致丧失劳动能力,家庭支出大于收入。"},
        {"code": "medical_assistance_applied", "facts": {"out_of_pocket_yuan": "48200.00", "illness": "多种慢性病"}},
        {"code": "education_aid", "details": "两个儿子读初中。", "facts": {"schooling": "junior"}},
        {"code": "insurance_premium_subsidy"},
    ],
    "narrative": "镇干部走访发现;丈夫在外省务工,婆婆 77 岁。",
    "consents": [
        {**_SIGNED, "person": "applicant", "given_at": "2021-05-20T02:00:00Z"},
        # The husband works in another province: by telephone, recorded.
        {
            **_SIGNED,
            "person": "household/0",
            "given_at": "2021-05-20T03:00:00Z",
            "evidence": {"kind": "recording", "reference": "演示 12345-0520"},
        },
        {**_SIGNED, "person": "household/1", "given_at": "2021-05-20T02:00:00Z", "guardian": _MOTHER},
        {**_SIGNED, "person": "household/2", "given_at": "2021-05-20T02:00:00Z", "guardian": _MOTHER},
        {**_SIGNED, "purpose": "sensitive", "person": "applicant", "given_at": "2021-05-20T02:00:00Z"},
        {**_SIGNED, "purpose": "medical_data", "person": "applicant", "given_at": "2021-05-20T02:00:00Z"},
    ],
}

KIOSK_ELDER: dict[str, Any] = {
    "channel": "kiosk",
    "division_code": "360803001",
    "applicant": {"name": "演示己", "birth_date": "1943-03-08"},
    "facts": {"residence": "urban", "household_size": 1},
    "needs": [{"code": "elderly_subsidy"}],
}

HOTLINE_WORKER: dict[str, Any] = {
    "channel": "hotline",
    "division_code": "360803",
    "applicant": {"name": "演示庚", "phone": "0796-8220000"},
    "needs": [{"code": "wage_arrears", "details": "工地拖欠三个月工资。"}, {"code": "undetermined"}],
}
CASES = (
    ("the Qingyuan family, found by a township visit", QINGYUAN_FAMILY),
    ("an old person at a kiosk", KIOSK_ELDER),
    ("a worker on the hotline", HOTLINE_WORKER),
)

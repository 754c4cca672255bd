"""Bodies that tests send."""

from __future__ import annotations

from typing import Any

TOWNSHIP = "360803101"
PURPOSES = ("economic_verification", "medical_data", "sensitive", "share_with_charity")
# With these every rule of education_aid fires, all five in one step.
CONCERNS_ALL: dict[str, Any] = {"disability_kind": "physical", "recognised_status": ["anti_poverty_monitoring"]}


def a_consent(purpose: str, person: str, **changes: Any) -> dict[str, Any]:
    """Signed on paper, five years ago."""
    given = {"purpose": purpose, "person": person, "given_at": "2021-05-20T02:00:00Z"}
    return {**given, "evidence": {"kind": "paper_signature"}, **changes}


def a_request(*needs: str, **changes: Any) -> dict[str, Any]:
    """A valid request of somebody who has signed for all that may be asked; `changes` replace its fields."""
    return {
        "channel": "window",
        "division_code": TOWNSHIP,
        "applicant": {"name": "测试甲", "phone": "13800000000"},
        "facts": CONCERNS_ALL,
        "needs": [{"code": code} for code in needs or ("medical_assistance_applied",)],
        "consents": [a_consent(purpose, "applicant") for purpose in PURPOSES],
        **changes,
    }


# Every field that names or describes a person, each with a value that occurs nowhere else. The people are invented.
PERSONAL = {
    "name": "独孤测试甲",
    "id_number": "11010519491231002X",
    "phone": "13812345678",
    "birth_date": "1949-12-31",
    "address": "值夏镇虚构路九十九号",
    "bank_account": "6217000010001234569",
    "helper": "欧阳测试乙",
    "helper_phone": "13987654321",
    "organisation": "虚构村委会",
    "member": "司徒测试丙",
    "member_id_number": "440524188001010014",
    "illness": "虚构综合征",
    "income": "1234.56",
    "costs": "48765.43",
    "details": "住院三次零七天",
    "narrative": "此人的虚构经过",
}


def a_request_in_full(*needs: str) -> dict[str, Any]:
    """A request with every personal field of PERSONAL."""
    return a_request(
        *needs,
        applicant={
            "name": PERSONAL["name"],
            "id_number": PERSONAL["id_number"],
            "phone": PERSONAL["phone"],
            "birth_date": PERSONAL["birth_date"],
            "address": PERSONAL["address"],
            "household_division_code": TOWNSHIP,
            "bank_account": {"bank": "虚构银行", "number": PERSONAL["bank_account"]},
        },
        helper={
            "name": PERSONAL["helper"],
            "phone": PERSONAL["helper_phone"],
            "relation": "village_worker",
            "organisation": PERSONAL["organisation"],
        },
        household=[{"name": PERSONAL["member"], "id_number": PERSONAL["member_id_number"], "relation": "parent"}],
        facts={**CONCERNS_ALL, "residence": "rural", "monthly_income_yuan": PERSONAL["income"]},
        needs=[
            {
                "code": code,
                "details": PERSONAL["details"],
                "facts": {"illness": PERSONAL["illness"], "out_of_pocket_yuan": PERSONAL["costs"]},
            }
            for code in needs or ("medical_assistance_applied",)
        ],
        narrative=PERSONAL["narrative"],
        consents=[
            a_consent(purpose, person)
            for purpose, person in (
                ("economic_verification", "applicant"),
                ("economic_verification", "household/0"),
                ("medical_data", "applicant"),
                ("sensitive", "applicant"),
            )
        ],
    )

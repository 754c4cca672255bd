"""Which field group of a rule opens a paper, by what it is a paper of: the file itself, and that it was handed in; pure.

Minimum disclosure, as in `disclosure`: an agency sees the papers of the groups that its own rules name, and no others.
Of groups that fit, a paper is in the one that the fewest rules open, as long as each rule that asks for it opens it.
"""

from __future__ import annotations

from collections.abc import Collection

NARRATIVE = "narrative"
_PAPERS = {
    "identity": (
        "identity_document",
        "guardian_identity_document",
    ),
    "household": (
        *("household_register", "marriage_certificate", "household_report_form", "parental_status_proof"),
        "death_or_missing_proof",
    ),
    "bank_account": ("social_security_card", "bank_card"),
    "income": (
        *("verification_authorization", "recognised_status_proof", "social_insurance_record", "property_certificate"),
        *("vehicle_registration", "business_registration", "housing_fund_record", "tax_record"),
        *("unemployment_registration", "veteran_benefit_record", "wage_arrears_evidence", "hardship_evidence"),
    ),
    "health": ("medical_settlement", "diagnosis"),
    "disability": ("disability_certificate",),
    "schooling": ("school_hardship_form", "school_enrolment_record"),
    "dwelling": ("house_safety_appraisal_form",),
    "disaster": ("damage_photos", "disaster_record"),
}
_BY_MATERIAL = {material: group for group, materials in _PAPERS.items() for material in materials}


def group_of(material: str | None) -> str:
    """What is of no kind, or of one that the county added, may hold anything: it goes with the person's own words."""
    return _BY_MATERIAL.get(material or "", NARRATIVE)


def is_opened(material: str | None, discloses: Collection[str]) -> bool:
    return group_of(material) in discloses

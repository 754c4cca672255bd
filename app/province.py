"""Placeholder agencies of a whole province: every county its departments, every township its office; pure.

Names follow the pattern that such offices usually have, and the telephone numbers are nobody's: local numbers do not
begin with 0. A county replaces both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

Row = Mapping[str, str]
_DIALLING = {
    "36": "0791",
    "3601": "0791",
    "3602": "0798",
    "3603": "0799",
    "3604": "0792",
    "3605": "0790",
    "3606": "0701",
    "3607": "0797",
    "3608": "0796",
    "3609": "0795",
    "3610": "0794",
    "3611": "0793",
}
_EIGHT_DIGITS = {"0791"}
_FIRST_NUMBER = 1001  # lower ones belong to a directory that is kept by hand
# How the name of a township ends, and its office's name in Chinese and in English.
_TOWNSHIPS = (
    (re.compile(r"[镇乡]$"), "人民政府", "People's Government of"),
    (re.compile(r"街道$"), "办事处", "Subdistrict Office of"),
)
# Farms, parks, mines, a prison: divisions of the statistics that are no townships.
_OTHERS = (
    (re.compile(r"(?<!社)区$|园$|城$"), "管理委员会", "Administrative Committee of"),
    (re.compile(r"$"), "", "Office of"),
)


def province_agencies(divisions: Iterable[Row], departments: Iterable[Row]) -> Iterator[dict[str, str]]:
    """An agency for each department in each division of the level where it has its seat, county by county.

    Divisions have a `code`, `name` and `level`; departments a `code`, the level of their `seat`, and the pattern of
    their `office`, also `office_in_english` and, where it differs, `office_of_a_district`. A township's office is
    called after its division.
    """
    kinds, given = list(departments), Counter[str]()
    places = sorted(divisions, key=lambda division: division["code"])
    names = {division["code"]: division["name"] for division in places}
    for division in places:
        for department in (each for each in kinds if each["seat"] == division["level"]):
            zh, en = _names(division, department, names)
            yield {
                "code": f"{division['code']}-{_short(department['code'])}",
                "department": department["code"],
                "division_code": division["code"],
                "name_zh": zh,
                "name_en": en,
                "phone": _next_phone(division["code"], given),
            }
        if division["level"] == "county":
            yield _desk_for_townships(division, _next_phone(division["code"], given))


def _desk_for_townships(county: Row, phone: str) -> dict[str, str]:
    """Who takes a township's part when nobody can say yet which township it is: a request of the whole county."""
    code, name = county["code"], county["name"]
    return {
        "code": f"{code}-township",
        "department": "township_gov",
        "division_code": code,
        "name_zh": f"{name}乡镇（街道）事项统一受理处（全{name[-1]}代收）",
        "name_en": f"Desk for the townships of {name} ({code}) (county-wide stand-in)",
        "phone": phone,
    }


def _short(department: str) -> str:
    """`county_civil_affairs` is `civil-affairs` in the code of an agency, `township_gov` is `township`."""
    return department.removeprefix("county_").removesuffix("_gov").replace("_", "-")


def _names(division: Row, department: Row, names: Mapping[str, str]) -> tuple[str, str]:
    code, name = division["code"], division["name"]
    city = names[code[:4]]
    if division["level"] == "township":
        return _township_names(code, name, names[code[:6]], city)
    of_district = department["office_of_a_district"] if name.endswith("区") else ""
    pattern = of_district or department["office"]
    zh = pattern.format(place=name, city=city, short=name[:-1], kind=name[-1])
    return zh, department["office_in_english"].format(place=f"{name} ({code})")


def _township_names(code: str, name: str, county: str, city: str) -> tuple[str, str]:
    """`修水县义宁镇人民政府`, `People's Government of 义宁镇 (360424100)`."""
    for ending, office, office_in_english in _TOWNSHIPS:
        if ending.search(name):
            return f"{county}{name}{office}", f"{office_in_english} {name} ({code})"
    # Many of the others say already whose they are, often by an older name of the county.
    of_itself = name.startswith((county[:-1], city[:-1], "江西", "省"))
    whole = name if of_itself else county + re.sub("^[县区]", "", name)
    office, office_in_english = next((zh, en) for ending, zh, en in _OTHERS if ending.search(name))
    return whole + office, f"{office_in_english} {name} ({code})"


def _next_phone(division_code: str, given: Counter[str]) -> str:
    area = _DIALLING[division_code[:4]]
    given[area] += 1
    digits = 8 if area in _EIGHT_DIGITS else 7
    return f"{area}-{_FIRST_NUMBER - 1 + given[area]:0{digits}}"

"""The page of staff that pairs kiosks, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsing import DESK, PHONE
from tests.people import PASSWORD, Person


def test_a_clerk_reads_a_code_out_and_revokes_the_device_later(service, new_page, looking, language) -> None:
    person = Person.made(service, "intake", division_code="360803")
    page = new_page(viewport={"zh": PHONE, "en": DESK}[language])
    page.goto(f"{service.address}/sign-in?lang={language}")
    page.fill("#login_name", person.login_name)
    page.fill("#password", PASSWORD)
    page.get_by_role("button").first.click()
    page.wait_for_url("**/account**")
    page.get_by_role("link", name={"zh": "自助终端", "en": "Kiosks"}[language]).click()
    page.fill("#name", "值夏镇大厅一号机")
    page.select_option("#division_code", "360803101")
    page.get_by_role("button").first.click()
    shown = page.locator(".read-out").inner_text()
    assert re.fullmatch(r"[0-9]{4}\s+[0-9]{4}", shown.strip())
    looking.picture(page, f"kiosk-code-{language}")
    paired = service.client(None).post("/v1/kiosks", json={"code": shown.strip()})
    assert paired.status_code == 201, paired.text
    page.goto(f"{service.address}/kiosks?lang={language}")
    page.locator("details.within summary").click()
    looking.picture(page, f"kiosks-{language}")
    page.get_by_role("button", name={"zh": "确定停用", "en": "Revoke it"}[language]).click()
    expect(page.get_by_role("status")).to_be_visible()
    looking.picture(page, f"kiosks-revoked-{language}")

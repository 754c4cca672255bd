"""The pages of staff in a real browser: signing in, the account, both languages."""

from __future__ import annotations

from tests.browser.browsing import DESK, PHONE
from tests.people import PASSWORD, Person


def test_a_person_signs_in_and_out_again(service, new_page, looking, language) -> None:
    person = Person.made(service, "intake", division_code="360803101")
    page = new_page(viewport={"zh": PHONE, "en": DESK}[language])
    page.goto(f"{service.address}/sign-in?lang={language}")
    looking.picture(page, f"sign-in-{language}")
    page.fill("#login_name", person.login_name)
    page.fill("#password", PASSWORD)
    page.get_by_role("button").first.click()
    page.wait_for_url("**/account**")
    looking.picture(page, f"account-{language}")
    page.get_by_role("button", name={"zh": "退出登录", "en": "Sign out"}[language]).click()
    page.wait_for_url("**/sign-in**")
    assert page.get_by_role("status").is_visible()

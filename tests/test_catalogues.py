"""What pages say stands in both languages: a message without English, or English without its message, is a fault."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from app.pages.catalogues import english, teller

PAGES = Path(__file__).parent.parent / "app" / "pages"
# Of each catalogue: where its messages stand, below `app/pages`.
SAID_IN: dict[str, tuple[str, ...]] = {
    "kiosk": ("kiosk/*.js",),
    "forms": ("templates/form*.html",),
    "kiosks": ("templates/kiosk*.html",),
    "track": ("templates/track*.html", "tracking*.py", "days.py"),
}


def messages_in(file: Path) -> Iterator[str]:
    """Whatever is said by `_("...")`: in templates, in scripts and in Python."""
    method = {".html": babel_extract, ".js": "javascript", ".py": "python"}[file.suffix]
    with file.open("rb") as content:
        found = extract(method, content, {"_": None}, options={"extensions": "jinja2.ext.i18n"})
        yield from (message for _, message, _, _ in found if isinstance(message, str))


def said(name: str) -> set[str]:
    files = [file for pattern in SAID_IN[name] for file in sorted(PAGES.glob(pattern))]
    assert files, f"nothing is found where {name} should be said"
    return {message for file in files for message in messages_in(file)}


@pytest.mark.parametrize("name", SAID_IN)
def test_every_message_has_its_english_and_no_english_is_left_over(name: str) -> None:
    assert set(english(name)) == said(name)
    assert not [message for message, text in english(name).items() if not text.strip()]


@pytest.mark.parametrize("name", SAID_IN)
def test_a_message_and_its_english_name_the_same_values(name: str) -> None:
    def values(text: str) -> set[str]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}

    assert not [message for message, text in english(name).items() if values(message) != values(text)]


@pytest.mark.parametrize("name", SAID_IN)
def test_a_catalogue_holds_chinese_and_english_where_they_belong(name: str) -> None:
    chinese = re.compile("[一-鿿]")
    assert not [text for text in english(name).values() if chinese.search(text)]


def test_every_catalogue_is_one_of_these() -> None:
    assert {file.stem for file in (PAGES / "locale" / "en").glob("*.po")} == set(SAID_IN)


@pytest.mark.parametrize("name", SAID_IN)
def test_no_message_is_fuzzy(name: str) -> None:
    with (PAGES / "locale" / "en" / f"{name}.po").open("rb") as file:
        assert not [each.id for each in read_po(file) if each.fuzzy and each.id]


def test_chinese_is_said_as_it_stands() -> None:
    assert teller("zh", "any")("共 {number} 件", number=3) == "共 3 件"

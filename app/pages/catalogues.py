"""What pages say, in English: gettext catalogues, whose messages are the Chinese that stands in the pages themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel.messages.pofile import read_po

_HERE = Path(__file__).parent / "locale" / "en"


@cache
def english(name: str) -> Mapping[str, str]:
    """The catalogue `locale/en/{name}.po`: what to say for each Chinese message."""
    with (_HERE / f"{name}.po").open("rb") as file:
        return MappingProxyType({str(each.id): str(each.string) for each in read_po(file, locale="en") if each.id})


def teller(language: str, name: str) -> Callable[..., str]:
    """`_` of a template: `_("共 {number} 件", number=3)`; what stands in braces is named by what it is."""
    told = english(name) if language == "en" else {}

    def tell(message: str, /, **values: object) -> str:
        text = told.get(message, message)
        return text.format(**values) if values else text

    return tell

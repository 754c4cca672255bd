"""Names as different people write them: one and the same is told to be so. Pure."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """One and the same for a person's name as different people write it: width, capitals, blanks and invisible
    characters do not count (Unicode NFKC and case folding)."""
    seen = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in seen if not each.isspace() and unicodedata.category(each) != "Cf")

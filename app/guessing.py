"""Passwords that are easily guessed: common ones, sequences, dates, keyboard rows, and names that belong here.

Guesses are estimated by zxcvbn, which brings lists of common passwords and words (NIST SP 800-63B, 3.1.1.2, asks for a
comparison with such lists); the words of this service and its county are added here.
"""

from __future__ import annotations

import re

from app.names import folded

# What would be tried first here: the service, the trade and the province's cities, in letters as they are typed.
_OWN_WORDS = (
    *("onewindow", "window", "yimenshouli", "yimen", "shouli", "xietong", "banli", "chuangkou", "zhengwu", "fuwu"),
    *("shehui", "jiuzhu", "minzheng", "dibao", "yibao", "xian", "quxian", "xiangzhen", "mima", "guanliyuan"),
    *("jiangxi", "nanchang", "jiujiang", "shangrao", "fuzhou", "yichun", "jian", "ganzhou", "jingdezhen"),
    *(
        "pingxiang",
        "xinyu",
        "yingtan",
        "zhongguo",
        "woaini",
        "nihao",
        "一门受理",
        "协同办理",
        "社会救助",
        "民政",
        "密码",
    ),
)
# Each letter more costs a guesser less than it costs to look at it.
_LOOKED_AT = 40
# By whoever has a copy of the database: some hundred million are within reach, even of Argon2id.
_LEAST_GUESSES = 10**8
_SHORTEST_NAME = 4


def is_easy(password: str, *names: str) -> bool:
    """Whether somebody who knows these names, and what people usually choose, would soon have it."""
    from zxcvbn import zxcvbn  # its lists take a tenth of a second to load, and few processes ask

    words = [*_OWN_WORDS, *(part for name in names for part in (name, _plain(name), *re.split(r"\W+", name)) if part)]
    return int(zxcvbn(password[:_LOOKED_AT], words)["guesses"]) < _LEAST_GUESSES


def holds_name(password: str, name: str) -> bool:
    """However it is written: with other capitals, or without what stands between its parts."""
    if name.casefold() in password.casefold():
        return True
    return len(_plain(name)) >= _SHORTEST_NAME and _plain(name) in _plain(password)


def _plain(text: str) -> str:
    return "".join(each for each in folded(text) if each.isalnum())

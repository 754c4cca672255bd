"""Files sealed piece by piece: whole and unchanged they open, else not at all; and the pure rules of who opens which."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from app import attachment_links, seed
from app.attachment_groups import _BY_MATERIAL, NARRATIVE, group_of, is_opened
from app.disclosure import _TELLING_NOTHING, GROUPS, papers_seen
from app.key_settings import CipherName
from app.sealed_files import PIECE, TAG, Spool, opening, sealing
from app.sealing import new_file_key

CIPHERS = list(CipherName)
LENGTHS = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17]
AT = datetime(2026, 11, 26, 8, tzinfo=UTC)


def sealed(key: bytes, content: bytes, name: bytes = b"a") -> bytes:
    pieces = sealing(key, name)
    return pieces.add(content) + pieces.end()


def unsealed(key: bytes, content: bytes, name: bytes = b"a", part: int = 1 << 30) -> bytes:
    pieces = opening(key, name)
    done = b"".join(pieces.add(content[at : at + part]) for at in range(0, len(content), part))
    return done + pieces.end()


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("length", LENGTHS)
def test_what_was_sealed_comes_out_again_however_it_comes(cipher: CipherName, length: int) -> None:
    key, content = new_file_key(cipher), bytes(range(251)) * (length // 251 + 1)
    content = content[:length]
    kept = sealed(key, content)
    assert len(kept) == length + max(-(-length // PIECE), 1) * TAG
    assert unsealed(key, kept) == unsealed(key, kept, part=9_973) == content


@pytest.mark.parametrize("cipher", CIPHERS)
def test_pieces_that_were_changed_left_out_moved_added_or_cut_off_do_not_open(cipher: CipherName) -> None:
    key, whole = new_file_key(cipher), PIECE + TAG
    kept = sealed(key, bytes(3 * PIECE + 5))
    one, two, three, rest = (kept[at : at + whole] for at in range(0, len(kept), whole))
    wrong = {
        "changed": bytes([kept[0] ^ 1]) + kept[1:],
        "left out": one + three + rest,
        "moved": two + one + three + rest,
        "twice": one + one + two + three + rest,
        "cut off between pieces": one + two,
        "cut off within a piece": kept[:-1],
        "the end alone": rest,
        "nothing": b"",
        "more after the end": kept + bytes(30),
        "of another file": sealed(key, bytes(3 * PIECE + 5), b"b"),
        "by another key": sealed(new_file_key(cipher), bytes(3 * PIECE + 5)),
    }
    for content in wrong.values():
        with pytest.raises(InvalidTag):
            unsealed(key, content)


@given(st.lists(st.binary(max_size=200_000), max_size=4))
def test_a_spool_gives_back_what_it_got_and_keeps_it_sealed(parts: list[bytes]) -> None:
    spool = Spool()
    for part in parts:
        spool.write(part)
    spool.end()
    whole = b"".join(parts)
    on_disk = spool.sealed.read()
    assert b"".join(spool.read()) == whole
    assert spool.size == len(whole)
    assert len(whole) < 32 or whole[:32] not in on_disk
    spool.close()


GROUP_SETS = st.frozensets(st.sampled_from(sorted({*GROUPS, "bank_account", "unknown"})))
MATERIALS = st.none() | st.sampled_from(sorted(_BY_MATERIAL)) | st.text(max_size=20)


@given(MATERIALS, GROUP_SETS, GROUP_SETS)
def test_a_rule_opens_the_papers_of_its_own_groups_and_more_groups_never_less(
    material: str | None, groups: frozenset[str], more: frozenset[str]
) -> None:
    assert is_opened(material, groups) == (group_of(material) in groups)
    assert is_opened(material, groups | more) == (is_opened(material, groups) or is_opened(material, more))
    assert not is_opened(material, frozenset())


def test_every_paper_of_the_county_has_a_group_and_what_is_of_no_kind_goes_with_the_persons_words() -> None:
    assert {*_BY_MATERIAL.values()} <= {*GROUPS, "bank_account"}
    assert group_of(None) == group_of("what the county added") == NARRATIVE
    assert group_of("diagnosis") == "health"


@given(MATERIALS.filter(bool), GROUP_SETS)
def test_a_papers_name_is_told_to_those_alone_who_may_open_it_unless_it_tells_nothing(
    material: str, groups: frozenset[str]
) -> None:
    named = papers_seen([material], groups) == [material]
    assert named == (is_opened(material, groups) or material in _TELLING_NOTHING)


@pytest.mark.parametrize("sheet", ["routing.csv", "routing-2019.csv", "routing-2017.csv"])
def test_every_seeded_rule_opens_the_papers_that_it_asks_for(sheet: str) -> None:
    with (seed.DATA / sheet).open(encoding="utf-8") as file:
        rules = list(csv.DictReader(file))
    asked = [(rule, paper) for rule in rules for paper in rule["materials"].split(";") if paper]
    assert asked
    assert [
        (rule["number"], paper) for rule, paper in asked if not is_opened(paper, rule["discloses"].split(";"))
    ] == []


@given(st.integers(0, 79), st.integers(1, 255))
def test_a_link_that_was_changed_or_has_ended_is_none(at: int, by: int) -> None:
    secret, one, key = b"s" * 32, UUID(int=7), UUID(int=8)
    token, ends_at = attachment_links.make(secret, one, key, AT)
    found = attachment_links.read(secret, token, AT)
    assert found is not None
    assert found == (one, key, ends_at)
    assert ends_at - AT <= timedelta(minutes=5)
    assert attachment_links.read(secret, token, ends_at) is None
    assert attachment_links.read(b"t" * 32, token, AT) is None
    other = token[:at] + chr((ord(token[at]) + by) % 128) + token[at + 1 :]
    assert other == token or attachment_links.read(secret, other, AT) is None
    assert attachment_links.make(secret, one, key, AT)[0] != token


def test_a_link_has_one_spelling() -> None:
    secret = b"s" * 32
    token, _ = attachment_links.make(secret, UUID(int=7), UUID(int=2**128 - 1), AT)
    others = (token.replace("-", "+").replace("_", "/"), token + "\n", token + "====", f"{token[:40]}!{token[40:]}")
    assert "_" in token  # the key's bits, all of them ones
    assert [other for other in others if attachment_links.read(secret, other, AT) is not None] == []

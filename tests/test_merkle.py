"""The tree of RFC 9162, against the RFC's own recursive words, and against vectors that other implementations share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.merkle import EMPTY, climbed, leaf_hash, node_hash, path_of, root_of

# Those that the tests of Certificate Transparency have used since 2013: eight leaves, the root of the first 1, 2, ... 8.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
some_leaves = st.lists(st.binary(max_size=40), max_size=70)


def by_the_rfc(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written: MTH(D[n]), k the largest power of two smaller than n."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_the_rfc(leaves[:k]) + by_the_rfc(leaves[k:])).digest()


def path_by_the_rfc(position: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1: PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if position < k:
        return [*path_by_the_rfc(position, leaves[:k]), by_the_rfc(leaves[k:])]
    return [*path_by_the_rfc(position - k, leaves[k:]), by_the_rfc(leaves[:k])]


def test_the_known_vectors_come_out() -> None:
    hashes = [leaf_hash(bytes.fromhex(each)) for each in LEAVES]
    assert [root_of(hashes[:count]).hex() for count in range(1, 9)] == ROOTS
    assert root_of([]) == EMPTY == hashlib.sha256(b"").digest()


def test_the_rfcs_own_example_comes_out() -> None:
    """RFC 9162, 2.1.5: seven leaves d0 to d6 with the hashes a, b, c, d, e, f, j, and the ways of four of them."""
    a, b, c, d, e, f, j = (leaf_hash(f"d{number}".encode()) for number in range(7))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l_ = node_hash(g, h), node_hash(i, j)
    leaves = [a, b, c, d, e, f, j]
    assert root_of(leaves) == node_hash(k, l_)
    ways = {0: [b, h, l_], 3: [c, g, l_], 4: [f, j, k], 6: [i, k]}
    assert {position: [step.hash for step in path_of(leaves, position)] for position in ways} == ways


@given(some_leaves)
def test_a_root_is_what_the_rfc_says(leaves: list[bytes]) -> None:
    assert root_of([leaf_hash(each) for each in leaves]) == by_the_rfc(leaves)


@given(some_leaves.filter(bool), st.data())
def test_a_path_is_what_the_rfc_says_and_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    hashes = [leaf_hash(each) for each in leaves]
    path = path_of(hashes, position)
    assert [step.hash for step in path] == path_by_the_rfc(position, leaves)
    assert climbed(hashes[position], path) == root_of(hashes)


@given(some_leaves.filter(bool), st.data())
def test_another_leaf_leads_elsewhere(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.binary(max_size=40).filter(lambda each: each != leaves[position]))
    hashes = [leaf_hash(each) for each in leaves]
    assert climbed(leaf_hash(other), path_of(hashes, position)) != root_of(hashes)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.sampled_from([1, 2, 4, 8, 16]))
def test_the_roots_of_pieces_give_the_whole_root_and_the_whole_way(leaves: list[bytes], size: int) -> None:
    hashes = [leaf_hash(each) for each in leaves]
    pieces = [hashes[at : at + size] for at in range(0, len(hashes), size)]
    tops = [root_of(piece) for piece in pieces]
    assert root_of(tops) == root_of(hashes)
    for position in range(len(hashes)):
        number, within = divmod(position, size)
        assert path_of(hashes, position) == [*path_of(pieces[number], within), *path_of(tops, number)]


def test_a_node_is_never_taken_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)

"""Merkle trees as RFC 9162 (2.1) has them: a leaf is hashed with 0x00 before it, a node with 0x01; pure.

Level by level, the odd one out moves up as it is: the same tree as the RFC's, which splits at the largest power of
two. So the roots of pieces of 2^k leaves each, the last of which may be shorter, are the leaves' own inner nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

EMPTY = hashlib.sha256().digest()


class Step(NamedTuple):
    """A sibling on the way up, and on which side of the way it stands."""

    side: Literal["left", "right"]
    hash: bytes


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves, or of whole pieces of a tree."""
    level = list(hashes) or [EMPTY]
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path_of(hashes: Sequence[bytes], position: int) -> list[Step]:
    """The siblings from one of them up to the root."""
    path: list[Step] = []
    level = list(hashes)
    while len(level) > 1:
        sibling = position ^ 1
        if sibling < len(level):
            path.append(Step("left" if sibling < position else "right", level[sibling]))
        level, position = _above(level), position // 2
    return path


def climbed(start: bytes, path: Iterable[Step]) -> bytes:
    """The root that a hash has by its path."""
    for side, sibling in path:
        start = node_hash(sibling, start) if side == "left" else node_hash(start, sibling)
    return start


def _above(level: list[bytes]) -> list[bytes]:
    above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return above if len(level) % 2 == 0 else [*above, level[-1]]

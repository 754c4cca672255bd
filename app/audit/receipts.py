"""A person's receipt checked by anybody, without the service and without its database; pure."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.audit.publishing import published
from app.audit.statements import is_signed
from app.merkle import Step, climbed, leaf_hash
from app.problems import Text
from app.wire import from_json


def wrong_with(
    inclusion: Mapping[str, Any], keys: Sequence[bytes], statements: Collection[bytes] | None = None
) -> Text | None:
    """What an answer of `GET /v1/track/{token}/inclusion` fails in, or None: it is proved. `statements` are those of
    roots that were published, if they are to be compared. Raises ValueError if it is no such answer."""
    try:
        return _wrong(inclusion, inclusion["proof"], keys, statements)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an answer of GET /v1/track/{token}/inclusion") from error


def _wrong(
    inclusion: Mapping[str, Any], proof: Mapping[str, Any], keys: Sequence[bytes], statements: Collection[bytes] | None
) -> Text | None:
    _, receipt_number, events, head = from_json(proof["leaf"])
    if (receipt_number, events, head) != (inclusion["receipt_number"], proof["events"], proof["head"]):
        return Text("叶与受理编号、轨迹不符", "the leaf is not of this receipt number and history")
    root = published(proof["root"])
    path = [Step(each["side"], bytes.fromhex(each["hash"])) for each in proof["path"]]
    if climbed(leaf_hash(proof["leaf"].encode()), path).hex() != from_json(root.statement)["root"]:
        return Text("由叶算不出所签的根", "the leaf does not lead to the root that was signed")
    if not any(is_signed(root.statement, root.signature, key) for key in keys):
        return Text("根的签名与公钥不符", "the root is not signed with the public key")
    if statements is not None and root.statement not in statements:
        return Text("此根不在已公布的根中", "the root is not among those that were published")
    return None


def key_within(inclusion: Mapping[str, Any]) -> list[bytes]:
    """The key that the answer itself names: worth as much as where the answer came from."""
    given = (inclusion.get("proof") or {}).get("public_key")
    return [b64decode(given)] if given else []

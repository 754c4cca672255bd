"""What can be found wrong, and how it is told; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from app.problems import Text


class Fault(NamedTuple):
    """`sequence` is the first event that it is about, `last` the last one; `day` the root that shows it."""

    code: str
    request_id: UUID | None = None
    receipt_number: str | None = None
    sequence: int | None = None
    last: int | None = None
    day: date | None = None
    other: int | None = None
    chain: UUID | None = None  # of readings; `sequence` is then a reading's number in it

    def text(self) -> Text:
        zh, en = _SENTENCES[self.code]
        more = self.last is not None and self.last != self.sequence
        told = {
            **self._asdict(),
            "events_zh": f"第 {self.sequence} 至 {self.last} 条" if more else f"第 {self.sequence} 条",
            "events_en": f"events {self.sequence} to {self.last}" if more else f"event {self.sequence}",
            "before": (self.sequence or 0) - 1,
        }
        return Text(zh.format(**told), en.format(**told))

    def line(self, language: str) -> str:
        """With whose it is: the request's id and receipt number, nothing of the person."""
        zh, en = self.text()
        if self.request_id is None:
            return zh if language == "zh" else en
        number = self.receipt_number or "-"
        if language == "zh":
            return f"求助事项 {self.request_id}(受理编号 {number}):{zh}"
        return f"request {self.request_id} (receipt number {number}): {en}"


_SENTENCES: Mapping[str, Text] = {
    "event_changed": Text(
        "{events_zh}与其散列不符:该条或其前一条(第 {before} 条)被改动",
        "{events_en} has another content or predecessor than its hash says: it, or what stands before it, was changed",
    ),
    "event_removed": Text("{events_zh}被删除", "{events_en} removed"),
    "event_added": Text("{events_zh}是后来添加的", "{events_en} added afterwards"),
    "event_reordered": Text(
        "{events_zh}的位置不对:应在此处的是现第 {other} 条",
        "{events_en} reordered: what belongs here now stands as event {other}",
    ),
    "head_changed": Text(
        "事项所记末条散列与第 {sequence} 条不符", "the head that the request names is not that of its {events_en}"
    ),
    "erased_unsaid": Text(
        "个人信息被标为已删除,或其数据密钥已不在,而轨迹中没有删除的记录",
        "it is marked as erased, or its data key is gone, and no event says that it was erased",
    ),
    "erasure_undone": Text(
        "第 {sequence} 条记载了删除,而事项未标为已删除,或其数据密钥仍在",
        "event {sequence} says that it was erased, and it is not marked as erased, or has a data key",
    ),
    "note_erased_unsaid": Text(
        "{events_zh}的密封部分被当作已删除而拿走,而轨迹中没有删除的记录",
        "the sealed part of {events_en} was taken away as if erased, and no event says that the request was erased",
    ),
    "person_changed": Text(
        "求助内容的密封形式不是第 {sequence} 条所记的:被退回旧样或调换",
        "what is sealed of the person is not what event {sequence} names: an older form was put back, or it was changed",
    ),
    "person_kept": Text(
        "轨迹记载了删除,而求助内容的密封形式仍在",
        "an event says that it was erased, and what was sealed of the person is still, or again, there",
    ),
    "history_rewritten": Text(
        "至{events_zh}的轨迹与 {day} 的根不符:整链被重写",
        "up to {events_en} the history is not the one that the root of {day} holds: the chain was made anew",
    ),
    "receipt_changed": Text(
        "受理编号与 {day} 的根不符", "the receipt number is not the one that the root of {day} holds"
    ),
    "not_in_root": Text(
        "{events_zh}早于 {day} 的根,却不在任何根中:是后来添加的,或其叶被删除",
        "{events_en} older than the root of {day}, and in none: added afterwards, or its leaf was removed",
    ),
    "request_removed": Text("整个事项不见了;{day} 的根中有它", "the whole request is gone; the root of {day} holds it"),
    "leaf_changed": Text(
        "{day} 的叶与轨迹不符,而该日的叶与根也不符:叶被改动或添加",
        "its leaf of {day} is not what the history says, nor do the leaves of that day give its root: "
        "the leaf was changed or added",
    ),
    "leaves_differ": Text(
        "{day} 的叶算不出所签的根:有叶被改动、删除或添加",
        "the leaves of {day} do not give the root that was signed: one was changed, removed or added",
    ),
    "pieces_differ": Text(
        "{day} 的中间散列与叶不符:凭它给出的证明无效",
        "the inner hashes of {day} are not those of its leaves: proofs by them fail",
    ),
    "signature_wrong": Text(
        "{day} 的根的签名不符:根或签名被改动", "the signature of the root of {day} is not its own: one was changed"
    ),
    "key_unknown": Text(
        "{day} 的根由一把未给出的密钥签名", "the root of {day} is signed with a key that was not given"
    ),
    "root_order": Text(
        "{day} 的根所指的前一个根不是现存的前一个:其间有根被改动、删除或添加",
        "the root of {day} names another one before it than there is: one was changed, removed or added",
    ),
    "root_missing": Text("{day} 的根曾公布,现已不见", "the root of {day} was published, and is gone"),
    "root_rewritten": Text(
        "{day} 的根与当时公布的不同:根连同所覆盖的轨迹被重写",
        "the root of {day} is not the one that was published: it was made anew, with what it covers",
    ),
    "readings_removed": Text(
        "查阅记录链 {chain} 的第 {sequence} 条及其后被删除;{day} 的根中有它",
        "of the chain of readings {chain} reading {sequence}, which the root of {day} holds, is gone, with what followed it",
    ),
    "readings_rewritten": Text(
        "查阅记录链 {chain} 至第 {sequence} 条与 {day} 的根不符:整链被重写",
        "up to reading {sequence} the chain of readings {chain} is not the one that the root of {day} holds: it was made anew",
    ),
    "reading_broken": Text(
        "查阅记录链 {chain} 从第 {sequence} 条起断开:有记录被改动、删除或添加",
        "the chain of readings {chain} does not hold at its reading {sequence}: one was changed, removed or added",
    ),
    "readings_not_in_root": Text(
        "查阅记录链 {chain} 的第 {sequence} 至 {last} 条早于 {day} 的根,却不在任何根中:是后来添加的,或其叶被删除",
        "of the chain of readings {chain} readings {sequence} to {last} are older than the root of {day}, and in none: "
        "added afterwards, or its leaf was removed",
    ),
    "reading_leaves_differ": Text(
        "{day} 的查阅记录链的叶算不出所签的根:有叶被改动、删除或添加",
        "the leaves of {day} of the chains of readings do not give what was signed: one was changed, removed or added",
    ),
    "publication_wrong": Text(
        "所给文件中 {day} 的根的签名不符", "the root of {day} in the file that was given is not signed with the key"
    ),
}

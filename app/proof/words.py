"""What a proof says, in sentences: each line, each fault, and what is proved by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from app.deadlines import CHINA
from app.problems import KINDS, Text
from app.refused_callbacks import MOST_IN_ALL, MOST_IN_AN_HOUR
from app.routing.directory import Agency

Facts = Mapping[str, Any]


def shown(at: datetime) -> str:
    """China's time, to the millisecond, with its zone."""
    return at.astimezone(CHINA).isoformat(" ", "milliseconds")


def told(kind: str, facts: Facts, agency: Agency) -> dict[str, str]:
    return _as_fields(_SENTENCES[kind](facts, agency))


def fault(code: str, what: str) -> dict[str, str]:
    zh, en = _FAULTS[code]
    return {"code": code, **_as_fields(Text(zh.format(what), en.format(what)))}


def _as_fields(text: Text) -> dict[str, str]:
    return {"text_zh": text.zh, "text_en": text.en}


def _event(facts: Facts, agency: Agency) -> Text:
    zh, en = f"轨迹第 {facts['sequence']} 条:{facts['event']}", f"event {facts['sequence']}: {facts['event']}"
    if "to" in facts["data"]:
        before, after = facts["data"].get("from"), facts["data"]["to"]
        zh, en = f"{zh}({before} → {after})", f"{en} ({before} -> {after})"
    hashed = facts["hash"]
    return Text(f"{zh},由 {facts['actor']};链上散列 {hashed}", f"{en}, by {facts['actor']}; chained hash {hashed}")


def _delivery(facts: Facts, agency: Agency) -> Text:
    kept = facts["digest_holds"]
    holds = ("正文已按期删除", "the bytes were erased when their time was over") if kept is None else _DIFFERS
    holds = ("与所存字节相符", "the kept bytes have it") if kept else holds
    digest = f" {facts['digest']}" if facts["digest"] else ""
    return Text(
        f"给 {agency.name_zh} 的报文 {facts['type']} 已备好(送达 {facts['delivery_id']},现为 {facts['status']},"
        f"已尝试 {facts['attempts']} 次);摘要{digest}:{holds[0]}",
        f"message {facts['type']} to {agency.name_en} made (delivery {facts['delivery_id']}, now {facts['status']}, "
        f"attempts: {facts['attempts']}); digest{digest}: {holds[1]}",
    )


def _attempt(facts: Facts, agency: Agency) -> Text:
    zh, en = f"送达 {facts['delivery_id']} 第 {facts['number']} 次尝试", f"attempt {facts['number']} of delivery "
    en += str(facts["delivery_id"])
    took = facts["milliseconds"]
    if facts["delivered"]:
        code = facts["status_code"]
        return Text(
            f"{zh}:{agency.name_zh} 答 {code},已送达({took} 毫秒)",
            f"{en}: {agency.name_en} answered {code}, delivered ({took} ms)",
        )
    why = facts["status_code"] or facts["fault"]
    return Text(f"{zh}:{why},未送达({took} 毫秒)", f"{en}: {why}, not delivered ({took} ms)")


def _callback(facts: Facts, agency: Agency) -> Text:
    applied = ("已执行", "applied") if facts["applied"] else ("较旧,只记录", "older than the last, only recorded")
    zh, en = f"{agency.name_zh} 回告 {facts['type']}", f"{agency.name_en} reported {facts['type']}"
    zh += f"(webhook-id {facts['webhook_id']}),所报时间 {shown(facts['happened_at'])},{applied[0]}"
    en += f" (webhook-id {facts['webhook_id']}), happened {shown(facts['happened_at'])}, {applied[1]}"
    if facts["bulk_id"]:
        zh, en = f"{zh};随批量报文 {facts['bulk_id']}", f"{en}; in the bulk message {facts['bulk_id']}"
    if facts["signed_at"]:
        signed = shown(facts["signed_at"])
        zh, en = f"{zh};签名时间 {signed}", f"{en}; signed {signed}"
    kept = facts["digest_holds"]
    missing = ("正文已删除", "the body was erased") if facts["signature"] == "erased" else _NOT_KEPT
    holds = missing if kept is None else _DIFFERS
    holds = ("与所存正文相符", "the kept body has it") if kept else holds
    zh, en = f"{zh};摘要 {facts['digest']}:{holds[0]}", f"{en}; digest {facts['digest']}: {holds[1]}"
    signature = _SIGNATURES[facts["signature"]]
    zh, en = f"{zh};{signature.zh}", f"{en}; {signature.en}"
    if facts["secret_made_at"]:
        made, ended = shown(facts["secret_made_at"]), facts["secret_ended_at"]
        zh, en = f"{zh}(密钥自 {made}", f"{en} (secret of {made}"
        zh, en = (f"{zh} 至 {shown(ended)})", f"{en}, ends {shown(ended)})") if ended else (f"{zh})", f"{en})")
    return Text(zh, en)


def _refused(facts: Facts, agency: Agency) -> Text:
    title = KINDS[facts["code"]].title
    named = facts["webhook_id"] or "-"
    return Text(
        f"一份回告被拒:{facts['code']}({title.zh});webhook-id {named};摘要 {facts['digest']}",
        f"a callback was refused: {facts['code']} ({title.en}); webhook-id {named}; digest {facts['digest']}",
    )


_SENTENCES: Mapping[str, Callable[[Facts, Agency], Text]] = {
    "event": _event,
    "delivery": _delivery,
    "attempt": _attempt,
    "callback": _callback,
    "refused": _refused,
}
_NOT_KEPT = ("正文未存", "the body was not kept")
_DIFFERS = ("与所存字节不符!", "THE KEPT BYTES HAVE ANOTHER")
_SIGNATURES = {
    "verified": Text("签名重新核验相符", "signature verified again"),
    "fails": Text("签名核验不符!", "THE SIGNATURE DOES NOT VERIFY"),
    "with_key": Text("凭单位密钥,未签名", "sent with the agency's key, not signed"),
    "erased": Text(
        "有签名,正文已随事项删除,无从再核", "signed; its body was erased with the request, so nothing to verify"
    ),
    "not_kept": Text("有签名,当时未存正文,无从再核", "signed; its body was not kept then, so nothing to verify"),
}
_FAULTS = {
    "chain_broken": ("办理轨迹的散列链在第 {} 条断开", "The timeline's hash chain is broken at event {}"),
    "digest_differs": ("{} 所存字节的摘要不符", "The kept bytes of {} have another digest"),
    "body_missing": ("回告 {} 的正文不见了", "The body of callback {} is gone"),
    "signature_fails": ("回告 {} 的签名核验不符", "The signature of callback {} does not verify"),
    "callback_missing": (
        "轨迹所记摘要 {} 的回告不见了",
        "The timeline names a callback of digest {}, which is gone",
    ),
    "event_missing": (
        "摘要 {} 的回告已执行,轨迹中却没有",
        "A callback of digest {} was applied, and the timeline has no such event",
    ),
}
PROVES = [
    _as_fields(text)
    for text in (
        Text(
            "轨迹:每条的散列含前一条,故无人能改、删、插而链不断。整链重造须与别处留存的末条散列比对方可发现,请留存 chain.head。",
            "Timeline: each event's hash holds the one before, so none was changed, removed or put in without breaking "
            "the chain. A chain made anew as a whole shows only against a head noted elsewhere: keep chain.head.",
        ),
        Text(
            "送达:摘要证明所存字节就是各次所发字节。2xx 是本系统所记的对方应答;对方凭同一 webhook-id(即送达编号)和摘要可以印证。",
            "Delivery: the digest proves that the kept bytes are those that every attempt sent. The 2xx is the "
            "endpoint's answer as we recorded it; the agency's own log of that webhook-id (the delivery's id) and "
            "digest is the other side of it.",
        ),
        Text(
            "已签名的回告:签名用该单位密钥对正文和时间算出,可凭所存正文和密钥再核,密钥停用后亦可。"
            "密钥双方各持一份:它在双方之间证明报文出自对方,对第三方则须与单位自己的记录相印证。",
            "Signed callback: made with the agency's secret over body and time, verified again from the kept body and "
            "the kept secrets, ended ones too. Both sides hold the secret: between the two it proves who sent it; to a "
            "third party only together with the agency's own record.",
        ),
        Text(
            "凭密钥的回告:证明发送者持有该单位的密钥,别无签名。已执行回告的摘要写在轨迹里,受散列链保护。",
            "Callback with a key: the sender held the agency's key; there is no signature. The digest of every applied "
            "callback stands in the timeline and is held by its chain.",
        ),
        Text(
            f"被拒的回告:只记摘要和原因,每单每小时最多 {MOST_IN_AN_HOUR} 条、共 {MOST_IN_ALL} 条,没有执行任何内容。",
            f"Refused callback: only its digest and the reason are kept, at most {MOST_IN_AN_HOUR} of a handoff in an "
            f"hour and {MOST_IN_ALL} in all; nothing of it was applied.",
        ),
    )
]

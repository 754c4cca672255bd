"""What an endpoint must take: every type, every form that JSON may have, every signature that counts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from app import signing
from app.conformance import samples
from app.conformance.bench import NotPlayedError, Trial
from app.conformance.case import Chapter
from app.identifiers import now
from app.problems import Text
from app.wire import from_json, to_json

TAKING = Chapter(Text("应当接收", "What must be taken"))

_LARGE_BYTES = 260 * 1024
_WITHIN_TOLERANCE = timedelta(minutes=4)
_TAKEN = Text("时限内应答 2xx,不得跳转", "a 2xx within the time limit, and no redirect")
_STORE = Text("验签、保存,随即应答 2xx。", "Verify, store, answer 2xx at once.")
_IGNORE = Text("不认识的内容应忽略并应答 2xx。", "Ignore what you do not know, and answer 2xx.")
_EVERY_SIGNATURE = Text(
    "webhook-signature 以空格分隔多个签名,有一个相符即可;版本不认识的跳过。",
    "webhook-signature holds several signatures with spaces between: one that matches is enough. Skip other versions.",
)


@TAKING.case(
    1,
    Text("有效的转办消息", "A valid message"),
    Text("一条 handoff.dispatched,签名正确", "a handoff.dispatched, rightly signed"),
    _TAKEN,
    Text(
        "核对地址和密钥;签名对象是 webhook-id.webhook-timestamp.正文,密钥是 whsec_ 之后部分的 base64 解码。",
        "Check address and secret. Signed is webhook-id.webhook-timestamp.body; the key is base64 after whsec_.",
    ),
)
async def valid(trial: Trial) -> None:
    await trial.taken(trial.bench.letter(samples.DISPATCHED))


@TAKING.case(
    2,
    Text("补充材料消息", "A supplement"),
    Text("handoff.dispatched,随后 handoff.supplemented", "a handoff.dispatched, then its handoff.supplemented"),
    _TAKEN,
    _STORE,
)
async def supplemented(trial: Trial) -> None:
    await _followed_by(trial, samples.SUPPLEMENTED)


@TAKING.case(
    3,
    Text("催办消息", "An urging"),
    Text("handoff.dispatched,随后 handoff.urged", "a handoff.dispatched, then its handoff.urged"),
    _TAKEN,
    _STORE,
)
async def urged(trial: Trial) -> None:
    await _followed_by(trial, samples.URGED)


@TAKING.case(
    4,
    Text("撤销消息", "A cancellation"),
    Text("handoff.dispatched,随后 handoff.cancelled", "a handoff.dispatched, then its handoff.cancelled"),
    _TAKEN,
    _STORE,
)
async def cancelled(trial: Trial) -> None:
    await _followed_by(trial, samples.CANCELLED)


@TAKING.case(
    5,
    Text("急难消息", "An emergency"),
    Text("一条 emergency.dispatched", "an emergency.dispatched"),
    _TAKEN,
    Text(
        "急难消息须立即收下并提醒值班人员;不得按未知类型拒收。",
        "Take it at once and alert whoever is on duty; never refuse it as an unknown type.",
    ),
)
async def emergency(trial: Trial) -> None:
    await trial.taken(trial.bench.letter(samples.EMERGENCY))


@TAKING.case(
    6,
    Text("未知的消息类型", "A type that is not known yet"),
    Text("类型为 handoff.conformance_test,data 里没有通常的字段", "a type from the future, without the usual data"),
    _TAKEN,
    _IGNORE,
)
async def unknown_type(trial: Trial) -> None:
    kind = "handoff.conformance_test"
    letter = trial.bench.letter(samples.DISPATCHED)
    body = to_json({"type": kind, "timestamp": now(), "data": {"anything": [1, None]}})
    await trial.taken(replace(letter, kind=kind, body=body))


@TAKING.case(
    7,
    Text("未知的字段", "Fields that are not known yet"),
    Text("handoff.dispatched,顶层和 data 里多出字段", "a handoff.dispatched with more fields, outside and inside data"),
    _TAKEN,
    _IGNORE,
)
async def unknown_fields(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED, data={"from_a_later_version": {"nested": [True, 1.5, None]}})
    message = from_json(letter.body) | {"version": 2}
    await trial.taken(trial.other_bytes(letter, to_json(message)))


@TAKING.case(
    8,
    Text("生僻字和少数民族姓名", "Rare characters in names"),
    Text("姓名含四字节 UTF-8 字符(𠮷、𬱖)和间隔号", "names with four-byte UTF-8 (𠮷, 𬱖) and a middle dot"),
    _TAKEN,
    Text(
        "全程使用 UTF-8;数据库用四字节字符集(如 utf8mb4、GB18030)。",
        "Use UTF-8 throughout, and a character set of four bytes in the database (utf8mb4, GB18030).",
    ),
)
async def rare_characters(trial: Trial) -> None:
    names = ["𠮷田𬱖", "䶮㛃", "买买提·艾力", "Ñandú O'Brien", "🙂"]
    person = {"applicant": {"name": names[0]}, "household": [{"name": name} for name in names[1:]]}
    await trial.taken(trial.bench.letter(samples.DISPATCHED, data={"person": person}))


@TAKING.case(
    9,
    Text("同一 JSON 的另一种写法", "The same JSON, written otherwise"),
    Text("键的次序、空白和 \\u 转义都不同;签名按所发字节", "other key order, white space, \\u escapes; signed as sent"),
    _TAKEN,
    Text(
        "请按收到的原始字节验签;解析后再序列化的正文签名不同。",
        "Verify the bytes as they came: a body that was parsed and written anew has another signature.",
    ),
)
async def other_formatting(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    body = json.dumps(from_json(letter.body), indent=3, sort_keys=True, separators=(" , ", " :  ")) + "\n\n"
    await trial.taken(trial.other_bytes(letter, body.encode()))


@TAKING.case(
    10,
    Text("很大的正文", "A large body"),
    Text("260 KiB 的 handoff.dispatched", "a handoff.dispatched of 260 KiB"),
    _TAKEN,
    Text("请把正文上限设为 512 KiB 或更大。", "Allow bodies of 512 KiB or more, in the proxy before it too."),
)
async def large(trial: Trial) -> None:
    words = "因病支出过大。" * (_LARGE_BYTES // len("因病支出过大。".encode()))
    await trial.taken(trial.bench.letter(samples.DISPATCHED, data={"details": words}))


@TAKING.case(
    11,
    Text("更换密钥期间:您的签名在后", "While the secret is changed: your signature second"),
    Text("两个签名,第二个用您的密钥", "two signatures, the second with your secret"),
    _TAKEN,
    _EVERY_SIGNATURE,
)
async def second_signature(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    secrets = [signing.new_secret(), trial.bench.plan.secret]
    await trial.taken(letter, trial.bench.signed(letter, secrets))


@TAKING.case(
    12,
    Text("更换密钥期间:您的签名在前,另有其他版本", "While the secret is changed: your signature among others"),
    Text("依次为未知版本 v1a、您的签名、另一密钥的签名", "an unknown version (v1a), yours, one with another secret"),
    _TAKEN,
    _EVERY_SIGNATURE,
)
async def among_others(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    headers = trial.bench.signed(letter, [trial.bench.plan.secret, signing.new_secret()])
    headers["webhook-signature"] = f"v1a,bm90IGZvciB5b3U= {headers['webhook-signature']}"
    await trial.taken(letter, headers)


@TAKING.case(
    13,
    Text("更换密钥之后:只有新密钥的签名", "After the secret is changed: signed with the new one only"),
    Text("只用 --next-secret 签名", "signed with --next-secret only"),
    _TAKEN,
    Text(
        "把新密钥也交给您的系统,新旧两个都接受,重叠期过后再去掉旧的。",
        "Give your system the new secret beside the old one, accept both, and drop the old when the overlap has ended.",
    ),
)
async def next_secret(trial: Trial) -> None:
    secret = trial.bench.plan.next_secret
    if secret is None:
        raise NotPlayedError(Text("用 --next-secret 给出新密钥才能测", "give the new secret with --next-secret"))
    letter = trial.bench.letter(samples.DISPATCHED)
    await trial.taken(letter, trial.bench.signed(letter, [secret]))


@TAKING.case(
    14,
    Text("请求头名称的大小写", "Header names in other letters"),
    Text("写作 Webhook-Id、WEBHOOK-TIMESTAMP、Webhook-Signature", "Webhook-Id, WEBHOOK-TIMESTAMP, Webhook-Signature"),
    _TAKEN,
    Text("请求头名称不分大小写。", "Names of headers do not depend on upper and lower case."),
)
async def header_names(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    written = {"webhook-id": "Webhook-Id", "webhook-timestamp": "WEBHOOK-TIMESTAMP"}
    written["webhook-signature"] = "Webhook-Signature"
    headers = {written.get(name, name): value for name, value in trial.bench.signed(letter).items()}
    await trial.taken(letter, headers)


@TAKING.case(
    15,
    Text("时钟相差四分钟", "Clocks that differ by four minutes"),
    Text("两条消息,签名时间为四分钟前和四分钟后", "two messages, signed four minutes ago and four minutes from now"),
    _TAKEN,
    Text("签名时间与本机相差五分钟以内都应接受。", "Accept a signed time that is within five minutes of your clock."),
)
async def clock_within_tolerance(trial: Trial) -> None:
    for at in (now() - _WITHIN_TOLERANCE, now() + _WITHIN_TOLERANCE):
        letter = trial.bench.letter(samples.DISPATCHED)
        await trial.taken(letter, trial.bench.signed(letter, at=at))


@TAKING.case(
    16,
    Text("期限变更消息", "A moved time limit"),
    Text("handoff.dispatched,随后 handoff.rescheduled", "a handoff.dispatched, then its handoff.rescheduled"),
    _TAKEN,
    _STORE,
)
async def rescheduled(trial: Trial) -> None:
    await _followed_by(trial, samples.RESCHEDULED)


@TAKING.case(
    17,
    Text("延期消息", "An extension"),
    Text("handoff.dispatched,随后 handoff.extended", "a handoff.dispatched, then its handoff.extended"),
    _TAKEN,
    _STORE,
)
async def extended(trial: Trial) -> None:
    await _followed_by(trial, samples.EXTENDED)


async def _followed_by(trial: Trial, kind: str) -> None:
    dispatched = trial.bench.letter(samples.DISPATCHED)
    await trial.taken(dispatched)
    await trial.taken(trial.bench.letter(kind, dispatched.handoff_id))

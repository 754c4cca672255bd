"""What an endpoint must refuse: everything that One Window did not sign, just so, just now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app import signing
from app.conformance import samples
from app.conformance.bench import Trial
from app.conformance.case import Chapter
from app.identifiers import new_id, now
from app.problems import Text

REFUSING = Chapter(Text("应当拒收", "What must be refused"))

_NOT_IMPLEMENTED = 501
_TOO_FAR = timedelta(minutes=10)
_REFUSED = Text("4xx(建议 401),且不办理", "a 4xx (401 is best), and nothing is done with it")
_BAD = Text("4xx(建议 400);不得是 2xx 或 5xx", "a 4xx (400 is best); neither a 2xx nor a 5xx")
_VERIFY = Text(
    "对收到的 webhook-id、webhook-timestamp 和原始正文计算 HMAC-SHA256,用等时比较,不符即拒收。",
    "Compute HMAC-SHA256 over webhook-id, webhook-timestamp and the raw body as they came; refuse what differs.",
)
_TIME = Text("签名时间与本机相差超过五分钟即拒收。", "Refuse a signed time more than five minutes from your clock.")
_HEADERS = Text("三个请求头缺一即拒收,不要出错。", "Refuse when one of the three headers is missing; do not fail.")
_MALFORMED = Text(
    "格式不对也要按拒收处理:捕获解析错误,答 4xx;5xx 会使消息被反复重发。",
    "A wrong form is a refusal too: catch the parser's errors and answer 4xx. A 5xx is tried again and again.",
)


@REFUSING.case(
    21,
    Text("别的密钥的签名", "Signed with another secret"),
    Text("handoff.dispatched,用别的密钥签名", "a handoff.dispatched, signed with a secret that is not yours"),
    _REFUSED,
    _VERIFY,
)
async def another_secret(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    await trial.refused(letter, trial.bench.signed(letter, [signing.new_secret()]))


@REFUSING.case(
    22,
    Text("签名后改动的正文", "A body changed after it was signed"),
    Text("签名有效,正文改了一个字", "a good signature, and one character of the body changed"),
    _REFUSED,
    _VERIFY,
)
async def changed_body(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    changed = trial.other_bytes(letter, letter.body.replace(b'"lead"', b'"Lead"', 1))
    await trial.refused(changed, trial.bench.signed(letter))


@REFUSING.case(
    23,
    Text("签名后改动的 webhook-id", "A webhook-id changed after it was signed"),
    Text("签名有效,webhook-id 换成别的", "a good signature, and another webhook-id"),
    _REFUSED,
    _VERIFY,
)
async def changed_id(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    await trial.refused(letter, {**trial.bench.signed(letter), "webhook-id": str(new_id())})


@REFUSING.case(
    24,
    Text("签名后改动的时间", "A timestamp changed after it was signed"),
    Text("十分钟前的签名,webhook-timestamp 换成现在", "a signature of ten minutes ago with the timestamp of now"),
    _REFUSED,
    _VERIFY,
)
async def changed_timestamp(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    headers = trial.bench.signed(letter, at=now() - _TOO_FAR)
    await trial.refused(letter, {**headers, "webhook-timestamp": str(int(now().timestamp()))})


@REFUSING.case(
    25,
    Text("过旧的签名时间", "An old timestamp"),
    Text("签名有效,时间为十分钟前", "rightly signed, ten minutes ago"),
    _REFUSED,
    _TIME,
)
async def old(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    await trial.refused(letter, trial.bench.signed(letter, at=now() - _TOO_FAR))


@REFUSING.case(
    26,
    Text("未来的签名时间", "A future timestamp"),
    Text("签名有效,时间为十分钟后", "rightly signed, ten minutes from now"),
    _REFUSED,
    _TIME,
)
async def future(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    await trial.refused(letter, trial.bench.signed(letter, at=now() + _TOO_FAR))


@REFUSING.case(
    27,
    Text("没有 webhook-id", "No webhook-id"),
    Text("缺 webhook-id,其余照旧", "all but the webhook-id"),
    _REFUSED,
    _HEADERS,
)
async def no_id(trial: Trial) -> None:
    await _without(trial, "webhook-id")


@REFUSING.case(
    28,
    Text("没有 webhook-timestamp", "No webhook-timestamp"),
    Text("缺 webhook-timestamp,其余照旧", "all but the webhook-timestamp"),
    _REFUSED,
    _HEADERS,
)
async def no_timestamp(trial: Trial) -> None:
    await _without(trial, "webhook-timestamp")


@REFUSING.case(
    29,
    Text("没有 webhook-signature", "No webhook-signature"),
    Text("缺 webhook-signature,其余照旧", "all but the webhook-signature"),
    _REFUSED,
    _HEADERS,
)
async def no_signature(trial: Trial) -> None:
    await _without(trial, "webhook-signature")


@REFUSING.case(
    30,
    Text("签名版本不对", "Another version of signature"),
    Text("签名的值正确,前缀为 v2,", "the right value, with the prefix v2,"),
    _REFUSED,
    Text("只认 v1, 开头的签名。", "Only what begins with v1, counts."),
)
async def other_version(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    headers = trial.bench.signed(letter)
    await trial.refused(letter, {**headers, "webhook-signature": f"v2{headers['webhook-signature'][2:]}"})


@REFUSING.case(
    31,
    Text("格式不对的签名", "A malformed signature"),
    Text("依次为 v1、v1,、非 base64、无逗号", "one after the other: v1 alone, v1, alone, no base64, no comma"),
    _BAD,
    _MALFORMED,
)
async def malformed_signature(trial: Trial) -> None:
    for signature in ("v1", "v1,", "v1,*not*base64*", "signature"):
        letter = trial.bench.letter(samples.DISPATCHED)
        await trial.refused(letter, {**trial.bench.signed(letter), "webhook-signature": signature})


@REFUSING.case(
    32,
    Text("格式不对的时间", "A malformed timestamp"),
    Text("webhook-timestamp 为 yesterday 和极大的数", "a webhook-timestamp of yesterday, and a number beyond all time"),
    _BAD,
    _MALFORMED,
)
async def malformed_timestamp(trial: Trial) -> None:
    for timestamp in ("yesterday", "9" * 40):
        letter = trial.bench.letter(samples.DISPATCHED)
        await trial.refused(letter, {**trial.bench.signed(letter), "webhook-timestamp": timestamp})


@REFUSING.case(
    33,
    Text("空的正文", "An empty body"),
    Text("空正文,签名有效", "an empty body, rightly signed"),
    _BAD,
    _MALFORMED,
)
async def empty(trial: Trial) -> None:
    await _signed_bytes(trial, b"")


@REFUSING.case(
    34,
    Text("正文不是 JSON", "A body that is not JSON"),
    Text("文本正文,签名有效", "plain text, rightly signed"),
    _BAD,
    _MALFORMED,
)
async def not_json(trial: Trial) -> None:
    await _signed_bytes(trial, b"type=handoff.dispatched&data={")


@REFUSING.case(
    35,
    Text("正文不是 UTF-8", "A body that is not UTF-8"),
    Text("GBK 编码的正文,签名有效", "a body in GBK, rightly signed"),
    _BAD,
    _MALFORMED,
)
async def not_utf8(trial: Trial) -> None:
    await _signed_bytes(trial, '{"type": "转办"}'.encode("gbk"))


@REFUSING.case(
    36,
    Text("没有任何签名头的空请求", "Nothing at all"),
    Text("空 POST,没有签名头,如扫描器所发", "an empty POST without any of the headers, as scanners send it"),
    _BAD,
    _HEADERS,
)
async def nothing(trial: Trial) -> None:
    await trial.refused(replace(trial.bench.letter(samples.DISPATCHED), kind="POST", body=b""), {"accept": "*/*"})


@REFUSING.case(
    37,
    Text("GET 而不是 POST", "GET instead of POST"),
    Text("对同一地址的 GET", "a GET of the same address"),
    Text("4xx(建议 405),或 501", "a 4xx (405 is best), or 501"),
    Text("该地址只接受 POST。", "Take POST only at this address."),
)
async def get(trial: Trial) -> None:
    letter = replace(trial.bench.letter(samples.DISPATCHED), kind="GET", body=b"")
    heard = await trial.send(letter, {"accept": "*/*"}, method="GET")
    if not heard.refusal and heard.status != _NOT_IMPLEMENTED:
        trial.fault("此处应得 4xx", "a refusal with 4xx was expected")


async def _without(trial: Trial, name: str) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    headers = trial.bench.signed(letter)
    del headers[name]
    await trial.refused(letter, headers)


async def _signed_bytes(trial: Trial, body: bytes) -> None:
    letter = trial.other_bytes(trial.bench.letter(samples.DISPATCHED), body)
    await trial.refused(letter, trial.bench.signed(letter))

"""Repeats, order and load: what at-least-once delivery brings to an endpoint."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import signing
from app.conformance import samples
from app.conformance.bench import Letter, Trial
from app.conformance.case import Chapter
from app.identifiers import now
from app.problems import Text

REPEATING = Chapter(Text("重复、次序与并发", "Repeats, order and load"))

_AT_ONCE = 8  # as many as One Window has in flight to one agency
_IN_A_ROW = 20
_TAKEN = Text("每条都应答 2xx", "a 2xx to each")
_KNOWN_ID = Text(
    "把 webhook-id 与消息存进同一事务;已知的编号照样应答 2xx,但不再办理。",
    "Store the webhook-id with the message in one transaction; answer 2xx to an id that you know, and do nothing more.",
)
_NEWEST = Text(
    "按 handoff_id 保存最新消息的 timestamp,较旧的不得覆盖较新的;先到的后续消息照收,或答 503 等待重发。",
    "Keep the newest timestamp of each handoff_id and let no older message overwrite it; store what comes early, or "
    "answer 503 and get it again.",
)


@REPEATING.case(
    41,
    Text("同一消息来三次", "The same message three times"),
    Text("同一 webhook-id、同样的字节,重新签名", "the same webhook-id and bytes, signed anew each time"),
    _TAKEN,
    _KNOWN_ID,
)
async def repeated(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    trial.bench.once.append(letter.handoff_id)
    for _ in range(3):
        await trial.taken(letter)


@REPEATING.case(
    42,
    Text("同一消息同时来八次", "The same message eight times at once"),
    Text("同一 webhook-id 的八个并发请求", "eight requests at once with the same webhook-id"),
    Text(
        "至少一个 2xx,其余 2xx 或 409、425、429、503;之后再来应答 2xx",
        "a 2xx to one at least, to the others a 2xx or 409, 425, 429, 503; and a 2xx when it comes once more",
    ),
    _KNOWN_ID,
)
async def repeated_at_once(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    trial.bench.once.append(letter.handoff_id)
    heard = await asyncio.gather(*(trial.send(letter) for _ in range(_AT_ONCE)))
    if not any(each.success for each in heard) or not all(each.success or each.comes_again for each in heard):
        trial.fault("并发重复的应答不对", "these are no answers to repeats")
    await trial.taken(letter)


@REPEATING.case(
    43,
    Text("编号先被伪造者用过", "An id that a forger used first"),
    Text(
        "先来一条签名不对的,再来同一 webhook-id 的真消息", "a forgery, then the true message with the same webhook-id"
    ),
    Text("先 4xx,后 2xx", "a 4xx, then a 2xx"),
    Text("验签通过之后才能记下 webhook-id。", "Remember a webhook-id only after its signature was verified."),
)
async def forged_first(trial: Trial) -> None:
    letter = trial.bench.letter(samples.DISPATCHED)
    trial.bench.once.append(letter.handoff_id)
    forged = await trial.send(letter, trial.bench.signed(letter, [signing.new_secret()]))
    if forged.success:
        trial.fault("伪造的消息被收下", "the forgery was taken")
    await trial.taken(letter)


@REPEATING.case(
    44,
    Text("后续消息先到", "A supplement before its handoff"),
    Text(
        "先 handoff.supplemented,后 handoff.dispatched", "a handoff.supplemented, and only then its handoff.dispatched"
    ),
    Text("先到的 2xx,或 503 后重发得 2xx", "a 2xx, or 503 and a 2xx when the early one comes again"),
    _NEWEST,
)
async def supplement_first(trial: Trial) -> None:
    earlier = now() - timedelta(seconds=30)
    dispatched = trial.bench.letter(samples.DISPATCHED, at=earlier)
    await _out_of_order(trial, trial.bench.letter(samples.SUPPLEMENTED, dispatched.handoff_id), dispatched)


@REPEATING.case(
    45,
    Text("撤销先到", "A cancellation before its handoff"),
    Text(
        "先 handoff.cancelled,后时间更早的 handoff.dispatched",
        "a handoff.cancelled, then the older handoff.dispatched",
    ),
    Text("先到的 2xx,或 503 后重发得 2xx", "a 2xx, or 503 and a 2xx when the early one comes again"),
    _NEWEST,
)
async def cancelled_first(trial: Trial) -> None:
    dispatched = trial.bench.letter(samples.DISPATCHED, at=now() - timedelta(seconds=30))
    if await _out_of_order(trial, trial.bench.letter(samples.CANCELLED, dispatched.handoff_id), dispatched):
        trial.bench.moot.append(dispatched.handoff_id)


@REPEATING.case(
    46,
    Text("一个连接上的多条消息", "Many messages over one connection"),
    Text("保持连接,连发二十条", "twenty messages one after the other, the connection kept open"),
    _TAKEN,
    Text(
        "每次都读完正文并写明 Content-Length;不想保持连接就答 Connection: close。",
        "Read every body to its end and state Content-Length; answer Connection: close if you keep none open.",
    ),
)
async def kept_connection(trial: Trial) -> None:
    async with trial.bench.client() as client:
        for _ in range(_IN_A_ROW):
            await trial.taken(trial.bench.letter(samples.DISPATCHED), client=client)


@REPEATING.case(
    47,
    Text("每条消息一个新连接", "A new connection for each message"),
    Text("五条,各带 Connection: close", "five messages, each with Connection: close"),
    _TAKEN,
    Text("每个连接都要接受;不要限制为一个。", "Accept every connection; do not limit them to one."),
)
async def new_connections(trial: Trial) -> None:
    for _ in range(5):
        letter = trial.bench.letter(samples.DISPATCHED)
        await trial.taken(letter, {**trial.bench.signed(letter), "connection": "close"})


@REPEATING.case(
    48,
    Text("八条消息同时来", "Eight messages at once"),
    Text("八条不同的消息,八个连接", "eight different messages on eight connections"),
    Text("每条都在时限内应答 2xx", "a 2xx to each within the time limit"),
    Text(
        "先保存并应答,再办理;不要一次只处理一个请求。", "Store, answer, work afterwards; serve more than one at a time."
    ),
)
async def at_once(trial: Trial) -> None:
    letters = [trial.bench.letter(samples.DISPATCHED) for _ in range(_AT_ONCE)]
    await asyncio.gather(*(trial.taken(letter) for letter in letters))


@REPEATING.case(
    49,
    Text("经过这一切仍然正常", "Still well after all that"),
    Text("又一条有效的 handoff.dispatched", "one more valid handoff.dispatched"),
    Text("2xx", "a 2xx"),
    Text("前面某条消息使您的系统停了;看它的日志。", "Something before has stopped your system; look at its log."),
)
async def still_well(trial: Trial) -> None:
    await trial.taken(trial.bench.letter(samples.DISPATCHED))


async def _out_of_order(trial: Trial, early: Letter, late: Letter) -> bool:
    """Whether the early one was taken when it came first."""
    first = await trial.send(early)
    if not first.success and not first.comes_again:
        trial.fault("先到的消息应答 2xx 或 503", "to the early one a 2xx or 503 was expected")
    await trial.taken(late)
    if first.comes_again:
        await trial.taken(early)
    return first.success

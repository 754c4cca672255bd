"""The department's callbacks: their form, their order, and what becomes of them when our end has a bad day.

The later cases judge what the desk has noted about every callback that came.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from app.conformance import samples
from app.conformance.bench import NotPlayedError, Trial
from app.conformance.case import Chapter
from app.conformance.desk import Desk, Opened, Said
from app.lifecycle import HandoffStatus
from app.problems import Text

REPORTING = Chapter(Text("回告", "Callbacks"))

_RECEIVED = "handoff.received"
_ACCEPTED = "handoff.accepted"
_COMPLETED = "handoff.completed"
_MOST_OF_A_REFUSED = 3
_WHOLE = Text("此前各条消息引起的所有回告", "every callback that the messages before have brought")
_ONE = Text("一条 handoff.dispatched", "a handoff.dispatched")
_REPEAT = Text(
    "没有得到 2xx 时,用同一 webhook-id 重新签名再发,间隔逐次加长。",
    "Without a 2xx, sign anew and send again with the same webhook-id, after longer and longer pauses.",
)
_SIGN = Text(
    "用您的密钥,对所发的 webhook-id.webhook-timestamp.正文 原样字节签名。",
    "Sign webhook-id.webhook-timestamp.body, the very bytes that you send, with your secret.",
)


@REPORTING.case(
    51,
    Text("先签收", "It is signed for first"),
    _ONE,
    Text("handoff.received 为第一条回告", "handoff.received, as the first callback"),
    Text(
        "把回告发到消息里的 callback_url(或服务地址加 callback_path);测试时由程序自动回告。",
        "Send callbacks to the message's callback_url (or the service's address and callback_path); for this test let "
        "your system report by itself.",
    ),
)
async def received_first(trial: Trial) -> None:
    opened = await _dispatched(trial)
    trial.bench.first = opened
    if not await _desk(trial).until(lambda: bool(opened.said), trial.bench.plan.wait):
        trial.fault("时限内没有回告", "no callback came in time")
    elif opened.said[0].kind != _RECEIVED:
        trial.fault("第一条回告不是 handoff.received", "the first callback is not handoff.received")
    _tell(trial, opened.said)


@REPORTING.case(
    52,
    Text("先受理,后办结", "It is accepted, then completed"),
    Text("同一转办单", "the same handoff"),
    Text(
        "每条回告在当时都允许(签收、受理、办结)", "every callback is allowed at its time: received, accepted, completed"
    ),
    Text(
        "依次回告;一条得到 2xx 之后再发下一条。409 的 allowed 列出当时允许的。",
        "Report one after the other, the next when the one before has its 2xx. A 409 lists what is allowed.",
    ),
)
async def in_order(trial: Trial) -> None:
    opened = _first(trial)
    await _until_completed(trial, opened)
    _tell(trial, opened.said)
    if any(each.status == 409 for each in opened.said):
        trial.fault("有回告在当时不允许", "a callback was not allowed at its time")
    elif _ACCEPTED not in opened.kinds:
        trial.fault("没有 handoff.accepted", "there was no handoff.accepted")


@REPORTING.case(
    53,
    Text("办结", "It is completed"),
    Text("同一转办单", "the same handoff"),
    Text("handoff.completed,被接受", "a handoff.completed that is taken"),
    Text(
        "测试环境应能自动办结;等待时间不够时用 --wait 加长。",
        "Let the test system complete by itself; give it longer with --wait if it needs that.",
    ),
)
async def completed(trial: Trial) -> None:
    opened = _first(trial)
    _tell(trial, opened.said)
    if opened.status is not HandoffStatus.COMPLETED:
        trial.fault("没有办结", "it was not completed")


@REPORTING.case(
    54,
    Text("我们答 503", "Our end answers 503"),
    Text("一条 handoff.dispatched;第一条回告得到 503", "a handoff.dispatched; its first callback is answered 503"),
    Text("同一回告再来,webhook-id 不变", "the same callback again, with the same webhook-id"),
    _REPEAT,
)
async def after_503(trial: Trial) -> None:
    await _comes_again(trial, "unavailable")


@REPORTING.case(
    55,
    Text("我们断开连接,没有应答", "Our end hangs up without an answer"),
    Text(
        "一条 handoff.dispatched;第一条回告的连接被断开", "a handoff.dispatched; the line of its first callback is cut"
    ),
    Text("同一回告再来,webhook-id 不变", "the same callback again, with the same webhook-id"),
    _REPEAT,
)
async def after_hanging_up(trial: Trial) -> None:
    await _comes_again(trial, "hang_up")


@REPORTING.case(
    56,
    Text("协办未完,办结被拒", "Completing while a co-handler is open"),
    Text(
        "一条 handoff.dispatched;第一次办结得到 409 co_handlers_open",
        "a handoff.dispatched; its first handoff.completed is answered 409 co_handlers_open",
    ),
    Text("稍后再次办结", "handoff.completed again, later"),
    Text(
        "co_handlers_open 表示等协办办完;过一会儿用同一 webhook-id 再报。",
        "co_handlers_open: wait for the co-handlers, and report again with the same webhook-id.",
    ),
)
async def co_handlers_open(trial: Trial) -> None:
    if _first(trial).status is not HandoffStatus.COMPLETED:
        raise NotPlayedError(Text("第 53 项没有办结", "nothing was completed in case 53"))
    opened = await _dispatched(trial, co_handlers_open=True)
    await _until_completed(trial, opened)
    _tell(trial, opened.said)
    if opened.status is not HandoffStatus.COMPLETED:
        trial.fault("没有再次办结", "it was not completed again")


@REPORTING.case(
    57,
    Text("刚被撤销的转办单", "A handoff that is cancelled just now"),
    Text(
        "一条 handoff.dispatched;收到第一条回告时撤销,此后回告都得到 409",
        "a handoff.dispatched, cancelled when its first callback comes; from then on callbacks are answered 409",
    ),
    Text(
        f"撤销得 2xx;同一回告至多来 {_MOST_OF_A_REFUSED} 次", f"a 2xx; each callback {_MOST_OF_A_REFUSED} times at most"
    ),
    Text(
        "move_not_allowed 是最终的答复:不要再发这一条。", "move_not_allowed is final: do not send that callback again."
    ),
)
async def cancelled_meanwhile(trial: Trial) -> None:
    _first(trial)
    letter = trial.bench.letter(samples.DISPATCHED)
    opened = _desk(trial).open(letter.handoff_id)
    done = asyncio.Event()

    async def cancel() -> None:
        await trial.taken(trial.bench.letter(samples.CANCELLED, opened.id))
        opened.status = HandoffStatus.CANCELLED
        done.set()

    opened.before_the_first_answer = cancel
    await trial.taken(letter)
    await _desk(trial).until(done.is_set, trial.bench.plan.wait)
    await _sentinel(trial)
    _tell(trial, opened.said)
    if max(Counter(each.webhook_id for each in opened.said).values(), default=0) > _MOST_OF_A_REFUSED:
        trial.fault("被拒的回告反复重发", "a refused callback is sent again and again")


@REPORTING.case(
    58,
    Text("先应答,后办理", "It answers before it works"),
    Text(
        "一条 handoff.dispatched;它的回告要等送达应答之后才得到应答",
        "a handoff.dispatched; callbacks wait for its answer",
    ),
    Text("时限内应答 2xx", "a 2xx within the time limit"),
    Text(
        "保存后立即应答 2xx,办理和回告另起任务。",
        "Answer 2xx as soon as it is stored; work and report in a task of its own.",
    ),
)
async def answers_first(trial: Trial) -> None:
    _first(trial)
    letter = trial.bench.letter(samples.DISPATCHED)
    answered = asyncio.Event()

    async def hold() -> None:
        await answered.wait()

    _desk(trial).open(letter.handoff_id).before_the_first_answer = hold
    try:
        await trial.taken(letter)
    finally:
        answered.set()


@REPORTING.case(
    59,
    Text("伪造的消息不办理", "Nothing forged is worked on"),
    Text("第 21 至 37 项的消息", "the messages of cases 21 to 37"),
    Text("没有关于它们的回告", "no callback about any of them"),
    Text("拒收的消息什么都不要触发。", "What is refused must set nothing in motion."),
)
async def nothing_forged(trial: Trial) -> None:
    await _sentinel(trial)
    _silent(trial, trial.bench.forged)


@REPORTING.case(
    60,
    Text("重复的消息只办一次", "A repeated message is worked on once"),
    Text("第 41 至 43 项的消息", "the messages of cases 41 to 43"),
    Text(
        "每条回告只有一个 webhook-id;真消息都有回告",
        "one webhook-id to each callback; and the true message is worked on",
    ),
    Text("办理之前,用 webhook-id 的唯一约束去重。", "Let a unique constraint on webhook-id decide before work begins."),
)
async def worked_on_once(trial: Trial) -> None:
    _first(trial)
    for handoff_id in trial.bench.once:
        opened = _desk(trial).opened[handoff_id]
        named = {(each.kind, each.webhook_id) for each in opened.said}
        twice = [kind for kind, count in Counter(kind for kind, _ in named).items() if count > 1]
        if twice:
            trial.fault(f"{', '.join(twice)} 办了不止一次", f"{', '.join(twice)}: worked on more than once")
        if not named:
            trial.fault("有一条真消息没有办理", "a true message was not worked on")


@REPORTING.case(
    61,
    Text("先到的撤销有效", "A cancellation that came first counts"),
    Text("第 45 项的消息", "the messages of case 45"),
    Text("没有关于它的回告", "no callback about it"),
    Text(
        "较旧的消息不得覆盖较新的:先比较 timestamp。", "Compare timestamps: an older message must not undo a newer one."
    ),
)
async def cancellation_counts(trial: Trial) -> None:
    _first(trial)
    _silent(trial, trial.bench.moot)


def _judged(number: int, part: str, name: Text, expected: Text, advice: Text) -> None:
    """A case that sends nothing: the desk has found the faults in that part of each callback."""

    async def judge(trial: Trial) -> None:
        _first(trial)
        found = [(each.kind, each.faults[part]) for each in _desk(trial).said if part in each.faults]
        for kind, fault in dict.fromkeys(found):
            trial.fault(f"{kind}:{fault.zh}", f"{kind}: {fault.en}")

    REPORTING.case(number, name, _WHOLE, expected, advice)(judge)


_judged(
    62,
    "signature",
    Text("签名", "Signed"),
    Text("签名都用您的密钥,与正文相符", "signatures with your secret that match"),
    _SIGN,
)
_judged(
    63,
    "clock",
    Text("签名时间", "Signed just now"),
    Text("webhook-timestamp 为秒数,相差不过五分钟", "webhook-timestamp in seconds, within five minutes"),
    Text(
        "写 1970 年以来的秒数(不是毫秒),每次发送重新取;校准时钟(NTP)。",
        "Seconds since 1970, not milliseconds, taken anew at every try; keep the clock right (NTP).",
    ),
)
_judged(
    64,
    "headers",
    Text("请求头", "Headers"),
    Text("三个 webhook 请求头和 application/json", "the three webhook headers, and application/json"),
    Text("每条回告都要带全。", "Send all of them with every callback."),
)
_judged(
    65,
    "form",
    Text("正文", "Bodies"),
    Text(
        "type、带时区的 timestamp、data 及该类型必填的字段",
        "type, timestamp with its zone, data with what its type needs",
    ),
    Text(
        "对照接口说明中回告的类型和字段。", "Compare with the types and fields of callbacks in the integration guide."
    ),
)
_judged(
    66,
    "name",
    Text("每条回告有自己的编号", "Every callback has an id of its own"),
    Text("不同的回告,不同的 webhook-id", "different callbacks, different webhook-ids"),
    Text(
        "每条新回告生成新编号(如 UUID);编号相同的被当作重复,不会办理。",
        "Make a new id, such as a UUID, for each new callback: under a known id nothing is done.",
    ),
)
_judged(
    67,
    "address",
    Text("地址与编号一致", "Address and number agree"),
    Text("data.handoff_id(如有)与地址中的相同", "data.handoff_id, if given, is that of the address"),
    Text("回告发到各自转办单的地址。", "Send each callback to the address of its own handoff."),
)
_judged(
    68,
    "order",
    Text("时间向前走", "Time runs forward"),
    Text("同一转办单的 timestamp 不早于上一条", "no timestamp is older than that of the callback before"),
    Text(
        "timestamp 是事情发生的时间;早于上一条的只记录,不生效。",
        "timestamp is when it happened; one that is older than the last is recorded and not applied.",
    ),
)


@REPORTING.case(
    69,
    Text("得到 200 的不再发", "What was answered 200 is not sent again"),
    _WHOLE,
    Text("得到 200 的回告不再来", "a callback that was answered 200 does not come again"),
    Text("2xx 就是送达:记下来,不再发。", "A 2xx is the end of it: note that, and stop sending."),
)
async def no_needless_repeats(trial: Trial) -> None:
    _first(trial)
    for kind in dict.fromkeys(each.kind for each in _desk(trial).said if each.needless):
        trial.fault(f"{kind} 得到 200 之后又来", f"{kind} came again after a 200")


def _desk(trial: Trial) -> Desk:
    if trial.bench.desk is None:
        raise NotPlayedError(Text("加 --callbacks 才测回告", "callbacks are tested with --callbacks"))
    return trial.bench.desk


def _first(trial: Trial) -> Opened:
    """The handoff of case 51. Raises NotPlayedError when nothing was heard of it."""
    _desk(trial)
    opened = trial.bench.first
    if opened is None or not opened.said:
        raise NotPlayedError(Text("第 51 项没有回告", "no callback came in case 51"))
    return opened


async def _dispatched(trial: Trial, *disturbances: str, co_handlers_open: bool = False) -> Opened:
    desk = _desk(trial)
    letter = trial.bench.letter(samples.DISPATCHED)
    opened = desk.open(letter.handoff_id)
    opened.disturbances.extend(disturbances)
    opened.co_handlers_open = co_handlers_open
    await trial.taken(letter)
    return opened


async def _until_completed(trial: Trial, opened: Opened) -> None:
    """Until it is completed, or for as long as we wait; who asks the person for something is given it, once."""
    desk, wait = _desk(trial), trial.bench.plan.wait
    await desk.until(lambda: opened.status in (HandoffStatus.COMPLETED, HandoffStatus.SUSPENDED), wait)
    if opened.status is HandoffStatus.SUSPENDED:
        opened.status = HandoffStatus.IN_PROGRESS
        await trial.taken(trial.bench.letter(samples.SUPPLEMENTED, opened.id))
        await desk.until(lambda: opened.status is HandoffStatus.COMPLETED, wait)


async def _sentinel(trial: Trial) -> None:
    """One more handoff, until it has come as far as the first: whatever was set in motion before it has been said."""
    first = _first(trial)
    opened = await _dispatched(trial)
    await _desk(trial).until(lambda: len(opened.said) >= len(first.said), trial.bench.plan.wait)


async def _comes_again(trial: Trial, disturbance: str) -> None:
    _first(trial)
    opened = await _dispatched(trial, disturbance)

    def again() -> list[Said]:
        return [each for each in opened.said[1:] if each.kind == opened.said[0].kind]

    if not await _desk(trial).until(lambda: bool(again()), trial.bench.plan.wait):
        trial.fault("回告没有再来", "it did not come again")
    elif again()[0].webhook_id != opened.said[0].webhook_id:
        trial.fault("再来时换了 webhook-id", "it came again with another webhook-id")
    _tell(trial, opened.said)


def _silent(trial: Trial, handoffs: Iterable[object]) -> None:
    of = set(handoffs)
    for opened in _desk(trial).opened.values():
        if opened.id in of and opened.said:
            _tell(trial, opened.said)
            trial.fault("不该有回告", "there should be no callback")


def _tell(trial: Trial, said: Iterable[Said]) -> None:
    lines = [f"{each.kind or '?'} ← {each.status or '…'}" for each in said]
    trial.came.extend(Text(line, line) for line in lines)

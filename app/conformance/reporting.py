"""The department's callbacks: their order, and what becomes of them when our end has a bad day."""

from __future__ import annotations

import asyncio

from app.conformance import samples
from app.conformance.bench import NotPlayedError, Trial
from app.conformance.case import Chapter
from app.conformance.desk import Opened, Said
from app.lifecycle import HandoffStatus
from app.problems import Text

REPORTING = Chapter(Text("回告", "Callbacks"))

_RECEIVED = "handoff.received"
_ACCEPTED = "handoff.accepted"
_ONE = Text("一条 handoff.dispatched", "a handoff.dispatched")
_REPEAT = Text(
    "没有得到 2xx 时,用同一 webhook-id 重新签名再发,间隔逐次加长。",
    "Without a 2xx, sign anew and send again with the same webhook-id, after longer and longer pauses.",
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
    opened = await trial.dispatched()
    trial.bench.first = opened
    if not await trial.desk.until(lambda: bool(opened.said), trial.bench.plan.wait):
        trial.fault("时限内没有回告", "no callback came in time")
    elif opened.said[0].kind != _RECEIVED:
        trial.fault("第一条回告不是 handoff.received", "the first callback is not handoff.received")
    trial.tell(opened.said)


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
    opened = trial.first()
    await _until_completed(trial, opened)
    trial.tell(opened.said)
    if any(each.problem == "move_not_allowed" for each in opened.said):
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
    opened = trial.first()
    trial.tell(opened.said)
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
    if trial.first().status is not HandoffStatus.COMPLETED:
        raise NotPlayedError(Text("第 53 项没有办结", "nothing was completed in case 53"))
    opened = await trial.dispatched(co_handlers_open=True)
    await _until_completed(trial, opened)
    trial.tell(opened.said)
    if opened.status is not HandoffStatus.COMPLETED:
        trial.fault("没有再次办结", "it was not completed again")


@REPORTING.case(
    57,
    Text("刚被撤销的转办单", "A handoff that is cancelled just now"),
    Text(
        "一条 handoff.dispatched;收到第一条回告时撤销,此后回告都得到 409",
        "a handoff.dispatched, cancelled when its first callback comes; from then on callbacks are answered 409",
    ),
    Text("撤销得 2xx", "a 2xx to the cancellation"),
    Text(
        "自己的回告还没有得到应答时,也要能接收消息。",
        "Take messages even while a callback of yours waits for its answer.",
    ),
)
async def cancelled_meanwhile(trial: Trial) -> None:
    trial.first()
    letter = trial.bench.letter(samples.DISPATCHED)
    opened = trial.desk.open(letter.handoff_id)
    done = asyncio.Event()

    async def cancel() -> None:
        await trial.taken(trial.bench.letter(samples.CANCELLED, opened.id))
        opened.status = HandoffStatus.CANCELLED
        done.set()

    opened.before_the_first_answer = cancel
    await trial.taken(letter)
    if not await trial.desk.until(done.is_set, trial.bench.plan.wait):
        trial.fault("没有可撤销的回告", "no callback came to cancel it at")
    await trial.sentinel()
    trial.tell(opened.said)


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
    trial.first()
    letter = trial.bench.letter(samples.DISPATCHED)
    answered = asyncio.Event()

    async def hold() -> None:
        await answered.wait()

    trial.desk.open(letter.handoff_id).before_the_first_answer = hold
    try:
        await trial.taken(letter)
    finally:
        answered.set()


async def _until_completed(trial: Trial, opened: Opened) -> None:
    """Until it is completed, or for as long as we wait; who asks the person for something is given it, once."""
    wait = trial.bench.plan.wait
    await trial.desk.until(lambda: opened.status in (HandoffStatus.COMPLETED, HandoffStatus.SUSPENDED), wait)
    if opened.status is HandoffStatus.SUSPENDED:
        opened.status = HandoffStatus.IN_PROGRESS
        await trial.taken(trial.bench.letter(samples.SUPPLEMENTED, opened.id))
        await trial.desk.until(lambda: opened.status is HandoffStatus.COMPLETED, wait)


async def _comes_again(trial: Trial, disturbance: str) -> None:
    trial.first()
    opened = await trial.dispatched(disturbance)

    def again() -> list[Said]:
        return [each for each in opened.said[1:] if each.kind == opened.said[0].kind]

    if not await trial.desk.until(lambda: bool(again()), trial.bench.plan.wait):
        trial.fault("回告没有再来", "it did not come again")
    elif again()[0].webhook_id != opened.said[0].webhook_id:
        trial.fault("再来时换了 webhook-id", "it came again with another webhook-id")
    trial.tell(opened.said)

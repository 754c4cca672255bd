"""What is judged of all callbacks together, after everything was sent: the desk has noted what is wrong with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from app.conformance.bench import Trial
from app.conformance.case import Chapter
from app.lifecycle import HandoffStatus
from app.problems import Text

JUDGING = Chapter(Text("全部回告", "All callbacks together"))

_MOST_OF_A_REFUSED = 3
_WHOLE = Text("此前各条消息引起的所有回告", "every callback that the messages before have brought")


@JUDGING.case(
    59,
    Text("伪造的消息不办理", "Nothing forged is worked on"),
    Text("第 21 至 37 项的消息", "the messages of cases 21 to 37"),
    Text("没有关于它们的回告", "no callback about any of them"),
    Text("拒收的消息什么都不要触发。", "What is refused must set nothing in motion."),
)
async def nothing_forged(trial: Trial) -> None:
    await trial.sentinel()
    _silent(trial, trial.bench.forged)


@JUDGING.case(
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
    trial.first()
    for handoff_id in trial.bench.once:
        opened = trial.desk.opened[handoff_id]
        named = {(each.kind, each.webhook_id) for each in opened.said}
        twice = [kind for kind, count in Counter(kind for kind, _ in named).items() if count > 1]
        if twice:
            trial.fault(f"{', '.join(twice)} 办了不止一次", f"{', '.join(twice)}: worked on more than once")
        if not named:
            trial.fault("有一条真消息没有办理", "a true message was not worked on")


@JUDGING.case(
    61,
    Text("先到的撤销有效", "A cancellation that came first counts"),
    Text("第 45 项的消息", "the messages of case 45"),
    Text("没有关于它的回告", "no callback about it"),
    Text(
        "较旧的消息不得覆盖较新的:先比较 timestamp。", "Compare timestamps: an older message must not undo a newer one."
    ),
)
async def cancellation_counts(trial: Trial) -> None:
    trial.first()
    _silent(trial, trial.bench.moot)


def _judged(number: int, part: str, name: Text, expected: Text, advice: Text) -> None:
    """A case that sends nothing: the desk has found the faults in that part of each callback."""

    async def judge(trial: Trial) -> None:
        trial.first()
        found = [(each.kind, each.faults[part]) for each in trial.desk.said if part in each.faults]
        for kind, fault in dict.fromkeys(found):
            trial.fault(f"{kind}:{fault.zh}", f"{kind}: {fault.en}")

    JUDGING.case(number, name, _WHOLE, expected, advice)(judge)


_judged(
    62,
    "signature",
    Text("签名", "Signed"),
    Text("签名都用您的密钥,与正文相符", "signatures with your secret that match"),
    Text(
        "用您的密钥,对所发的 webhook-id.webhook-timestamp.正文 原样字节签名。",
        "Sign webhook-id.webhook-timestamp.body, the very bytes that you send, with your secret.",
    ),
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


@JUDGING.case(
    69,
    Text("得到 200 的不再发", "What was answered 200 is not sent again"),
    _WHOLE,
    Text("得到 200 的回告不再来", "a callback that was answered 200 does not come again"),
    Text("2xx 就是送达:记下来,不再发。", "A 2xx is the end of it: note that, and stop sending."),
)
async def no_needless_repeats(trial: Trial) -> None:
    trial.first()
    for kind in dict.fromkeys(each.kind for each in trial.desk.said if each.needless):
        trial.fault(f"{kind} 得到 200 之后又来", f"{kind} came again after a 200")


@JUDGING.case(
    70,
    Text("409 是最终的答复", "A 409 is final"),
    Text(
        "第 57 项的消息,回告都得到 409 move_not_allowed",
        "the messages of case 57, whose callbacks got 409 move_not_allowed",
    ),
    Text(f"同一回告至多来 {_MOST_OF_A_REFUSED} 次", f"each callback {_MOST_OF_A_REFUSED} times at most"),
    Text("move_not_allowed 之后不要再发这一条。", "After move_not_allowed do not send that callback again."),
)
async def refusal_is_final(trial: Trial) -> None:
    trial.first()
    for opened in trial.desk.opened.values():
        if opened.status is not HandoffStatus.CANCELLED:
            continue
        refused = Counter(each.kind for each in opened.said if each.problem == "move_not_allowed")
        for kind in (kind for kind, count in refused.items() if count > _MOST_OF_A_REFUSED):
            trial.fault(f"{kind} 被拒后反复重发", f"{kind} was refused, and is sent again and again")


def _silent(trial: Trial, handoffs: Iterable[object]) -> None:
    of = set(handoffs)
    for opened in trial.desk.opened.values():
        if opened.id in of and opened.said:
            trial.tell(opened.said)
            trial.fault("不该有回告", "there should be no callback")

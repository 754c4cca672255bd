"""While an emergency is taken in, ordinary requests stand aside, and never for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import pytest
import uvloop

from app import way
from app.steps import InSteps, Steps
from app.way import RightOfWay

Result = TypeVar("Result")


def steps(count: int = 1, take: Callable[[int], None] = lambda _: None) -> Steps[int]:
    """So many, each of which takes its number; how many they were is what is found."""
    for number in range(count):
        if number:
            yield
        take(number)
    return count


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit ends what a test looks at because the machine was busy for so long; a test of a limit sets its own."""
    monkeypatch.setattr(way, "_LONGEST_SECONDS", 60)
    monkeypatch.setattr(way, "_GATHERING_SECONDS", 60)


def on_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """On the loop that `serve` runs on; its timers are whole milliseconds."""
    return uvloop.run(coroutine)


def test_who_comes_while_an_emergency_is_under_way_goes_on_when_the_last_of_them_is_done() -> None:
    async def run() -> list[str]:
        right, done = RightOfWay(), []

        async def ordinary() -> None:
            await right.begin(steps(take=lambda _: done.append("ordinary")))

        await ordinary()
        with right.taken():
            waiting = asyncio.create_task(ordinary())
            with right.taken():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            done.append("emergencies")
        await waiting
        return done

    assert on_loop(run()) == ["ordinary", "emergencies", "ordinary"]


def test_nobody_stands_aside_for_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_LONGEST_SECONDS", 0.01)

    async def run() -> None:
        right = RightOfWay()
        with right.taken():
            async with asyncio.timeout(10):
                await right.begin(steps())

    on_loop(run())


def test_each_of_many_stands_aside_for_a_moment_only_whenever_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_LONGEST_SECONDS", 0.3)

    async def run() -> None:
        rights = [RightOfWay() for _ in range(100)]
        with ExitStack() as under_way:
            for right in rights:
                under_way.enter_context(right.taken())
            waiting = []
            for _ in range(3):
                for right in rights:
                    waiting.append(asyncio.create_task(right.begin(steps())))
                    await asyncio.sleep(0.0011)
            async with asyncio.timeout(20):
                await asyncio.gather(*waiting)

    on_loop(run())


def test_who_left_between_two_steps_keeps_nobody_from_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_LONGEST_SECONDS", 0.05)

    async def run() -> None:
        right = RightOfWay()
        with right.taken():
            leaving, beginning = asyncio.create_task(right.go_on(steps())), asyncio.create_task(right.begin(steps()))
            await asyncio.sleep(0)
            leaving.cancel()
            async with asyncio.timeout(20):
                await beginning

    on_loop(run())


async def turns_of(right: RightOfWay, several: int, each_takes: int) -> list[list[tuple[int, int]]]:
    """Of so many that come at once: who took which step, turn by turn of the event loop."""
    turns = [list[tuple[int, int]]()]

    def take(number: int, step: int) -> None:
        turns[-1].append((number, step))

    tasks = [asyncio.create_task(right.begin(steps(each_takes, partial(take, each)))) for each in range(several)]
    while not all(task.done() for task in tasks):
        if turns[-1]:
            turns.append([])
        await asyncio.sleep(0)
    return [turn for turn in turns if turn]


def test_of_many_that_come_at_once_sixteen_take_each_step_together_and_the_next_begin_after_them() -> None:
    turns = on_loop(turns_of(RightOfWay(), 40, 3))
    waves = (range(16), range(16, 32), range(32, 40))
    assert [each for turn in turns for each in turn] == [
        (number, step) for wave in waves for step in range(3) for number in wave
    ]
    assert [len(turn) for turn in turns[:6]] == [16] * 6


@pytest.mark.parametrize(("several", "a_turn"), [(1, 16), (2, 8), (5, 3), (8, 2), (9, 1), (16, 1)])
def test_while_they_are_few_they_take_several_steps_a_turn_still_together(several: int, a_turn: int) -> None:
    """A turn of the event loop is not free; and an emergency waits for sixteen steps at most."""
    turns = on_loop(turns_of(RightOfWay(), several, 40))
    assert [each for turn in turns for each in turn] == [
        (number, step) for step in range(40) for number in range(several)
    ]
    assert {len(turn) for turn in turns[:-1]} == {a_turn * several}


def test_who_walked_to_the_end_goes_on_before_the_others_take_their_next_step() -> None:
    """Or those that came together would not go on together."""

    async def run() -> list[str]:
        right, taken = RightOfWay(), list[str]()

        async def short() -> None:
            await right.begin(steps())
            await right.go_on(steps(2, lambda _: taken.append("goes on")))

        async def longer() -> None:
            await right.begin(steps(9, lambda _: taken.append("longer")))

        await asyncio.gather(short(), longer())
        return taken

    assert on_loop(run())[:4] == ["longer", "goes on", "longer", "goes on"]


def test_who_came_first_goes_on_before_those_who_came_later() -> None:
    """So that the database has something to store while the others are seen to."""

    async def run() -> str:
        right, heard, taken = RightOfWay(), asyncio.Event(), list[str]()

        async def first() -> None:
            await right.begin(steps())
            await heard.wait()
            await right.go_on(steps(3, lambda _: taken.append("first")))

        async def later() -> None:
            await right.begin(steps(9, lambda _: taken.append("later")))

        several = [asyncio.create_task(first()) for _ in range(16)]
        await asyncio.sleep(0.01)
        several += [asyncio.create_task(later()) for _ in range(16)]
        while len(taken) < 32:  # noqa: ASYNC110
            await asyncio.sleep(0)
        heard.set()
        await asyncio.gather(*several)
        return "".join(each[0] for each in taken)

    order = on_loop(run())
    assert (order.count("f"), order.count("l")) == (3 * 16, 9 * 16)
    assert "f" * 48 in order
    assert order.index("f") < 5 * 16, "nor do those who came later end first"


def test_who_came_last_goes_on_last_whenever_it_was_heard() -> None:
    async def run() -> list[int]:
        right, taken = RightOfWay(), list[int]()
        heard = [asyncio.Event() for _ in range(3)]

        async def one(number: int) -> None:
            await right.begin(steps())
            await heard[number].wait()
            await right.go_on(steps(40, lambda _: taken.append(number)))

        several = [asyncio.create_task(one(number)) for number in range(3) for _ in range(16)]
        await asyncio.sleep(0.01)
        for number in (1, 2, 0):
            heard[number].set()
            while 1 not in taken:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await asyncio.gather(*several)
        return taken

    taken = on_loop(run())
    first_of_first = taken.index(0)
    assert set(taken[:first_of_first]) == {1}, "until who came first is heard"
    rest = taken[first_of_first:]
    assert rest == sorted(rest)


@pytest.mark.parametrize("together", [2, 15])
def test_who_is_heard_a_turn_later_begins_with_those_who_came_with_them(together: int) -> None:
    async def run(right: RightOfWay) -> list[int]:
        begun, several = list[int](), list[asyncio.Task[int]]()
        for _ in range(together):
            several.append(asyncio.create_task(right.begin(steps(3, begun.append))))
            await asyncio.sleep(0)
        await asyncio.gather(*several)
        return begun

    async def twice() -> list[list[int]]:
        right = RightOfWay()
        return [await run(right), await run(right)]

    assert on_loop(twice()) == [[step for step in range(3) for _ in range(together)]] * 2


def test_who_comes_alone_waits_a_turn_for_nobody_and_others_no_longer_than_until_they_are_sixteen() -> None:
    async def run() -> list[int]:
        right, waited = RightOfWay(), list[int]()
        turn, several = 0, list[asyncio.Task[int]]()

        def begins(came: int) -> asyncio.Task[int]:
            return asyncio.create_task(right.begin(steps(1, lambda _: waited.append(turn - came))))

        several.append(begins(0))
        while not waited:
            turn += 1
            await asyncio.sleep(0)
        for _ in range(100):
            turn += 1
            several.append(begins(turn))
            await asyncio.sleep(0)
        await asyncio.gather(*several)
        return waited

    alone, *others = on_loop(run())
    assert alone <= 4
    assert max(others) <= 16 + 4


def test_who_waited_for_emergencies_begins_in_the_turn_between_two_of_them() -> None:
    async def run() -> int:
        right, emergencies = RightOfWay(), 0
        waiting = asyncio.create_task(right.begin(steps()))
        while not waiting.done():
            emergencies += 1
            with right.taken():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        return emergencies

    assert on_loop(run()) <= 3


def test_who_goes_on_from_within_a_step_is_not_lost() -> None:
    """As a task would that is begun eagerly."""

    async def run() -> list[int]:
        right, taken, going_on = RightOfWay(), list[int](), list[Coroutine[Any, Any, int]]()

        def beginning(number: int) -> Steps[None]:
            going_on.append(right.go_on(steps(take=lambda _: taken.append(number))))
            going_on[-1].send(None)
            yield

        async with asyncio.timeout(10):
            await asyncio.gather(*(right.begin(beginning(number)) for number in range(3)))
            while len(taken) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
        for each in going_on:
            each.close()
        return taken

    assert sorted(on_loop(run())) == [0, 1, 2]


def test_who_has_begun_goes_on_while_an_emergency_is_under_way() -> None:
    async def run() -> None:
        right = RightOfWay()
        assert await right.begin(steps()) == 1
        with right.taken():
            async with asyncio.timeout(10):
                assert await right.go_on(steps(2)) == 2

    on_loop(run())


def test_who_leaves_while_waiting_keeps_nobody_waiting() -> None:
    async def run() -> None:
        right = RightOfWay()
        leaving = [asyncio.create_task(right.begin(steps())) for _ in range(40)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        async with asyncio.timeout(10):
            await right.begin(steps())
            await right.go_on(steps())

    on_loop(run())


def test_what_a_step_raises_is_told_to_who_waits_for_it_and_ends_no_other() -> None:
    def failing() -> Steps[None]:
        yield
        raise KeyError("told")

    async def run() -> list[Any]:
        right = RightOfWay()
        return await asyncio.gather(*map(right.begin, (steps(3), failing(), steps(3))), return_exceptions=True)

    first, told, last = on_loop(run())
    assert (first, last) == (3, 3)
    assert isinstance(told, KeyError)


def test_what_no_step_should_raise_ends_its_own_request_alone() -> None:
    """A panic of a library that is written in Rust is no `Exception`."""

    class PanicError(BaseException):
        pass

    def panicking() -> Steps[None]:
        yield
        raise PanicError

    async def run() -> list[Any]:
        right = RightOfWay()
        async with asyncio.timeout(10):
            return await asyncio.gather(*map(right.begin, (steps(3), panicking(), steps(3))), return_exceptions=True)

    first, told, last = on_loop(run())
    assert (first, last) == (3, 3)
    assert isinstance(told, PanicError)


def test_who_leaves_between_two_steps_takes_no_more_of_them() -> None:
    async def run() -> list[int]:
        right, taken = RightOfWay(), list[int]()
        leaving = asyncio.create_task(right.begin(steps(40, taken.append)))
        while not taken:  # noqa: ASYNC110
            await asyncio.sleep(0)
        leaving.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        await right.begin(steps(3))
        return taken

    assert on_loop(run()) == [*range(16)]


def test_each_step_is_taken_with_what_its_own_request_is_bound_to() -> None:
    """So that the log of a step names its request."""
    request: ContextVar[int] = ContextVar("request")

    async def run() -> list[tuple[int, int]]:
        right, seen = RightOfWay(), list[tuple[int, int]]()

        async def ordinary(number: int) -> None:
            request.set(number)
            await right.begin(steps(2, lambda _: seen.append((number, request.get()))))

        await asyncio.gather(*map(ordinary, range(3)))
        return seen

    assert on_loop(run()) == [(number, number) for number in range(3)] * 2


def _gathered(
    begin: int, meanwhile: Callable[[RightOfWay], AbstractContextManager[None]] = lambda _: nullcontext()
) -> int:
    """How many of those that come at once wait, each for one turn longer than the last, when the gathering of them ends."""

    async def run() -> int:
        right, waiting = RightOfWay(), list[int]()

        async def ordinary(number: int) -> None:
            await right.begin(steps(number + 1))
            waiting.append(number)

        several = [asyncio.create_task(ordinary(each)) for each in range(begin)]
        while not waiting:  # noqa: ASYNC110
            await asyncio.sleep(0)
        with meanwhile(right):
            await right.gathered(waiting)
            found = len(waiting)
        await asyncio.gather(*several)
        return found

    return on_loop(run())


def test_who_is_about_to_come_is_waited_for_and_nobody_else() -> None:
    assert _gathered(1) == 1
    assert _gathered(7) == 7


def test_where_enough_have_gathered_the_rest_is_not_waited_for() -> None:
    assert _gathered(40) == 16


def test_nothing_is_gathered_while_an_emergency_is_under_way() -> None:
    assert _gathered(7, RightOfWay.taken) == 1


def test_what_has_gathered_waits_for_no_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_GATHERING_SECONDS", 0.0)
    assert _gathered(7) == 1


def test_a_function_in_steps_takes_them_all_when_it_is_called_and_each_apart_when_somebody_takes_them() -> None:
    taken: list[int] = []

    @InSteps
    def counted(until: int, *, refuse: bool = False) -> Steps[int]:
        for number in range(until):
            taken.append(number)
            yield
        if refuse:
            raise ValueError("refused")
        return until

    assert counted(3) == 3
    assert taken == [0, 1, 2]
    taken.clear()
    first, second = counted.steps(2), counted.steps(until=2)
    for steps in (first, second, first, second):
        next(steps)
    assert taken == [0, 0, 1, 1]
    with pytest.raises(StopIteration) as ended:
        next(first)
    assert ended.value.value == 2
    with pytest.raises(ValueError, match="refused"):
        counted(1, refuse=True)
    assert counted.__name__ == "counted"

"""Long computations in steps, so that whoever has many beside each other may take each step of all of them together."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeAlias, TypeVar

_Told = ParamSpec("_Told")
_Found = TypeVar("_Found")
Steps: TypeAlias = Generator[None, None, _Found]


class InSteps(Generic[_Told, _Found]):
    """A function, not a method, of which each `yield` ends a step. Called, it takes them all at once; `yield from` its
    `steps` leaves each to whoever takes the caller's."""

    def __init__(self, steps: Callable[_Told, Steps[_Found]]) -> None:
        self.steps = steps
        update_wrapper(self, steps)

    def __call__(self, *told: _Told.args, **named: _Told.kwargs) -> _Found:
        steps = self.steps(*told, **named)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: _Found = end.value
                return found

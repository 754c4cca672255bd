"""Every case, one after the other, in the order of the chapters."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from app import signing
from app.conformance.bench import Bench, NotPlayedError, Plan, Trial
from app.conformance.case import Case, Chapter, Outcome, Report, Result
from app.conformance.desk import Desk
from app.conformance.judging import JUDGING
from app.conformance.refusing import REFUSING
from app.conformance.repeating import REPEATING
from app.conformance.reporting import REPORTING
from app.conformance.taking import TAKING
from app.identifiers import now
from app.problems import Text
from app.refusals import RefusedError

CHAPTERS = (TAKING, REFUSING, REPEATING, REPORTING, JUDGING)


class WrongPlanError(RefusedError):
    """Its text says what can't be played, and what to do."""


async def play(plan: Plan, on_result: Callable[[Result], None] = lambda _: None) -> Report:
    """Raises WrongPlanError, WrongTlsError before anything is sent. `on_result` hears of each case as it ends."""
    _check(plan)
    began_at = now()
    results: list[Result] = []
    async with _desk(plan) as desk, contextlib.aclosing(Bench(plan, desk)) as bench:
        for chapter in CHAPTERS:
            for case in chapter.cases:
                result = await _played(bench, chapter, case, first=not results)
                results.append(result)
                on_result(result)
    return Report(bench.shown_endpoint, began_at, results)


async def _played(bench: Bench, chapter: Chapter, case: Case, *, first: bool) -> Result:
    trial, began = Trial(bench), time.monotonic()
    try:
        if not first and not bench.reachable:
            raise NotPlayedError(Text("地址连接不上", "nothing answers at this address"))
        await case.play(trial)
    except NotPlayedError as reason:
        return Result(chapter.name, case, Outcome.SKIPPED, [reason.why], time.monotonic() - began)
    outcome = Outcome.FAILED if trial.wrong else Outcome.PASSED
    return Result(chapter.name, case, outcome, [*trial.came, *trial.wrong], time.monotonic() - began)


@contextlib.asynccontextmanager
async def _desk(plan: Plan) -> AsyncIterator[Desk | None]:
    if not plan.callbacks:
        yield None
        return
    secrets = [each for each in (plan.secret, plan.next_secret) if each]
    try:
        async with Desk(secrets, *plan.listen, plan.public_url) as desk:
            yield desk
    except OSError as error:
        host, port = plan.listen
        raise WrongPlanError(f"--listen: can't listen on {host}:{port} ({error.strerror or error}).") from None


def _check(plan: Plan) -> None:
    parts = urlsplit(plan.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongPlanError("The endpoint is a whole address, such as https://department.example.gov.cn/one-window.")
    for option, secret in (("--secret", plan.secret), ("--next-secret", plan.next_secret)):
        if secret is not None and not signing.is_secret(secret):
            raise WrongPlanError(f"{option}: write it as the operator gave it: whsec_ and base64.")

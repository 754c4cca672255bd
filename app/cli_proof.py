"""one-window proof: the chain of a handoff, for an inspector's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli_routing import LanguageOption
from app.refusals import RefusedError
from app.terminal import DatabaseOption, with_office

if TYPE_CHECKING:
    from app.office import Office


class NoSuchHandoffError(RefusedError):
    """Its text says where to find the handoffs."""


def proof(
    handoff: Annotated[UUID, typer.Argument(help="The handoff's id.")],
    language: LanguageOption = "en",
    as_json: Annotated[bool, typer.Option("--json", help="The whole proof as JSON, as the API gives it.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Print who had what, when: each message, attempt, callback and event of a handoff, verified.

    Exits with 1 if anything that can be verified does not.
    """

    import orjson

    from app.problems import Problem
    from app.proof.verb import prove_handoff
    from app.wire import to_json

    async def work(office: Office) -> dict[str, Any]:
        try:
            return await prove_handoff(office, handoff, None)
        except Problem:
            raise NoSuchHandoffError(f"There is no handoff {handoff}; `GET /v1/handoffs` lists them.") from None

    found = with_office(database, work)
    if as_json:
        typer.echo(orjson.dumps(orjson.loads(to_json(found)), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(_text(found, language))
    if not found["holds"]:
        raise typer.Exit(1)


def _text(found: dict[str, Any], language: str) -> str:
    from app.proof.words import shown

    zh = language == "zh"
    name, text = f"name_{language}", f"text_{language}"
    agency, need, chain = found["agency"], found["need"], found["chain"]
    whose = f"{agency[name]} ({agency['code']}), {need[name]}, {found['role']}, {found['status']}"
    if zh:
        head = [f"转办单 {found['handoff_id']} 的证明", f"{whose};受理编号 {found['receipt_number']}"]
        head += [f"作成于 {shown(found['made_at'])};全事项轨迹 {chain['events']} 条,末条散列 {chain['head']}"]
    else:
        head = [f"Proof of handoff {found['handoff_id']}", f"{whose}; receipt number {found['receipt_number']}"]
        head += [f"Made {shown(found['made_at'])}; events of the request: {chain['events']}, head {chain['head']}"]
    lines = [f"{shown(each['at'])}  {each[text]}" for each in found["entries"]]
    legend = [f"* {each[text]}" for each in found["proves"]]
    verdict = ("全部核验相符。" if zh else "Everything that can be verified does.") if found["holds"] else ""
    faults = [f"! {each[text]}" for each in found["faults"]]
    proves = "何者证明何事:" if zh else "What is proved by what:"
    return "\n".join([*head, "", *lines, "", *(faults or [verdict]), "", proves, *legend])

"""one-window routing: the table imported, proved, published, compared, tried and verified.

A command imports what it needs when it is called.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.refusals import RefusedError
from app.terminal import DatabaseOption, err, in_words, minute, out, read_file, with_office, write_file

if TYPE_CHECKING:
    from app.office import Office
    from app.routing.findings import Certificate as Proof

routing_app = typer.Typer(
    no_args_is_help=True,
    help="The department-routing table: a sheet is imported as a draft, proved, published; what was decided is "
    "verified.\n\n"
    "A clerk's way: `export 3 table.xlsx`, edit it, `check table.xlsx`, `import table.xlsx`, `diff 3 4`, "
    "`replay 4 --last 500`, `publish 4`.",
)
VersionArgument = Annotated[int, typer.Argument(min=1, max=10**6)]
LanguageOption = Annotated[Literal["zh", "en"], typer.Option(help="Language of sentences and sheets.")]
_BY = "command line"


class RoutingRefusedError(RefusedError):
    """What a routing command can't do, or finds wrong."""


@routing_app.command("list")
def list_versions(database: DatabaseOption = None) -> None:
    """Show the versions, newest first."""
    from rich.table import Table

    from app import tabling

    found = _ask(database, tabling.listed)
    table = Table("version", "state", "in force", "effective from", "rules", "certified", "source", "published by")
    for each in found["items"]:
        table.add_row(
            *(str(each["version"]), each["state"], "yes" if each["in_force"] else ""),
            *(_local(each["effective_from"]), str(each["rules"]), "yes" if each["certified"] else ""),
            *(each["source"], each["published_by"] or ""),
        )
    out.print(table)


@routing_app.command("check")
def check_table(
    what: Annotated[str, typer.Argument(help="A version number, or a sheet (.xlsx or .csv).")],
    language: LanguageOption = "en",
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text, or the whole certificate as JSON.")
    ] = "text",
    database: DatabaseOption = None,
) -> None:
    """Prove that a table routes every request: every need, place, day and region of the facts has one lead.

    Exits with 1 if there are errors. Each finding names its rules and a concrete request that shows it.
    """
    from app import tabling, versions
    from app.answers_routing import Certificate
    from app.identifiers import now
    from app.routing.check import check
    from app.routing.rules import RoutingTable
    from app.routing.sheets import read_table

    number = int(what) if re.fullmatch("[1-9][0-9]{0,5}", what) else None
    content = b"" if number else read_file(Path(what))

    async def work(office: Office) -> Proof:
        if number:
            return await versions.prove(office.database, number, now())
        rules = read_table(content, tabling.known(await office.registry.current()))
        async with office.database.reading_as_one() as connection:
            offices, codes = await versions.directory(connection), await versions.world(connection)
        at = now()
        return check(RoutingTable(0, at, rules), offices, codes, versions.checksum_of(rules).hex(), at)

    with err.status("Proving …"):
        proof = _ask(database, work)
    if form == "json":
        typer.echo(Certificate.model_validate({"version": number or 0, **proof.record()}).model_dump_json(indent=1))
    else:
        _print_proof(proof, language)
    if proof.errors:
        raise typer.Exit(1)


@routing_app.command("import")
def import_sheet(file: Path, database: DatabaseOption = None) -> None:
    """Keep a sheet (.xlsx or .csv) as a new draft; it is read whole, or refused whole with every fault."""
    from app import tabling
    from app.routing.sheets import read_table

    content = read_file(file)

    async def work(office: Office) -> int:
        rules = read_table(content, tabling.known(await office.registry.current()))
        return (await tabling.keep_draft(office, _BY, rules, file.name)).number

    typer.echo(f"Version {_ask(database, work)}, a draft.")


@routing_app.command("export")
def export_sheet(
    version: VersionArgument,
    file: Annotated[Path, typer.Argument(help="Ends in .xlsx or .csv.")],
    language: LanguageOption = "zh",
    database: DatabaseOption = None,
) -> None:
    """Write a version as a sheet; importing it again gives the same table."""
    from app import tabling

    form = file.suffix.lower().removeprefix(".")
    if form not in ("xlsx", "csv"):
        raise RoutingRefusedError(f"{file} ends in neither .xlsx nor .csv; choose one of them.")

    async def work(office: Office) -> bytes:
        return await tabling.export_sheet(office, version, "xlsx" if form == "xlsx" else "csv", language)

    content = _ask(database, work)
    write_file(file, content)
    out.print(f"Wrote {file}.", markup=False)


@routing_app.command("diff")
def diff_versions(
    old: VersionArgument, new: VersionArgument, language: LanguageOption = "zh", database: DatabaseOption = None
) -> None:
    """Say what differs between two versions, by rule, in words."""
    from app import tabling

    async def work(office: Office) -> Any:
        return await tabling.compare(office, old, new)

    changes = _ask(database, work)["changes"]
    for each in changes:
        typer.echo(each[f"sentence_{language}"])
    if not changes:
        typer.echo("No rule differs.")


@routing_app.command("publish")
def publish(
    version: VersionArgument,
    begins: Annotated[
        datetime | None,
        typer.Option("--from", help="When it takes effect, in China's time: 2027-01-01 or 2027-01-01T08:00:00; now."),
    ] = None,
    reason: Annotated[
        list[str] | None, typer.Option(help='Why a warning is acceptable: lead_waits_for_fact="the window asks".')
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Put a draft in force. It is proved first: errors block it, and each kind of warning needs a --reason."""
    from app import tabling
    from app.api.bodies import parse
    from app.deadlines import CHINA
    from app.schemas_routing import PublishIn

    for each in reason or ():
        if "=" not in each:
            raise RoutingRefusedError(f"--reason {each} names no finding; write CODE=why it is acceptable.")
    asked: dict[str, Any] = {"reasons": dict(each.split("=", 1) for each in reason or ())}
    asked |= {"effective_from": begins.replace(tzinfo=CHINA).isoformat()} if begins else {}

    async def work(office: Office) -> Any:
        return await tabling.publish(office, _BY, version, parse(PublishIn, json.dumps(asked).encode()))

    with err.status("Proving …"):
        published = _ask(database, work)
    typer.echo(f"Version {version} is in force from {_local(published['effective_from'])} (China) on.")


@routing_app.command("retire")
def retire(version: int, database: DatabaseOption = None) -> None:
    """Take a published version back: the one before it decides from now on. What it decided stays."""
    from app import tabling

    async def work(office: Office) -> Any:
        return await tabling.retire(office, version)

    _ask(database, work)
    typer.echo(f"Version {version} is retired.")


@routing_app.command("preview")
def preview(
    division: Annotated[str, typer.Option(help="Where it would be registered, such as 360803101.")],
    need: Annotated[list[str], typer.Option(help="A need code; may be repeated.")],
    fact: Annotated[
        list[str] | None, typer.Option(help="A declared fact: residence=rural; lists as a,b; may be repeated.")
    ] = None,
    born: Annotated[str | None, typer.Option(help="Date of birth of the applicant.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When, in China's time; now.")] = None,
    version: Annotated[int | None, typer.Option(help="A version, a draft too; the one in force.")] = None,
    language: LanguageOption = "zh",
    database: DatabaseOption = None,
) -> None:
    """Say who would get a request and why, by when, what to bring, who would see what. Nothing is stored."""
    from app import previewing
    from app.api.bodies import parse
    from app.deadlines import CHINA
    from app.schemas_routing import PreviewIn

    asked: dict[str, Any] = {"division_code": division, "needs": [{"code": code} for code in need]}
    asked |= {"birth_date": born, "version": version, "facts": dict(_fact(each) for each in fact or ())}
    asked["at"] = at.replace(tzinfo=CHINA).isoformat() if at else None

    async def work(office: Office) -> Any:
        return await previewing.preview(office, parse(PreviewIn, json.dumps(asked).encode()))

    shown = _ask(database, work)
    for each in shown["needs"]:
        for sentence in each[f"sentences_{language}"]:
            typer.echo(sentence)
        for key, words in (
            ("materials", ("需带", "To bring")),
            ("waived", ("免交(数据共享)", "Supplied by data sharing")),
        ):
            if each[key]:
                names = ", ".join(material[f"name_{language}"] for material in each[key])
                typer.echo(f"{words[language == 'en']}: {names}")
        for handoff in each["handoffs"]:
            groups = ", ".join(group[f"name_{language}"] for group in handoff["sees"]) or "-"
            typer.echo(f"{handoff[f'name_{language}']} {('可见', 'sees')[language == 'en']}: {groups}")


@routing_app.command("replay")
def replay_version(
    version: VersionArgument,
    last: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="So many of the stored requests, fifty at the least.")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(help="A JSON list of cases: division_code, needs, facts, birth_date, at.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Say what a version would change of what came before: by need and agency. Nothing is stored.

    Of stored requests, fifty at the least, counts to the nearest ten; which of them change is told to a coordinator, over
    the API. Of cases, with examples."""
    from rich.table import Column, Table

    from app import replay
    from app.api.bodies import parse
    from app.schemas_routing import ReplayIn

    content = read_file(cases) if cases else b""

    async def work(office: Office) -> Any:
        whole = {"cases": json.loads(content)} if cases else {"last": last or 500}
        return await replay.replay(office, version, parse(ReplayIn, json.dumps(whole).encode()), None)

    with err.status("Replaying …"):
        found = _ask(database, work)
    typer.echo(
        f"{found['changed_requests']} of {found['requests']} requests would change; undetermined needs "
        f"{found['undetermined_before']} before, {found['undetermined_after']} after."
    )
    for each in found["by_need"]:
        typer.echo(f"{each['need']}: {each['changed']}")
        for example in each["examples"]:
            gains = ", ".join(seat["agency"] for seat in example["gains"]) or "-"
            loses = ", ".join(seat["agency"] for seat in example["loses"]) or "-"
            typer.echo(f"  {example['request']}: gains {gains}; loses {loses}")
    table = Table("agency", Column("before", justify="right"), Column("after", justify="right"))
    for each in found["load"]:
        table.add_row(each["agency"], str(each["before"]), str(each["after"]))
    if found["load"]:
        out.print(table)


@routing_app.command("verify")
def verify(
    last: Annotated[int | None, typer.Option(min=1, help="So many of the newest; all.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Make every stored decision again from the versions that it names: equal bit for bit, or exit with 1."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from sqlalchemy import func, select

    from app import versions
    from app.tables import help_request

    async def work(office: Office) -> tuple[int, list[str]]:
        checked, differing = 0, []
        columns = (SpinnerColumn(), TextColumn("Verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        async with office.database.reading_as_one() as connection:
            stored = await connection.scalar(select(func.count()).select_from(help_request)) or 0
            verifier = versions.Verifier(connection)
            with Progress(*columns, console=err, transient=True) as progress:
                task = progress.add_task("", total=min(stored, last or stored))
                async for past in versions.past_requests(connection, last):
                    checked += 1
                    if not await verifier.agrees(past):
                        differing.append(past.receipt_number)
                    progress.advance(task)
        return checked, differing

    checked, differing = _ask(database, work)
    if differing:
        listed = ", ".join(differing[:20]) + (" …" if len(differing) > 20 else "")
        raise RoutingRefusedError(f"{len(differing)} of {checked} stored decisions come out otherwise: {listed}")
    typer.echo(f"All {checked} stored decisions come out equal.")


def _ask(database: str | None, work: Any) -> Any:
    from app.problems import Problem
    from app.routing.faults import SheetError

    try:
        return with_office(database, work)
    except SheetError as error:
        raise RoutingRefusedError(error.text("en")) from None
    except json.JSONDecodeError as error:
        raise RoutingRefusedError(f"The cases are no JSON: line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError:
        raise RoutingRefusedError("The cases are no JSON: they are not in UTF-8.") from None
    except Problem as problem:
        raise RoutingRefusedError(in_words(problem)) from None


def _print_proof(proof: Proof, language: str) -> None:
    for each in proof.findings:
        witness = each.witness.record()
        facts = ", ".join(f"{name}={value}" for name, value in witness["facts"].items())
        shown = f"{witness['need']} in {witness['division_code']} on {witness['day']}" + (f", {facts}" if facts else "")
        typer.echo(f"{each.severity} {each.code}: {each.zh if language == 'zh' else each.en} [{shown}]")
    typer.echo(
        f"{proof.rules} rules, {proof.needs} needs, {proof.places} places, {proof.agencies} agencies, "
        f"{proof.regions} regions: {len(proof.errors)} errors, {len(proof.warnings)} warnings. "
        f"Checksum {proof.checksum[:16]}…"
    )


def _fact(written: str) -> tuple[str, Any]:
    name, _, value = written.partition("=")
    if name == "recognised_status":
        return name, [each for each in value.split(",") if each]
    return name, int(value) if re.fullmatch("[0-9]{1,9}", value) and not name.endswith("_yuan") else value


def _local(moment: datetime) -> str:
    from app.deadlines import CHINA

    return minute(moment.astimezone(CHINA))

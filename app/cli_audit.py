"""one-window audit: roots made, published and verified, and a receipt checked; for an auditor."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_routing import LanguageOption
from app.refusals import RefusedError
from app.terminal import DatabaseOption, err, minute, out, read_file, with_database, write_file

if TYPE_CHECKING:
    from app.audit.statements import Published, Signer
    from app.audit.verifying import Verified
    from app.config import Settings
    from app.db import Database

audit_app = typer.Typer(
    no_args_is_help=True,
    help="Whether the past is what it was: signed daily roots, and what they prove (docs/auditing.md).",
)
KeysOption = Annotated[
    list[Path] | None, typer.Option("--public-key", help="A file of public keys in PEM; may be given more than once.")
]
RootsOption = Annotated[
    Path | None, typer.Option("--roots", help="Roots that were published earlier, kept elsewhere: JSON.")
]


class AuditRefusedError(RefusedError):
    """What an audit command can't do with what it was given."""


@audit_app.command("key")
def key(database: DatabaseOption = None) -> None:
    """Print the public key that roots are signed with, in PEM: publish it, and keep it apart from the database."""
    from app.audit.statements import pem_of
    from app.config import load_settings

    signer = _signer(load_settings(database_url=database))
    err.print(f"key id {signer.key_id}", highlight=False)
    typer.echo(pem_of(signer.public_key), nl=False)


@audit_app.command("root")
def root(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Until today; yesterday in China.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make the root of a day now, as a worker does once the day is over. It covers everything up to this moment."""
    from datetime import timedelta

    from app.audit import roots
    from app.config import load_settings
    from app.identifiers import now
    from app.routing.rules import local_day

    signer = _signer(load_settings(database_url=database))
    at = now()
    of_day = day.date() if day else local_day(at) - timedelta(days=1)
    if of_day > local_day(at):
        raise AuditRefusedError(f"--day: {of_day} has not begun; the latest that can be made is {local_day(at)}.")

    async def work(opened: Database) -> Any:
        await roots.make(opened, signer, of_day, at)
        async with opened.reading() as connection:
            return await roots.newest(connection)

    made = with_database(database, work)
    if made is None or made["day"] != of_day:
        raise AuditRefusedError(f"--day: there is a later root already, of {made['day'] if made else '-'}.")
    out.print(f"{made['day']}  {made['root'].hex()}  key {made['key_id']}", highlight=False)


@audit_app.command("roots")
def roots_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the newest.")] = 30,
    database: DatabaseOption = None,
) -> None:
    """Show the newest roots."""
    from rich.table import Table
    from sqlalchemy import select

    from app.tables import audit_root

    async def work(opened: Database) -> Any:
        async with opened.reading() as connection:
            newest = select(audit_root).order_by(audit_root.c.day.desc()).limit(limit)
            return (await connection.execute(newest)).mappings().all()

    table = Table("day", "as of", "requests", "root", "key", "signed")
    for row in with_database(database, work):
        hashed = row["root"].hex() if row["root"] else "in the making"
        leaves = "" if row["leaves"] is None else str(row["leaves"])
        moments = (minute(row["as_of"]), minute(row["made_at"]))
        table.add_row(str(row["day"]), moments[0], leaves, hashed, row["key_id"] or "", moments[1])
    out.print(table)


@audit_app.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="Where to write the signed roots, as JSON.")],
    database: DatabaseOption = None,
) -> None:
    """Write all signed roots to a file, to be kept or shown where nobody who reaches the database can change it.

    It holds no request, no person and no count.
    """
    import orjson

    from app.audit import publishing
    from app.wire import from_json, to_json

    async def work(opened: Database) -> Any:
        async with opened.reading_as_one() as connection:
            return await publishing.publication(connection)

    document = with_database(database, work)
    write_file(file, orjson.dumps(from_json(to_json(document)), option=orjson.OPT_INDENT_2) + b"\n")
    out.print(f"{len(document['roots'])} roots are in {file}.", markup=False, highlight=False)


@audit_app.command("verify")
def verify(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Only from this day's root on.")
    ] = None,
    public_key: KeysOption = None,
    roots: RootsOption = None,
    language: LanguageOption = "en",
    database: DatabaseOption = None,
) -> None:
    """Walk every root, leaf and event, and name what was changed, removed, added or reordered; exits with 1 if anything was.

    May run while the service works. Without --public-key the settings' own key is taken, else those in the database.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from app.audit import verifying
    from app.config import load_settings

    keys = _keys(public_key) or _own_keys(load_settings(database_url=database))
    published = _published(roots) if roots else []
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

    async def work(opened: Database) -> Verified:
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("", total=await verifying.how_many(opened))
            return await verifying.verify(
                opened,
                keys,
                published=published,
                since=since.date() if since else None,
                step=lambda requests: progress.advance(task, requests),
            )

    found = with_database(database, work)
    for each in found.faults:
        typer.echo(f"! {each.line(language)}")
    for line in _summary(found, compared=roots is not None, language=language):
        typer.echo(line)
    if found.faults:
        raise typer.Exit(1)


@audit_app.command("check-receipt")
def check_receipt(
    file: Annotated[Path, typer.Argument(help="An answer of GET /v1/track/{token}/inclusion, as JSON.")],
    public_key: KeysOption = None,
    roots: RootsOption = None,
    language: LanguageOption = "en",
) -> None:
    """Check a person's receipt against the signed root, without the service and without its database."""
    from app.audit import receipts

    inclusion = _json(file)
    keys = _keys(public_key)
    statements = {each.statement for each in _published(roots)} if roots else None
    if isinstance(inclusion, dict) and "proof" in inclusion and inclusion["proof"] is None:
        raise AuditRefusedError(f"{file}: this request is in no root yet; ask again tomorrow.")
    try:
        wrong = receipts.wrong_with(inclusion, keys or receipts.key_within(inclusion), statements)
    except (ValueError, TypeError, AttributeError):
        raise AuditRefusedError(f"{file} is no answer of GET /v1/track/{{token}}/inclusion.") from None
    zh = language == "zh"
    if wrong:
        typer.echo(f"! {wrong.zh if zh else wrong.en}")
        raise typer.Exit(1)
    proof = inclusion["proof"]
    number, events, day = inclusion["receipt_number"], proof["events"], proof["root"]["day"]
    if zh:
        typer.echo(f"受理编号 {number}:前 {events} 条轨迹在 {day} 的根中,签名相符。")
    else:
        typer.echo(f"Receipt number {number}: its first {events} events are in the root of {day}, which is signed.")
    if not keys:
        typer.echo(_KEY_OF_THE_FILE[zh])


_KEY_OF_THE_FILE = {
    True: "公钥取自该文件本身:请用 --public-key 与公布的公钥比对。",
    False: "The key was the file's own: give the published one with --public-key.",
}


def _summary(found: Verified, *, compared: bool, language: str) -> list[str]:
    zh = language == "zh"
    lines = [
        f"已核 {found.roots} 个根、{found.requests} 个事项、{found.events} 条轨迹(其中已删除密封内容 {found.erased} 条)。"
        if zh
        else f"{found.roots} roots, {found.requests} requests, {found.events} events ({found.erased} with their sealed "
        "part erased)."
    ]
    lines.append(
        f"最后一个根:{found.newest or '无'}。其后的 {found.by_chain_alone} 条只凭事项自身的散列链核验。"
        if zh
        else f"The last root: {found.newest or 'none'}. {found.by_chain_alone} events came after it: "
        "verified by their own chain alone."
    )
    if not found.keys_given:
        lines.append(
            "公钥取自数据库本身:请用 --public-key 给出公布的公钥。"
            if zh
            else "The public keys were the database's own: give the published ones with --public-key."
        )
    if not compared:
        lines.append(
            "未与早先公布的根比对(--roots):连根一起重写的数据库看不出来。"
            if zh
            else "Not compared with roots published earlier (--roots): a database rewritten with its roots by whoever "
            "holds the key would not show."
        )
    good, bad = ("全部相符。", "不符之处:{}。") if zh else ("Everything holds.", "Found wrong: {}.")
    return [*lines, bad.format(len(found.faults)) if found.faults else good]


def _signer(settings: Settings) -> Signer:
    from app.audit.statements import Signer

    seed = settings.audit_seed()
    if seed is None:
        raise AuditRefusedError(
            "ONE_WINDOW_AUDIT_KEY is not set; write ONE_WINDOW_AUDIT_KEY=<the output of: openssl rand -hex 32>"
        )
    return Signer(seed)


def _own_keys(settings: Settings) -> list[bytes]:
    from app.audit.statements import Signer

    seed = settings.audit_seed(make=False)
    return [Signer(seed).public_key] if seed is not None else []


def _keys(files: list[Path] | None) -> list[bytes]:
    from app.audit.statements import public_keys_of

    found: list[bytes] = []
    for file in files or ():
        try:
            found += public_keys_of(read_file(file))
        except ValueError:
            raise AuditRefusedError(f"{file} holds no Ed25519 public key in PEM, as `audit key` prints it.") from None
    return found


def _published(file: Path) -> list[Published]:
    from app.audit.publishing import published_of

    try:
        return list(published_of(_json(file)))
    except (ValueError, AttributeError):
        raise AuditRefusedError(f"{file} holds no published roots, as `audit publish` writes them.") from None


def _json(file: Path) -> Any:
    from app.wire import from_json

    try:
        return from_json(read_file(file))
    except ValueError:
        raise AuditRefusedError(f"{file} is not JSON.") from None

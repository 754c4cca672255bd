"""What the commands share: where they print, and how one piece of work is run on the database of the settings.

An import that takes long is made where it is needed: help asks for none of them, and a command for its own only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from app.refusals import RefusedError

if TYPE_CHECKING:
    from app.config import Settings
    from app.problems import Problem

out = Console()
err = Console(stderr=True)
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="sqlite:///file or postgresql://…; default: ONE_WINDOW_DATABASE_URL."
    ),
]


def with_database(url: str | None, work: Any) -> Any:
    """Run one piece of work on the database of the settings; a database that is away is one sentence."""
    from app.config import load_settings
    from app.db import Database

    settings = load_settings(database_url=url)

    async def whole() -> Any:
        opened = Database(settings)
        try:
            return await work(opened)
        finally:
            await opened.close()

    return run_async(whole())


async def with_office_of(settings: Settings, work: Any, secret: bytes | None = b"") -> Any:
    """The same with a registry. Most need no secret, since no tracking token is handed out; None: the service's own."""
    from app.office import Office

    office = Office.of(settings, secret=secret)
    try:
        return await work(office)
    finally:
        await office.database.close()


def with_office(url: str | None, work: Any, secret: bytes | None = b"") -> Any:
    from app.config import load_settings

    return run_async(with_office_of(load_settings(database_url=url), work, secret))


def asked_of_office(url: str | None, work: Any, secret: bytes | None = b"") -> Any:
    """The same; what the API would answer as a problem is raised as RefusedError."""
    from app.problems import Problem

    try:
        return with_office(url, work, secret)
    except Problem as problem:
        raise RefusedError(in_words(problem)) from None


def in_words(problem: Problem) -> str:
    body = problem.body("en")
    lines = [f"{body['title']}. {body['detail']}"]
    lines += [f"{each['pointer']}: {each['detail']}" for each in body.get("errors") or ()]
    lines += [f"{each['code']}: {each['detail_en']}" for each in body.get("findings") or ()]
    return "\n".join(lines)


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    from app.config import PREFIX, WrongSettingError
    from app.db import is_unavailable

    try:
        return asyncio.run(work)
    except Exception as error:
        if is_unavailable(error):
            raise WrongSettingError(
                f"The database can't be used ({type(error).__name__}). Check {PREFIX}DATABASE_URL, "
                "that its server is up, and that `one-window migrate` was run."
            ) from None
        raise


def read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RefusedError(f"{file} can't be read: {error.strerror}.") from None


def write_file(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise RefusedError(f"{file} can't be written: {error.strerror}.") from None


def working(text: str) -> Any:
    return err.status(text)


def minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""

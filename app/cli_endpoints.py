"""What the commands on agencies and on subscriptions share: TLS files read, and what came back on a test shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.receivers import Tls
from app.refusals import RefusedError
from app.terminal import minute

CaOption = Annotated[Path | None, typer.Option(help="PEM file: the private authority that its endpoint is of.")]
CertificateOption = Annotated[Path | None, typer.Option(help="PEM file: our client certificate.")]
KeyOption = Annotated[Path | None, typer.Option(help="PEM file: its key.")]
NoTlsOption = Annotated[bool, typer.Option("--no-tls", help="Forget authority and client certificate.")]


def tls_files(ca: Path | None, certificate: Path | None, key: Path | None) -> Tls:
    """Raises RefusedError for what can't be read or used."""
    from app.delivery.tls import tls_context

    tls = Tls(_text(ca), _text(certificate), _text(key))
    tls_context(tls.ca, tls.certificate, tls.key)
    return tls


def _text(file: Path | None) -> str | None:
    try:
        return file.read_text("ascii") if file else None
    except (OSError, UnicodeDecodeError):
        raise RefusedError(f"{file} can't be read as PEM; name a file that holds -----BEGIN ...-----.") from None


def show_ping(seen: dict[str, Any]) -> None:
    """Exits with 1 if a message would not count as delivered."""
    typer.echo(f"{seen['endpoint']}: {seen['status_code'] or seen['fault']} after {seen['milliseconds']} ms")
    if seen["address"]:
        typer.echo(f"from {seen['address']}")
    if tls := seen["tls"]:
        typer.echo(
            f"{tls['version']}, {tls['cipher']}; {tls['subject']}, by {tls['issuer']}, to {minute(tls['ends_at'])}"
        )
    for name, content in seen["headers"].items():
        typer.echo(f"{name}: {content}")
    if seen["answer"]:
        typer.echo(f"\n{seen['answer']}")
    if not seen["delivered"]:
        raise typer.Exit(1)

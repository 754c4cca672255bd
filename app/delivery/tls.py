"""TLS towards one endpoint: whom we trust, and who we say we are."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from functools import lru_cache

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from app.identifiers import now
from app.refusals import RefusedError

log = structlog.get_logger()


class WrongTlsError(RefusedError):
    """Its text says what to give instead, and repeats nothing of what was given."""


@lru_cache(4096)
def tls_context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """All PEM. `ca`: the only authorities trusted, in place of the system's; `certificate` (its chain after it) and `key`: ours.

    TLS 1.2 or newer, the name always checked. The same texts give the same context, so connections are used again.
    Raises WrongTlsError. A certificate that has expired is used and logged: only the other side can refuse it.
    """
    if ca is not None:
        _certificates(ca, "The CA bundle")
    context = ssl.create_default_context(cadata=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None and key is not None:
        _present(context, certificate, key)
    elif certificate is not None or key is not None:
        raise WrongTlsError("A client certificate and its key belong together; give both, or neither.")
    return context


def _present(context: ssl.SSLContext, certificate: str, key: str) -> None:
    chain = _certificates(certificate, "The client certificate")
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise WrongTlsError("The key can't be read; give it in PEM, without a password.") from None
    if private.public_key() != chain[0].public_key():
        raise WrongTlsError("The key is not the client certificate's; its own certificate comes first in the file.")
    if (ended := chain[0].not_valid_after_utc) < now():
        log.warning("client_certificate_expired", serial=f"{chain[0].serial_number:x}", ended_at=ended.isoformat())
    # `ssl` reads files only: the key lies in one for a moment, under a password that nobody else ever has.
    password = secrets.token_bytes(32).hex().encode()
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "client.pem")
        with open(file, "wb") as handle:
            handle.write(b"".join(each.public_bytes(Encoding.PEM) for each in chain) + locked)
        context.load_cert_chain(file, password=password)


def _certificates(pem: str, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise WrongTlsError(f"{what} can't be read; give certificates in PEM (-----BEGIN CERTIFICATE-----).") from None

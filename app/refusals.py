"""What an operator is told in one sentence, where a programmer would see a traceback."""

from __future__ import annotations


class RefusedError(Exception):
    """Its text says what is wrong and what to write instead; a command prints it and exits with 1."""

"""The cleaning process: a file in, the same made anew out; its exit code says why not."""

from __future__ import annotations

import resource
import sys

from app.cleaning.faults import Fault, FaultyFileError
from app.cleaning.kinds import Kind

_MEMORY = 1536 * 1024 * 1024
_SECONDS = 40


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind, content = Kind(sys.argv[1]), sys.stdin.buffer.read()
    try:
        clean = _cleaned(kind, content)
    except FaultyFileError as error:
        return error.fault
    except MemoryError:
        return Fault.TOO_LARGE
    except Exception:  # whatever a decoder says of what it can't read
        return Fault.BROKEN
    sys.stdout.buffer.write(clean)
    sys.stdout.buffer.flush()
    return 0


def _cleaned(kind: Kind, content: bytes) -> bytes:
    if kind is Kind.PDF:
        from app.cleaning import pdfs

        return pdfs.cleaned(content)
    from app.cleaning import images

    return images.cleaned(content, keep_png=kind is Kind.PNG)


if __name__ == "__main__":
    sys.exit(main())

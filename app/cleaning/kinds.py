"""What a file is, by its first bytes; pure. Its name and the type that it was sent as say nothing."""

from __future__ import annotations

from enum import StrEnum

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class Kind(StrEnum):
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIF = "heif"
    PDF = "pdf"

    @property
    def kept_as(self) -> str:
        """JPEG for every photograph: what agencies have opens it."""
        return {"png": "image/png", "pdf": "application/pdf"}.get(self.value, "image/jpeg")


ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "application/pdf": ".pdf"}


def kind_of(head: bytes) -> Kind | None:
    """`head` is at least the first 32 bytes, or the whole file."""
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return Kind.HEIF
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return Kind.PDF
    return None

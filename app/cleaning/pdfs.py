"""PDFs written anew from the objects that are reached: without what says who made them, what runs, what is packed in.

A digital signature in it does not outlive that; the stamp that is seen on the page does.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Stream

from app.cleaning.faults import Fault, FaultyFileError

MOST_PAGES = 500
# Of any dictionary: what is done without being asked, what is packed in, what tells of the maker.
_NEVER = ("/AA", "/OpenAction", "/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/AF", "/XFA", "/Metadata", "/PieceInfo")
_OF_CATALOGUE = ("/Collection", "/Threads", "/SpiderInfo", "/URI", "/Perms", "/Legal", "/DSS")
_ACTIONS = {"/GoTo", "/Named"}  # turning to a page; no link leads out of a paper
_WITH_CONTENT = {"/FileAttachment", "/RichMedia", "/Movie", "/Sound", "/Screen", "/3D"}


def cleaned(content: bytes) -> bytes:
    """Raises FaultyFileError, and whatever the parser does."""
    try:
        pdf = pikepdf.open(BytesIO(content))
    except pikepdf.PasswordError:
        raise FaultyFileError(Fault.LOCKED) from None
    with pdf:
        if len(pdf.pages) == 0:
            raise FaultyFileError(Fault.BROKEN)
        if len(pdf.pages) > MOST_PAGES:
            raise FaultyFileError(Fault.TOO_LARGE)
        for name in _OF_CATALOGUE:
            if name in pdf.Root:
                del pdf.Root[name]
        for each in pdf.objects:
            for holder in _within(each):
                _clean(holder)
        if "/Info" in pdf.trailer:
            del pdf.trailer["/Info"]
        out = BytesIO()
        pdf.remove_unreferenced_resources()
        pdf.save(out, encryption=False, deterministic_id=True, fix_metadata_version=False)
    return out.getvalue()


def _within(thing: Object) -> Iterator[Object]:
    """A dictionary, stream or array, and those written inside it; those that it only refers to come by themselves."""
    waiting = [thing]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, Dictionary | Stream | Array):
            continue
        yield each
        parts = list(each) if isinstance(each, Array) else [each[name] for name in each.keys()]  # noqa: SIM118
        waiting += [part for part in parts if isinstance(part, Object) and not part.is_indirect]


def _clean(holder: Object) -> None:
    if isinstance(holder, Array):
        return
    for name in _NEVER:
        if name in holder:
            del holder[name]
    for name in ("/A", "/PA", "/Next"):
        if name in holder and _acts(holder[name]):
            del holder[name]
    if "/Annots" in holder and isinstance(holder["/Annots"], Array):
        holder["/Annots"] = Array([each for each in holder["/Annots"] if not _is_packed(each)])
    if isinstance(holder, Stream) and _is_jpeg(holder):
        raw = holder.read_raw_bytes()
        if (plain := without_remarks(raw)) != raw:
            how = holder.get("/DecodeParms")
            holder.write(
                plain, filter=Name.DCTDecode, decode_parms=how if isinstance(how, Dictionary | Array) else None
            )


def _is_jpeg(stream: Stream) -> bool:
    how = stream.get("/Filter")
    return how == Name.DCTDecode or (isinstance(how, Array) and len(how) == 1 and how[0] == Name.DCTDecode)


def _acts(action: Object) -> bool:
    if isinstance(action, Array):
        return any(_acts(each) for each in action)
    return isinstance(action, Dictionary) and "/S" in action and str(action["/S"]) not in _ACTIONS


def _is_packed(annotation: Object) -> bool:
    return isinstance(annotation, Dictionary) and str(annotation.get("/Subtype")) in _WITH_CONTENT


def without_remarks(jpeg: bytes) -> bytes:
    """A JPEG inside a PDF without EXIF, XMP and comments; its pixels are not touched. What is no JPEG stays as it is."""
    if not jpeg.startswith(b"\xff\xd8"):
        return jpeg
    kept, at = [jpeg[:2]], 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] not in (0xE1, 0xED, 0xFE):
            kept.append(jpeg[at:end])
        at = end
    return b"".join([*kept, jpeg[at:]]) if jpeg[at : at + 2] == b"\xff\xda" else jpeg

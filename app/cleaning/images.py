"""Photographs and scans made anew from their pixels alone: turned upright, in sRGB, without anything else."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pillow_heif
from PIL import Image, ImageCms, ImageOps

from app.cleaning.faults import Fault, FaultyFileError

MOST_PIXELS = 120_000_000
KEPT_PIXELS = 40_000_000  # A3 at 300 dots an inch is 17; of a larger one each side is halved
_QUALITY = 90


def cleaned(content: bytes, *, keep_png: bool) -> bytes:
    """Raises FaultyFileError, and whatever a decoder does."""
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        opened = Image.open(BytesIO(content), formats=("JPEG", "PNG", "WEBP", "HEIF"))
    except Image.DecompressionBombError:
        raise FaultyFileError(Fault.TOO_LARGE) from None
    pixels = opened.width * opened.height
    if pixels > MOST_PIXELS:
        raise FaultyFileError(Fault.TOO_LARGE)
    if pixels > KEPT_PIXELS:
        opened.draft(None, (opened.width // 2, opened.height // 2))  # a JPEG is then never decoded in full
    opened.load()  # all that it says of itself is known now, and none of it goes on
    ImageOps.exif_transpose(opened, in_place=True)
    image = _plain(opened)
    if image.width * image.height > KEPT_PIXELS:
        image = image.reduce(2)
    image.info = {}
    out = BytesIO()
    if keep_png:
        image.save(out, "PNG")
    else:
        _on_white(image).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """In grey or sRGB, eight bits, transparent or not."""
    if image.mode.startswith("I"):  # sixteen bits, of which the upper ones are seen
        return image.convert("I").point(lambda value: value / 256).convert("L")
    see_through = "A" in image.mode or "transparency" in image.info
    if image.mode == "LA" or (image.mode in ("1", "L") and not see_through):
        return image if image.mode == "LA" else _as(image, "L")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        with suppress(ImageCms.PyCMSError, OSError):
            own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return _as(image, "RGBA" if see_through else "RGB")


def _as(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # without a copy of what may be large


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white

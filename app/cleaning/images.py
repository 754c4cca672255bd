"""Photographs and scans made anew from their pixels alone: turned upright, in sRGB, without anything else."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pillow_heif
from PIL import Image, ImageCms, ImageOps

from app.cleaning.faults import Fault, FaultyFileError

MOST_PIXELS = 120_000_000
KEPT_PIXELS = 40_000_000  # A3 at 300 dots an inch is 17; a larger one is made smaller
_QUALITY = 90


def cleaned(content: bytes, *, keep_png: bool) -> bytes:
    """Raises FaultyFileError, and whatever a decoder does."""
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with Image.open(BytesIO(content), formats=("JPEG", "PNG", "WEBP", "HEIF")) as opened:
        pixels = opened.width * opened.height
        if pixels > MOST_PIXELS:
            raise FaultyFileError(Fault.TOO_LARGE)
        if pixels > KEPT_PIXELS:
            opened.draft(None, _smaller(opened))  # a JPEG is then never decoded in full
        image = _plain(ImageOps.exif_transpose(opened))
    if image.width * image.height > KEPT_PIXELS:
        image = image.resize(_smaller(image), Image.Resampling.LANCZOS)
    image.info = {}
    out = BytesIO()
    if keep_png:
        image.save(out, "PNG")
    else:
        _on_white(image).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _smaller(image: Image.Image) -> tuple[int, int]:
    by = (KEPT_PIXELS / (image.width * image.height)) ** 0.5
    return max(int(image.width * by), 1), max(int(image.height * by), 1)


def _plain(image: Image.Image) -> Image.Image:
    """In grey or sRGB, eight bits, transparent or not."""
    if image.mode.startswith("I"):  # sixteen bits, of which the upper ones are seen
        return image.convert("I").point(lambda value: value / 256).convert("L")
    see_through = "A" in image.mode or "transparency" in image.info
    if image.mode in ("1", "L", "LA") and not (image.mode != "LA" and see_through):
        return image.convert("LA" if see_through else "L")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        with suppress(ImageCms.PyCMSError, OSError):
            own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGBA" if see_through else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white

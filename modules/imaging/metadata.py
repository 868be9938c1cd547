"""The settings text ("parameters") inside picture files, where A1111 and its relatives put it and look for it.

PNG: text chunk `parameters`. JPEG, WebP, AVIF: EXIF UserComment, encoded as UNICODE. GIF: the comment. NovelAI's PNGs
keep a JSON of their own, which is translated. A text file beside a picture counts where the picture says nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import piexif
from piexif.helper import UserComment
from PIL import Image

from .opening import opened

log = logging.getLogger("easel.imaging")

KEYWORD: Final = "parameters"
LONGEST_JPEG_EXIF: Final = 65_533 - 6  # bytes of an APP1 segment after its length and "Exif\0\0"
LONGEST_SIDECAR: Final = 1 << 20  # bytes of a text file beside a picture; a longer one is about something else

_NOVELAI_SAMPLERS: Final = {
    "k_euler": "Euler",
    "k_euler_ancestral": "Euler a",
    "k_lms": "LMS",
    "k_heun": "Heun",
    "k_dpm_2": "DPM2",
    "k_dpm_2_ancestral": "DPM2 a",
    "k_dpm_fast": "DPM fast",
    "k_dpm_adaptive": "DPM adaptive",
    "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_2s_ancestral": "DPM++ 2S a",
    "k_dpmpp_sde": "DPM++ SDE",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE",
    "ddim": "DDIM",
    "plms": "PLMS",
}


@dataclass(frozen=True)
class Metadata:
    """What a picture file says without its pixels: the settings text ("" when there is none) and the size as stored."""

    text: str
    width: int
    height: int


def read_metadata(path: Path) -> Metadata:
    """Text and size of a picture file. Without a text in the picture, that of `NAME.txt` beside it counts.

    Pixels are not decoded. Raises UserError when the file is no picture.
    """
    with opened(path) as image:
        return Metadata(_parameters(image) or _sidecar(path), *image.size)


def read_parameters(source: Path | bytes) -> str | None:
    """The settings text of a picture file, or None when it has none that can be read. Pixels are not decoded.

    Raises UserError when the source is no picture at all.
    """
    with opened(source) as image:
        return _parameters(image) or None


def exif(parameters: str) -> bytes:
    """EXIF data that holds the text, as Pillow's `exif=` takes it. Lone surrogates become U+FFFD."""
    comment = UserComment.dump(storable(parameters), encoding="unicode")
    return piexif.dump({"Exif": {piexif.ExifIFD.UserComment: comment}})


def storable(text: str) -> str:
    """The text without lone surrogates, which no file format can hold; U+FFFD, as the tokenizer reads them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parameters(image: Image.Image) -> str | None:
    info = image.info
    return _user_comment(info.get("exif")) or info.get(KEYWORD) or _gif_comment(image) or _novelai(image)


def _sidecar(path: Path) -> str:
    """The text file that A1111 can write beside each picture; "" when there is none that can be read."""
    beside = path.with_suffix(".txt")
    try:
        if not beside.is_file() or beside.stat().st_size > LONGEST_SIDECAR:
            return ""
        return beside.read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError as error:
        log.info("%s cannot be read: %s", beside, error)
        return ""


def _user_comment(data: bytes | None) -> str | None:
    if not data:
        return None
    try:
        comment = piexif.load(data).get("Exif", {}).get(piexif.ExifIFD.UserComment, b"")
        return _decoded(comment).rstrip("\0")
    except Exception as error:  # piexif raises whatever a broken table leads it to
        log.info("The EXIF data of a picture cannot be read: %s", error)
        return None


def _decoded(comment: bytes) -> str:
    """The comment as text. UNICODE ones are big endian here and at A1111's; some programs write little endian."""
    if not comment.startswith(b"UNICODE\0"):
        try:
            return UserComment.load(comment)
        except ValueError:
            return comment.decode("utf-8", errors="ignore")
    little_endian = comment[8:].decode("utf-16-le", errors="replace")
    return little_endian if "Steps: " in little_endian else comment[8:].decode("utf-16-be", errors="replace")


def _gif_comment(image: Image.Image) -> str | None:
    comment = image.info.get("comment") if image.format == "GIF" else None
    return comment.decode("utf-8", errors="replace") if isinstance(comment, bytes) else comment


def _novelai(image: Image.Image) -> str | None:
    """NovelAI's description as A1111 would have written it; its pictures are made with clip skip 2 and ENSD 31337."""
    if image.info.get("Software") != "NovelAI":
        return None
    try:
        made: Mapping[str, Any] = json.loads(image.info["Comment"])
        sampler = _NOVELAI_SAMPLERS.get(made["sampler"], "Euler a")
        return (
            f"{image.info['Description']}\nNegative prompt: {made['uc']}\n"
            f"Steps: {made['steps']}, Sampler: {sampler}, CFG scale: {made['scale']}, Seed: {made['seed']}, "
            f"Size: {image.width}x{image.height}, Clip skip: 2, ENSD: 31337"
        )
    except (KeyError, TypeError, ValueError) as error:
        log.info("The NovelAI settings of a picture cannot be read: %r", error)
        return None

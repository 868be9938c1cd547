"""The settings text ("parameters") inside picture files, where A1111 and its relatives put it and look for it.

PNG: text chunk `parameters`. JPEG, WebP, AVIF: EXIF UserComment, encoded as UNICODE. GIF: the comment. What other
programs write in their own way is translated. A text file beside a picture counts where the picture says nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import piexif
from piexif.helper import UserComment
from PIL import Image

from .foreign import translated
from .opening import opened, upright_size

log = logging.getLogger("easel.imaging")

KEYWORD: Final = "parameters"
LONGEST_JPEG_EXIF: Final = 65_533 - 6  # bytes of an APP1 segment after its length and "Exif\0\0"
LONGEST_TEXT: Final = 1_000_000  # characters of a settings text; a longer one is none
LARGEST_EXIF: Final = 8 << 20  # bytes
LONGEST_SIDECAR: Final = 1 << 20  # bytes of a text file beside a picture; a longer one is about something else


@dataclass(frozen=True)
class Metadata:
    """What a picture file says without its pixels: the settings text ("" when there is none) and the size, upright."""

    text: str
    width: int
    height: int


def read_metadata(path: Path) -> Metadata:
    """Text and size of a picture file. Without a text in the picture, that of `NAME.txt` beside it counts.

    Pixels are not decoded. Raises UserError when the file is no picture.
    """
    with opened(path) as image:
        return Metadata(_parameters(image) or _sidecar(path), *upright_size(image))


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


def texts_in(image: Image.Image) -> dict[str, str]:
    """All texts in a picture file by their keywords, EXIF's comment as `UserComment`."""
    texts = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
    return {**texts, **_exif_texts(image.info.get("exif"))}


def _parameters(image: Image.Image) -> str | None:
    """A1111's text where there is one, else what another program's data says in A1111's words."""
    texts = texts_in(image)
    text = texts.get("UserComment") or texts.get(KEYWORD) or _gif_comment(image) or ""
    if len(text) > LONGEST_TEXT:
        log.info("The settings text of a picture has %d characters and is left aside.", len(text))
        text = ""
    if text and not text.lstrip().startswith("{"):
        return text
    return translated(texts, image.size) or text


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


def _exif_texts(data: bytes | None) -> dict[str, str]:
    """EXIF's comment, and what ComfyUI writes into the camera's name: `prompt:{...}`."""
    if not isinstance(data, bytes) or not 0 < len(data) < LARGEST_EXIF:
        return {}
    try:
        tables = piexif.load(data)
        texts = {"UserComment": _decoded(tables.get("Exif", {}).get(piexif.ExifIFD.UserComment, b"")).rstrip("\0")}
        for tag in (piexif.ImageIFD.Make, piexif.ImageIFD.Model, piexif.ImageIFD.ImageDescription):
            keyword, colon, text = tables.get("0th", {}).get(tag, b"").decode(errors="replace").partition(":")
            if colon and keyword.lower() in ("prompt", "workflow"):
                texts[keyword.lower()] = text.rstrip("\0")
        return {keyword: text for keyword, text in texts.items() if text}
    except Exception as error:  # piexif raises whatever a broken table leads it to
        log.info("The EXIF data of a picture cannot be read: %s", error)
        return {}


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

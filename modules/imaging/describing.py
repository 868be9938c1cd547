"""All that a picture file says about itself, for people: its settings text, and whatever else is in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import ExifTags, Image

from .metadata import KEYWORD, read_parameters, texts_in
from .opening import opened

log = logging.getLogger("easel.imaging")

LONGEST_SHOWN: Final = 100_000  # characters of one entry
MOST_SHOWN: Final = 100  # entries
# Facts about the encoding, which A1111 does not show either; and what is shown by its parts.
_HIDDEN: Final = {
    *(
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "dpi",
        "exif",
        "loop",
        "background",
        "timestamp",
        "duration",
    ),
    *("progressive", "progression", "icc_profile", "chromaticity", "photoshop", "transparency", "gamma", "srgb"),
    *("adobe", "adobe_transform", "version", "extension", "blend", "disposal", "default_image"),
}
_SUBTABLES: Final = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Description:
    """A picture file. `text` is its settings in A1111's words, "" for none; `translated` says that they were written
    in another program's; `others` are its other texts by keyword, `cut` those of them that are shown in part.
    """

    format: str
    mode: str
    width: int
    height: int
    text: str
    translated: bool
    others: Mapping[str, str]
    cut: tuple[str, ...] = ()


def described(content: bytes) -> Description:
    """What a picture file says. Its pixels are not decoded. Raises UserError when it is no picture."""
    text = read_parameters(content) or ""
    with opened(content) as image:
        texts = texts_in(image)
        translated = bool(text) and text not in (texts.get("UserComment"), texts.get(KEYWORD), _comment(image))
        found = {
            **{key: value for key, value in texts.items() if key not in _HIDDEN},
            **_bytes_in(image),
            **_exif(image),
        }
        shown = {key: value for key, value in list(found.items())[:MOST_SHOWN] if value and value != text}
        cut = tuple(key for key, value in shown.items() if len(value) > LONGEST_SHOWN)
        others = {key: value[:LONGEST_SHOWN] for key, value in shown.items()}
        return Description(image.format or "", image.mode, *image.size, text, translated, others, cut)


def _comment(image: Image.Image) -> str | None:
    comment = image.info.get("comment")
    return comment.decode("utf-8", errors="replace") if isinstance(comment, bytes) else comment


def _bytes_in(image: Image.Image) -> dict[str, str]:
    """Texts that Pillow leaves as bytes, such as XMP and comments; a colour profile by its size."""
    found = {
        str(key): value.decode("utf-8", errors="replace").strip("\0")
        for key, value in image.info.items()
        if isinstance(value, bytes) and key not in _HIDDEN
    }
    profile = image.info.get("icc_profile")
    return {**found, "Colour profile": f"{len(profile):,} bytes"} if profile else found


def _exif(image: Image.Image) -> dict[str, str]:
    """EXIF's entries by name; those of the camera and of the place too. Broken tables say nothing."""
    try:
        tables: list[Mapping[int, Any]] = [image.getexif()]
        tables += [image.getexif().get_ifd(table) for table in _SUBTABLES]
    except Exception as error:  # Pillow's EXIF reader raises whatever a broken table leads it to
        log.info("The EXIF data of a picture cannot be read: %s", error)
        return {}
    found = {}
    for table in tables:
        for tag, value in table.items():
            name = ExifTags.TAGS.get(tag) or ExifTags.GPSTAGS.get(tag) or f"EXIF {tag:#06x}"
            if tag not in _SUBTABLES and name != "UserComment":
                found[name] = _shown(value)
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip("\0")
    return str(value)[: LONGEST_SHOWN + 1]

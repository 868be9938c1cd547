"""Pictures that people bring: stored once by their content, so that a job carries an id and never pixels."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy
from PIL import Image

from ..core.errors import UserError
from ..core.files import write_atomically
from ..imaging.incoming import plain_pixels
from ..imaging.metadata import KEYWORD, read_parameters, storable
from ..imaging.png import png
from .queue import NotFound

log = logging.getLogger("easel.jobs")

TOUCHED_EVERY = 3600  # seconds
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class InputPicture:
    """A stored picture: a PNG, upright, 8-bit RGB or RGBA. `infotext` is the settings text that came with it."""

    id: str
    path: Path
    width: int
    height: int
    infotext: str


class InputPictures:
    """The folder of stored pictures. Equal pixels with an equal text are one file. Safe from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, content: bytes) -> InputPicture:
        """Stores a picture file of any kind. Raises UserError when it is none, broken, or too large."""
        pixels = plain_pixels(content)
        return self.add_pixels(pixels, storable(read_parameters(content) or ""))

    def add_pixels(self, pixels: numpy.ndarray, infotext: str = "") -> InputPicture:
        """Stores pixels, uint8 (height, width, 3 or 4)."""
        picture_id = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes() + infotext.encode()).hexdigest()[:32]
        path = self._path(picture_id)
        if not _touched(path):
            try:
                write_atomically(path, png(pixels, {KEYWORD: infotext} if infotext else {}))
            except OSError as error:
                raise UserError(
                    f"The picture cannot be kept in {self._folder}: {error.strerror or error}.",
                    hint="Is the disk full or write-protected?",
                ) from error
        height, width = pixels.shape[:2]
        return InputPicture(picture_id, path, width, height, infotext)

    def has(self, picture_id: str) -> bool:
        """Whether a picture is stored under this id. To be asked for keeps it from being dropped."""
        return bool(_ID.fullmatch(picture_id)) and _touched(self._path(picture_id))

    def get(self, picture_id: str) -> InputPicture:
        """Raises NotFound."""
        if not self.has(picture_id):
            raise NotFound(f"There is no picture {picture_id[:40]!r} to start from.", hint="Choose the picture again.")
        return _described(self._path(picture_id))

    def pixels(self, picture_id: str) -> numpy.ndarray:
        """uint8 (height, width, 3 or 4), RGB or RGBA. Raises NotFound."""
        with Image.open(self.get(picture_id).path) as image:
            return numpy.array(image)

    def drop_untouched(self, since: float, needed: Container[str]) -> int:
        """Deletes the pictures that nobody brought or asked for since then (seconds since 1970), but for those that
        are `needed`. How many these are. Raises OSError.
        """
        dropped = 0
        for path in self._folder.glob("??/*.png"):
            if path.stem not in needed and path.stat().st_mtime < since:
                path.unlink()
                dropped += 1
        return dropped

    def _path(self, picture_id: str) -> Path:
        return self._folder / picture_id[:2] / f"{picture_id}.png"


def _touched(path: Path) -> bool:
    """Whether there is such a file; its time is set to now, though not more often than it takes."""
    try:
        if path.stat().st_mtime < time.time() - TOUCHED_EVERY:
            os.utime(path)
    except FileNotFoundError:
        return False
    except OSError as error:  # a disk that cannot be written: then nothing is dropped from it either
        log.info("%s cannot be touched: %s", path, error)
    return path.is_file()


@functools.lru_cache(maxsize=256)
def _described(path: Path) -> InputPicture:
    """A stored file's facts. It never changes under its name."""
    with Image.open(path) as image:
        return InputPicture(path.stem, path, *image.size, image.info.get(KEYWORD, ""))

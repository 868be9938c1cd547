"""Small copies of pictures in the history, made when first asked for and kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Container
from pathlib import Path

from ..core.errors import UserError
from ..core.files import write_atomically
from ..imaging.thumbnails import thumbnail
from .history import PictureRecord
from .queue import NotFound

log = logging.getLogger("easel.jobs")


def kept_thumbnail(record: PictureRecord, folder: Path) -> Path:
    """The file of a picture's small copy (WebP). Raises NotFound when the picture's own file is gone."""
    path = folder / f"{record.id}-{int(record.created * 1000):x}.webp"
    if path.exists():
        return path
    if record.missing:
        raise NotFound(
            f"The file of picture {record.id} is no longer there: {record.path}.", hint="It was moved or deleted."
        )
    try:
        write_atomically(path, thumbnail(record.path))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.", hint="Is the disk full?") from error
    return path


def drop_thumbnails(folder: Path, known: Container[int]) -> None:
    """Deletes the small copies of pictures that the history no longer knows."""
    for path in folder.glob("*.webp"):
        number = path.name.partition("-")[0]
        if number.isdigit() and int(number) not in known:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s cannot be deleted: %s", path, error)

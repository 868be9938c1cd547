"""Small copies of pictures in the history, made when first asked for and kept on disk."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UserError
from ..core.files import write_atomically
from ..imaging.thumbnails import thumbnail
from .history import PictureRecord
from .queue import NotFound


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

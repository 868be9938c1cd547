"""Pictures in a folder of the user's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..core.errors import UserError

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".tga")
MOST_FILES: Final = 10_000
MOST_BYTES: Final = 512 << 20


def listed(names: Iterable[str], kept: Iterable[str] = ()) -> list[str]:
    """The files that are meant: a folder gives the pictures in it, by name; what is in `kept` stays as it is.

    Raises UserError for what does not exist, for a folder without pictures, and for more than 10,000 files.
    """
    found: list[str] = []
    known = set(kept)
    for name in names:
        path = Path(name).expanduser()
        if name in known:
            found.append(name)
        elif path.is_dir():
            found += _pictures_in(path)
        elif path.is_file():
            found.append(str(path.absolute()))
        else:
            raise UserError(f"There is no file or folder {name[:300]!r} here.", hint="Give the whole path.")
    if len(found) > MOST_FILES:
        raise UserError(f"These are {len(found):,} files; at most {MOST_FILES:,} can be worked on at once.")
    return found


def read_bytes(path: Path) -> bytes:
    """A picture file's content. Raises UserError when it cannot be read, or is larger than any picture should be."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path.name} is larger than {MOST_BYTES >> 20} MB.")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


def _pictures_in(folder: Path) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(ENDINGS) and name[0] != ".")
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror or error}.") from error
    found = [str((folder / name).absolute()) for name in names if (folder / name).is_file()]
    if not found:
        raise UserError(f"There are no pictures in {folder}.", hint=f"Pictures end in {', '.join(ENDINGS)}.")
    return found

"""Folders of pictures that other programs made: finding the files, and what the history keeps of each."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core import infotext
from ..core.errors import UserError
from ..imaging.metadata import read_metadata, storable

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".avif"))
COLUMNS = "path, width, height, seed, prompt, negative_prompt, model, infotext, created, folder, stamp"
UNKNOWN_SEED = -1
_LARGEST = 2**63 - 1  # what SQLite takes for a number


def named_folder(path: str) -> Path:
    """The folder that somebody named. Raises UserError when it is none that can be read."""
    text = path.strip().strip('"')
    if not text or "\0" in text:
        raise UserError("No folder was named.", hint="Type the full path of a folder with pictures.")
    folder = Path(text).expanduser()
    if not folder.is_absolute():
        raise UserError(f"{text!r} is not a full path.", hint="Type it from the root or the drive on.")
    try:
        folder = folder.resolve()
        with os.scandir(folder):
            return folder
    except NotADirectoryError as error:
        raise UserError(f"{folder} is a file.", hint="Name the folder that it is in.") from error
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be resolved"
        raise UserError(
            f"The folder {folder} cannot be read: {reason}.", hint="Is the disk connected, and the path right?"
        ) from error


def picture_files(folder: Path, stop: threading.Event, unread: list[str]) -> Iterator[str]:
    """The picture files in a folder and those in it, hidden ones left out, in the order of their paths. Folders that
    cannot be read are added to `unread`.
    """
    for place, folders, names in os.walk(folder, onerror=lambda error: unread.append(str(error.filename))):
        if stop.is_set():
            return
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield os.path.join(place, name)


def stamp_of(status: os.stat_result) -> str:
    """What changes when a file is written anew, and stays when it is moved."""
    return f"{status.st_mtime_ns} {status.st_size}"


def row_of(path: Path, stored: str, folder: int, status: os.stat_result) -> tuple[Any, ...]:
    """What the history keeps of a file, in the order of COLUMNS. Raises UserError when it is no picture, or its
    name no text.
    """
    try:
        stored.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"The name of {stored!r} is no text.", hint="Rename the file.") from error
    read = read_metadata(path)
    text = storable(read.text.replace("\0", ""))
    prompt, negative, entries = infotext.split(text)
    words = (prompt, negative, entries.get("Model", ""), text)
    return (stored, read.width, read.height, _seed(entries), *words, status.st_mtime, folder, stamp_of(status))


def _seed(entries: dict[str, str]) -> int:
    try:
        return max(UNKNOWN_SEED, min(_LARGEST, int(entries.get("Seed", UNKNOWN_SEED))))
    except ValueError:
        return UNKNOWN_SEED

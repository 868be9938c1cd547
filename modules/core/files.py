"""Where things are on disk, and writing so that a crash never leaves half a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError


@dataclass(frozen=True)
class Folders:
    """The places the program reads and writes. `data` holds the queue, the history and caches."""

    root: Path
    data: Path
    models: Path
    outputs: Path
    extensions: tuple[Path, ...]
    checkpoints: tuple[Path, ...]
    vaes: tuple[Path, ...]
    loras: tuple[Path, ...] = ()
    embeddings: tuple[Path, ...] = ()
    styles: tuple[Path, ...] = ()
    text_encoders: tuple[Path, ...] = ()

    @property
    def database(self) -> Path:
        return self.data / "easel.sqlite"

    @property
    def inputs(self) -> Path:
        """Pictures that people bring, by their content."""
        return self.data / "inputs"

    @property
    def inspections(self) -> Path:
        """What was seen inside jobs."""
        return self.data / "inspections"

    @property
    def styles_files(self) -> tuple[Path, ...]:
        """The files of styles, or patterns of their names; A1111's place when nothing else was said."""
        return self.styles or (self.data.parent / "styles.csv",)

    @property
    def settings(self) -> Path:
        return self.data / "config.json"

    def create(self) -> None:
        """Makes the folders that are ours to write. Raises UserError when the disk does not let us."""
        models = (*self.checkpoints, *self.vaes, *self.loras, *self.embeddings, *self.text_encoders[:1])
        for folder in (self.data, self.outputs, *models):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"The folder {folder} cannot be made: {error.strerror}.",
                    hint="Choose another place with --data-dir, or mend its permissions.",
                ) from error


def check_room(target: Path, size: int) -> int:
    """The bytes that are free where a new file of `size` bytes is to be made. Raises UserError when they are too few,
    or the file is there already.
    """
    if target.exists():
        raise taken(target)
    folder = next(folder for folder in target.parents if folder.exists())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"{target.name} needs {size / 1e9:,.2f} GB, but the disk of {folder} has {free / 1e9:,.2f} GB left.",
            hint="Free some space first.",
        )
    return free


def part_of(target: Path) -> Path:
    """What a new model file is called until it is whole."""
    return target.with_name(f"{target.name}.new.part")


def taken(target: Path) -> UserError:
    return UserError(f"There is a file {target.name} already.", hint="Choose another name, or move it away first.")


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file through a temporary one beside it and a rename: readers see the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

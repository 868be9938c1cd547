"""Renaming, moving and throwing away model files, each with the files beside it; and taking them back."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..catalog.beside import beside, companions, stem_of
from ..core.errors import UserError
from .queue import NotFound

TRASH = ".trash"  # in each models folder, so that gigabytes never move to another disk; lists pass over hidden folders
ORIGIN = "origin.json"
LONGEST_NAME = 150
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


@dataclass(frozen=True)
class Discarded:
    """A model in the trash: its place there, where it was below its models folder, and when it was thrown away."""

    place: Path
    origin: str
    trashed: float

    def as_json(self) -> dict[str, Any]:
        return {"id": self.place.name, "name": self.origin, "trashed": self.trashed, "size": _size(self.place)}


def rename(model: Path, name: str) -> Path:
    """Gives a model and the files beside it another name, without ending. Gives the new path. Raises UserError."""
    name = checked_name(name)
    return _moved(model, model.with_name(name + model.name[len(stem_of(model)) :]))


def move(model: Path, root: Path, folder: str) -> Path:
    """Moves a model into a folder below `root`, "" for `root` itself, made if need be. Raises UserError."""
    parts = [checked_name(part) for part in PurePosixPath(folder.replace("\\", "/")).parts]
    return _moved(model, root.joinpath(*parts) / model.name)


def discard(model: Path, root: Path) -> Path:
    """Moves a model into its folder's trash. Gives its place there. Raises UserError."""
    place = root / TRASH / f"{time.time_ns():x}"
    origin = {"origin": model.relative_to(root).as_posix(), "trashed": time.time()}
    try:
        place.mkdir(parents=True)
        (place / ORIGIN).write_text(json.dumps(origin), encoding="utf-8")
        _moved(model, place / model.name)
    except OSError as error:
        raise _cannot(model, error) from error
    finally:
        if place.is_dir() and [path.name for path in place.iterdir()] == [ORIGIN]:
            shutil.rmtree(place)
    return place


def discarded(roots: Iterable[Path]) -> list[Discarded]:
    """What lies in the trash of these folders, the newest first."""
    found = []
    for root in dict.fromkeys(roots):
        for note in root.glob(f"{TRASH}/*/{ORIGIN}"):
            try:
                told = json.loads(note.read_text(encoding="utf-8"))
                found.append(Discarded(note.parent, str(told["origin"]), float(told["trashed"])))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not a note of ours
    return sorted(found, key=lambda one: one.trashed, reverse=True)


def restore(roots: Iterable[Path], place_name: str) -> Path:
    """Puts a model back where it was, or beside what stands there now. Gives its path. Raises NotFound or UserError."""
    one = next((one for one in discarded(roots) if one.place.name == place_name), None)
    model = one and one.place / PurePosixPath(one.origin).name
    if one is None or model is None or not model.exists():
        raise NotFound("There is no such model in the trash.", hint="It was restored or deleted.")
    wanted = one.place.parent.parent.joinpath(*(checked_name(part) for part in PurePosixPath(one.origin).parts))
    number, free = 1, wanted
    while free.exists():
        number += 1
        stem = stem_of(wanted)
        free = wanted.with_name(f"{stem} ({number}){wanted.name[len(stem) :]}")
    restored = _moved(model, free)
    shutil.rmtree(one.place, ignore_errors=True)
    return restored


def empty_trash(roots: Iterable[Path]) -> int:
    """Deletes what lies in the trash for good. Gives how many models that were. Raises UserError."""
    thrown = discarded(roots)
    for one in thrown:
        try:
            shutil.rmtree(one.place)
        except OSError as error:
            raise _cannot(one.place, error) from error
    return len(thrown)


def checked_name(name: str) -> str:
    """A file's or folder's name that every system takes. Raises UserError."""
    name = name.strip()
    if not name or name.startswith(".") or name.endswith(".") or _FORBIDDEN.search(name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"{name[:60]!r} cannot be a name.",
            hint='It must not begin or end with a dot, be empty or very long, or contain any of < > : " / \\ | ? *.',
        )
    return name


def _moved(model: Path, target: Path) -> Path:
    """Moves a model and the files beside it; all or nothing. Gives the new path. Raises UserError."""
    if target == model:
        return model
    pairs = [(model, target)]
    pairs += [(file, beside(target, file.name[len(stem_of(model)) :])) for file in companions(model)]
    taken = next((new for old, new in pairs if new.exists() and not _same(old, new)), None)
    if taken is not None:
        raise UserError(f"There is a file {taken.name} already.", hint="Choose another name.")
    done: list[tuple[Path, Path]] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for old, new in pairs:
            os.rename(old, new)
            done.append((old, new))
    except OSError as error:
        for old, new in reversed(done):
            os.rename(new, old)
        raise _cannot(model, error) from error
    return target


def _same(one: Path, other: Path) -> bool:
    """Whether two names mean one file, as "a" and "A" do on some disks."""
    return one.name.casefold() == other.name.casefold() and one.samefile(other)


def gone(model: Path) -> UserError:
    return UserError(f"{model.name} is no longer there.", hint="It was moved or deleted: look for new files.")


def _cannot(model: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError) and not model.exists():
        return gone(model)
    return UserError(
        f"{model.name} cannot be moved: {error.strerror}.", hint="Is it open elsewhere, or the folder write-protected?"
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

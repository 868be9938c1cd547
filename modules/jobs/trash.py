"""The trash: a folder among the outputs that pictures are moved to, and can be taken out of until it is emptied."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import sqlite3
import time
from pathlib import Path

from ..core.errors import UserError
from .database import Database
from .history import History, PictureRecord
from .queue import NotFound

log = logging.getLogger("easel.jobs")

FOLDER = "trash"
_NAME = re.compile(r"(\d+)-")


class Trash:
    """Files are moved and the history told in one step: should the program end in between, `recover` mends it.

    In the trash a file's name begins with its picture's number. Nothing here writes over a file.
    """

    def __init__(self, database: Database, history: History, outputs: Path) -> None:
        self._database, self._history = database, history
        self._folder = outputs / FOLDER

    def put(self, picture: int) -> None:
        """Moves a picture into the trash; one that is there already stays. Raises NotFound, or UserError when the file
        cannot be moved. A picture whose file is gone is put there all the same.
        """
        record = self._history.get(picture)
        if record.trashed is not None:
            return
        place = _free(self._folder / f"{record.id}-{record.path.name}")

        def change(database: sqlite3.Connection) -> None:
            _note_put(database, self._history, record.id, record.path, place)
            if not record.missing:
                _move(record.path, place)

        self._database.write(change)

    def restore(self, picture: int) -> None:
        """Puts a picture back where it was, or beside what stands there now. Raises NotFound or UserError."""
        record = self._history.get(picture)
        if record.trashed is None:
            return
        if record.missing:
            raise NotFound(
                f"The file {record.path.name} is no longer in the trash.", hint=f"Look for it in {self._folder}."
            )

        def change(database: sqlite3.Connection) -> None:
            row = database.execute("SELECT origin FROM pictures WHERE id = ?", (record.id,)).fetchone()
            place = _free(self._history.path(row["origin"]))
            _note_restored(database, self._history, record.id, place)
            _move(record.path, place)

        self._database.write(change)

    def empty(self) -> int:
        """Deletes all files in the trash with what the history says of them. Gives how many pictures that were.

        Raises UserError when a file cannot be deleted; the others are.
        """
        deleted, stuck = [], []
        for record in self._history.select("WHERE trashed IS NOT NULL", ()):
            try:
                record.path.unlink(missing_ok=True)
                deleted.append(record.id)
            except OSError as error:
                log.warning("%s cannot be deleted: %s", record.path, error)
                stuck.append(f"{record.path.name}: {error.strerror}")
        self._forget(deleted)
        if stuck:
            raise UserError(
                f"{len(stuck)} of {len(stuck) + len(deleted)} pictures could not be deleted: {stuck[0]}.",
                hint="Is a file open elsewhere, or the folder write-protected?",
            )
        return len(deleted)

    def recover(self) -> list[int]:
        """Mends what a program that ended too early left: files that were moved while the history was not told."""
        put, taken_out = self._unnoted_put(), self._unnoted_restored()

        def change(database: sqlite3.Connection) -> None:
            for record, place in put:
                _note_put(database, self._history, record.id, record.path, place)
            for record, place in taken_out:
                _note_restored(database, self._history, record.id, place)

        if put or taken_out:
            self._database.write(change)
        return [record.id for record, _ in (*put, *taken_out)]

    def _unnoted_put(self) -> list[tuple[PictureRecord, Path]]:
        """Pictures that lie in the trash without being noted there, and where."""
        found = {int(name[1]): path for path in _files(self._folder) if (name := _NAME.match(path.name))}
        return [
            (one, found[one.id])
            for one in self._history.many(found)
            if one.trashed is None and one.missing and found[one.id].name.startswith(f"{one.id}-{one.path.stem}")
        ]

    def _unnoted_restored(self) -> list[tuple[PictureRecord, Path]]:
        """Pictures that are noted in the trash, but are back at their place; and that place."""
        with self._database.reading() as database:
            rows = database.execute("SELECT id, origin FROM pictures WHERE trashed IS NOT NULL").fetchall()
            taken = {row["path"] for row in database.execute("SELECT path FROM pictures WHERE trashed IS NULL")}
        back = {row["id"]: self._history.path(row["origin"]) for row in rows if row["origin"] not in taken}
        return [(one, back[one.id]) for one in self._history.many(back) if one.missing and back[one.id].is_file()]

    def _forget(self, ids: list[int]) -> None:
        def change(database: sqlite3.Connection) -> None:
            database.executemany("DELETE FROM pictures WHERE id = ?", [(one,) for one in ids])

        self._database.write(change)


def _note_put(database: sqlite3.Connection, history: History, picture: int, origin: Path, place: Path) -> None:
    note = "UPDATE pictures SET trashed = ?, origin = ?, path = ? WHERE id = ?"
    database.execute(note, (time.time(), history.stored(origin), history.stored(place), picture))


def _note_restored(database: sqlite3.Connection, history: History, picture: int, place: Path) -> None:
    note = "UPDATE pictures SET trashed = NULL, origin = '', path = ? WHERE id = ?"
    database.execute(note, (history.stored(place), picture))


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.is_file()]
    return []


def _free(place: Path) -> Path:
    """The path, or with a number behind its name where something stands there."""
    number, free = 1, place
    while free.exists():
        number += 1
        free = place.with_name(f"{place.stem} ({number}){place.suffix}")
    return free


def _move(source: Path, place: Path) -> None:
    """Moves a file, also to another disk, where it is copied whole before the old one goes. Raises UserError."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(source, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copy2(source, place)
            source.unlink()
    except OSError as error:
        raise UserError(
            f"{source.name} cannot be moved to {place.parent}: {error.strerror}.",
            hint="Is the folder write-protected, or the disk full?",
        ) from error

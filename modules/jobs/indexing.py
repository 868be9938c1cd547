"""Folders of pictures that were made elsewhere, read in place: nothing in them is copied, moved or changed."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .database import Database
from .foreign import COLUMNS, named_folder, picture_files, row_of, stamp_of
from .history import History
from .queue import NotFound

log = logging.getLogger("easel.jobs")

BATCH = 100  # pictures written at once
PAUSE = 0.2  # seconds between two news of the progress


@dataclass(frozen=True)
class IndexedFolder:
    """`read`: when it was last read to its end, in seconds since 1970; None before."""

    id: int
    path: str
    read: float | None
    pictures: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class IndexProgress:
    """How far a reading is: `done` of `total` files looked at; `added`, `changed`, `gone` pictures in the history, and
    `unreadable` files. `state`: running, finished, stopped, failed (`message` says why).
    """

    folder: int
    path: str
    state: str = "running"
    done: int = 0
    total: int = 0
    added: int = 0
    changed: int = 0
    gone: int = 0
    unreadable: int = 0
    message: str = ""


class _Reading:
    """A reading of a folder: what the history knows, by path, and the ids of pictures in the folder that have no file
    now, by file name and stamp. Those in the trash are left out.
    """

    def __init__(self, folder: int, known: dict[str, dict[str, Any]], files: set[str]) -> None:
        self.folder, self.known = folder, known
        self.absent: dict[tuple[str, str], list[int]] = {}
        for file, facts in known.items():
            if facts["folder"] == folder and facts["trashed"] is None and file not in files:
                self.absent.setdefault((Path(file).name, facts["stamp"]), []).append(facts["id"])

    def found_again(self, name: str, stamp: str) -> int | None:
        """The id of an absent picture with this file name and stamp, which is absent no longer: it was moved."""
        ids = self.absent.get((name, stamp))
        return ids.pop() if ids else None


class FolderIndex:
    """Reads one folder at a time, in a thread of its own. `tell` hears of progress, `changed` of new pictures."""

    def __init__(
        self, database: Database, history: History, tell: Callable[[dict[str, Any]], None], changed: Callable[[], None]
    ) -> None:
        self._database, self._history, self._tell, self._changed = database, history, tell, changed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress: IndexProgress | None = None
        self._told = 0.0

    def folders(self) -> list[IndexedFolder]:
        """All folders that were added, in the order of their paths."""
        counted = "SELECT folder, count(*) AS pictures FROM pictures WHERE trashed IS NULL GROUP BY folder"
        columns = "id, path, read, coalesce(pictures, 0) AS pictures"
        query = f"SELECT {columns} FROM folders LEFT JOIN ({counted}) ON id = folder ORDER BY path"
        with self._database.reading() as database:
            return [IndexedFolder(**dict(row)) for row in database.execute(query)]

    def progress(self) -> dict[str, Any] | None:
        """The reading that runs, or ran last since the start."""
        progress = self._progress
        return None if progress is None else asdict(progress)

    def add(self, path: str) -> int:
        """Adds a folder and begins to read it; gives its number. Raises UserError when it is none, or one is being
        read already.
        """
        folder = named_folder(path)
        insert = "INSERT INTO folders (path) VALUES (?) ON CONFLICT (path) DO NOTHING"
        number = "SELECT id FROM folders WHERE path = ?"

        def change(database: sqlite3.Connection) -> int:
            database.execute(insert, (str(folder),))
            return database.execute(number, (str(folder),)).fetchone()["id"]

        with self._lock:
            self._refuse_a_second()
            added = self._database.write(change)
            self._begin(added, folder)
        return added

    def read_again(self, folder: int) -> None:
        """Reads what is new or changed in a folder. Raises NotFound, or UserError when it is not there now."""
        with self._lock:
            self._refuse_a_second()
            self._begin(folder, named_folder(self._path_of(folder)))

    def stop(self) -> None:
        """Ends the reading that runs; what it found until then stays."""
        self._stop.set()

    def remove(self, folder: int) -> None:
        """Forgets a folder and its pictures. The files stay as they are; what is in the trash can still be restored."""
        self._path_of(folder)
        with self._lock:
            if self.running and self._progress and self._progress.folder == folder:
                raise UserError("This folder is being read.", hint="Stop that first.")

            def change(database: sqlite3.Connection) -> None:
                database.execute("DELETE FROM pictures WHERE folder = ? AND trashed IS NULL", (folder,))
                database.execute("UPDATE pictures SET folder = NULL WHERE folder = ?", (folder,))
                database.execute("DELETE FROM folders WHERE id = ?", (folder,))

            self._database.write(change)
        self._changed()

    def close(self, seconds: float = 10.0) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join(seconds)

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _refuse_a_second(self) -> None:
        if self.running:
            raise UserError("A folder is being read already.", hint="Wait until it is done, or stop it.")

    def _path_of(self, folder: int) -> str:
        with self._database.reading() as database:
            row = database.execute("SELECT path FROM folders WHERE id = ?", (folder,)).fetchone()
        if row is None:
            raise NotFound(f"There is no folder {folder} in the history.")
        return row["path"]

    def _begin(self, folder: int, path: Path) -> None:
        self._stop.clear()
        self._progress = IndexProgress(folder, str(path))
        self._thread = threading.Thread(target=self._work, args=(folder, path), name="easel-index", daemon=True)
        self._thread.start()

    def _work(self, folder: int, path: Path) -> None:
        """Reads a folder to its end. A border: whatever goes wrong becomes the progress's sentence."""
        try:
            self._read(folder, path)
            state, message = ("stopped", "") if self._stop.is_set() else ("finished", "")
        except UserError as error:
            state, message = "failed", error.message
        except Exception as error:
            log.exception("The folder %s could not be read.", path)
            state, message = "failed", f"The folder could not be read: {error}."
        self._step(state=state, message=message)
        self._tell(self.progress() or {})
        self._changed()

    def _read(self, folder: int, path: Path) -> None:
        unread: list[str] = []
        known = self._known()
        files = list(picture_files(path, self._stop, unread))
        self._step(total=len(files))
        reading = _Reading(folder, known, set(files))
        for start in range(0, len(files), BATCH):
            rows = [row for file in files[start : start + BATCH] for row in self._looked_at(file, reading)]
            if rows:
                self._write(rows)
            if self._stop.is_set():
                return
        if unread:
            raise UserError(f"{unread[0]} cannot be read; what was found before in it is kept.")
        self._finish(reading)

    def _known(self) -> dict[str, dict[str, Any]]:
        """What the history says of every picture, by full path."""
        with self._database.reading() as database:
            rows = database.execute("SELECT id, path, folder, stamp, trashed FROM pictures").fetchall()
        return {str(self._history.path(row["path"])): dict(row) for row in rows}

    def _looked_at(self, file: str, reading: _Reading) -> list[tuple[Any, ...]]:
        """The row of a file that is new, moved or changed; none for what is known as it is, or cannot be read."""
        if self._stop.is_set():
            return []
        self._step(done=self._progress.done + 1)
        before = reading.known.get(file)
        try:
            status = os.stat(file)
            if before is not None and (before["folder"] != reading.folder or before["stamp"] == stamp_of(status)):
                return []
            path = Path(file)
            row = row_of(path, self._history.stored(path), reading.folder, status)
        except (UserError, OSError) as error:
            log.info("%s is not taken into the history: %s", file, error)
            self._step(unreadable=self._progress.unreadable + 1)
            return []
        number = before["id"] if before else reading.found_again(path.name, stamp_of(status))
        self._step(**{"changed": self._progress.changed + 1} if number else {"added": self._progress.added + 1})
        return [(number, *row)]

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        insert = f"INSERT INTO pictures (job, position, {COLUMNS}) VALUES ('', 0{', ?' * 11})"
        update = f"UPDATE pictures SET ({COLUMNS}) = ({', '.join('?' * 11)}) WHERE id = ? AND trashed IS NULL"

        def change(database: sqlite3.Connection) -> None:
            database.executemany(insert, [row for number, *row in rows if number is None])
            database.executemany(update, [(*row, number) for number, *row in rows if number is not None])

        self._database.write(change)
        self._changed()

    def _finish(self, reading: _Reading) -> None:
        """Forgets the pictures whose files are gone for good, and notes when the folder was read."""
        lost = [picture for ids in reading.absent.values() for picture in ids]
        forget = "DELETE FROM pictures WHERE id IN (SELECT value FROM json_each(?)) AND trashed IS NULL"

        def change(database: sqlite3.Connection) -> None:
            database.execute(forget, (json.dumps(lost),))
            database.execute("UPDATE folders SET read = ? WHERE id = ?", (time.time(), reading.folder))

        self._database.write(change)
        self._step(gone=len(lost))

    def _step(self, **facts: Any) -> None:
        """Notes progress, and tells it now and then."""
        self._progress = replace(self._progress, **facts)
        if time.monotonic() - self._told >= PAUSE:
            self._told = time.monotonic()
            self._tell(asdict(self._progress))

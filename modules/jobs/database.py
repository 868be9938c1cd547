"""The one SQLite file of queue and history: one thread writes, others read through connections of their own."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from ..core.errors import UserError
from .migrations import migrate

QUICK_TO_CHECK = 8 << 20  # bytes

Answer = TypeVar("Answer")
Change = Callable[[sqlite3.Connection], Any]


class Database:
    """An open database that no other process has. `problems` are sentences about what went wrong while opening it.

    Raises UserError when another process has the folder, or the disk does not let us write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._claim = _claimed(path.with_suffix(".lock"))
        try:
            self._writer = self._opened()
        except BaseException:
            self._claim.close()
            raise
        self._changes: queue.SimpleQueue[tuple[Change, Future] | None] = queue.SimpleQueue()
        self._idle_readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_changes, name="easel-database", daemon=True)
        self._thread.start()

    def write(self, change: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Runs `change` in a transaction of the writer's thread and gives its answer once it is committed.

        Raises what `change` raises (nothing is written then), or UserError when the disk refuses.
        """
        answer: Future[Answer] = Future()
        with self._closing:
            if self._closed:
                raise UserError("The program is closing.", hint="Start it again.")
            self._changes.put((change, answer))
        try:
            return answer.result()
        except sqlite3.Error as error:
            raise UserError(
                f"The history {self.path} cannot be written: {error}.", hint="Is the disk full or write-protected?"
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees everything committed so far and can change nothing."""
        try:
            connection = self._idle_readers.get_nowait()
        except queue.Empty:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        except sqlite3.Error as error:
            raise UserError(f"The history {self.path} cannot be read: {error}.", hint="Check the disk.") from error
        finally:
            if self._closed:
                connection.close()
            else:
                self._idle_readers.put(connection)

    def close(self) -> None:
        """Writes what is asked for already, then lets go of the file."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._changes.put(None)
        self._thread.join()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle_readers.get_nowait().close()
        self._writer.close()
        self._claim.close()

    def _write_changes(self) -> None:
        while (item := self._changes.get()) is not None:
            change, answer = item
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                result = change(self._writer)
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                answer.set_exception(error)
            else:
                answer.set_result(result)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _sound(self.path)
        except sqlite3.OperationalError as error:
            raise UserError(
                f"The history {self.path} cannot be opened: {error}.",
                hint="Check the folder's permissions and free space, or choose another one with --data-dir.",
            ) from error
        except sqlite3.DatabaseError as error:
            aside = _set_aside(self.path)
            self.problems.append(
                f"The history {self.path.name} was damaged ({error}); it was renamed to {aside.name}, "
                "and a new one was begun. Pictures on disk are untouched."
            )
            return _sound(self.path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _sound(path: Path) -> sqlite3.Connection:
    """A connection to a database that is whole and in today's form. Raises sqlite3.DatabaseError when it is damaged.

    Every page is checked after a crash (SQLite's log is still there) and while the file is small; a check takes about
    a second per 100 MB, which an ordinary start should not.
    """
    crashed = path.with_name(f"{path.name}-wal").exists()
    suspicious = crashed or (path.exists() and path.stat().st_size < QUICK_TO_CHECK)
    connection = _connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if suspicious:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> Path:
    """Renames a database and the files SQLite keeps beside it, so that it can still be mended. Gives its new path."""
    aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _claimed(path: Path) -> sqlite3.Connection:
    """Keeps other processes off this folder for as long as the connection is open, a killed process's lock included.

    SQLite's own file lock, on a file that stays empty: it works alike on every system.
    """
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        if "locked" in str(error):
            raise UserError(
                f"The program already runs on the folder {path.parent}.",
                hint="Use the page that is open, close the other one first, or start with another --data-dir.",
            ) from error
        raise UserError(
            f"The folder {path.parent} cannot be written: {error}.",
            hint="Mend its permissions, or choose another one with --data-dir.",
        ) from error
    return connection

"""SHA-256 of model files, and what they are: found out once per content and remembered."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from ..core.errors import UserError
from .folders import known_by

SHORT = 10  # hex digits of the hash that titles and infotexts show
BLOCK = 1 << 20


def short_hash(sha256: str) -> str:
    return sha256[:SHORT]


class HashCache:
    """Remembers hashes, and what files were found to be, in one SQLite file, keyed by path, size and time of change.
    Safe to use from many threads. A diffusers folder's hash is that of its UNet's file.

    It holds nothing that cannot be computed again: the file may be deleted whenever the program is not running.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._hashing = threading.Lock()  # one file at a time: hashing is bound by the disk
        self._database = sqlite3.connect(folder / "hashes.sqlite3", check_same_thread=False, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
        )
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS found"
            " (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, edition TEXT, content TEXT)"
        )
        self._database.execute("PRAGMA synchronous = OFF")  # thousands of rows at a first start; none is irreplaceable

    def known(self, path: Path, start: int = 0) -> str | None:
        """The SHA-256 of the file as it is now, from its byte `start` on, as 64 hex digits; None when it was not
        computed yet.
        """
        path = known_by(path)
        size, mtime_ns = _identity(path)
        query = "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ?"
        with self._lock:
            row = self._database.execute(query, (_name(path, start), size, mtime_ns)).fetchone()
        return row[0] if row else None

    def sha256(self, path: Path, start: int = 0, check: Callable[[], None] = lambda: None) -> str:
        """The SHA-256 of the file from its byte `start` on, from memory or by reading all of it (seconds per gigabyte).

        `check` is called now and then: what it raises ends the reading. Raises UserError when the file cannot be read
        or changes meanwhile.
        """
        path = known_by(path)
        with self._hashing:
            known = self.known(path, start)
            if known is not None:
                return known
            before = _identity(path)
            digest = _digest(path, start, check)
            if _identity(path) != before:
                raise UserError(
                    f"{path.name} changed while its hash was computed.", hint="Try again when it is complete."
                )
            row = (_name(path, start), *before, digest)
            with self._lock:
                self._database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", row)
            return digest

    def found(self, path: Path, identity: tuple[int, int], edition: str) -> str | None:
        """What `remember_found` was told of the file as it is now, by the same edition of rules."""
        query = "SELECT content FROM found WHERE path = ? AND size = ? AND mtime_ns = ? AND edition = ?"
        with self._lock:
            row = self._database.execute(query, (os.path.abspath(path), *identity, edition)).fetchone()
        return row[0] if row else None

    def remember_found(self, path: Path, identity: tuple[int, int], edition: str, content: str) -> None:
        row = (os.path.abspath(path), *identity, edition, content)
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        with self._lock:
            self._database.close()


def _name(path: Path, start: int) -> str:
    """What the table calls the part of the file from `start` on."""
    return f"{path.resolve()}:{start}" if start else str(path.resolve())


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Refresh the list of models.") from error
    return status.st_size, status.st_mtime_ns


def _digest(path: Path, start: int, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
                check()
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Check the disk.") from error
    return digest.hexdigest()

"""Kept pictures that nothing needs any more are deleted after a while, so that their folder does not grow for ever."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Final

from ..core.errors import UserError
from .database import Database
from .inputs import InputPictures
from .queue import FINISHED, RUNNING, WAITING

log = logging.getLogger("easel.jobs")

UNTOUCHED: Final = 30 * 86_400  # seconds without being brought, shown or started from; open pages keep theirs longer
EVERY: Final = 86_400  # seconds
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def needed(database: Database) -> set[str]:
    """The ids of all kept pictures that a job names which waits or runs, can be taken up again, or has a picture in the
    history or its trash. Whatever looks like an id in a request is taken for one.
    """
    query = (
        "SELECT request FROM jobs WHERE state IN (?, ?) OR (state != ? AND NOT dismissed) "
        "OR EXISTS (SELECT 1 FROM pictures WHERE pictures.job = jobs.id)"
    )
    with database.reading() as reading:
        rows = reading.execute(query, (WAITING, RUNNING, FINISHED))
        return {found for row in rows for found in _ID.findall(row["request"])}


class Tidying:
    """Tidies the kept pictures up, at most once a day, in a thread of its own."""

    def __init__(self, store: InputPictures, database: Database) -> None:
        self._store, self._database = store, database
        self._lock = threading.Lock()
        self._next = 0.0
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begins if it is time to."""
        with self._lock:
            if time.time() < self._next:
                return
            self._next = time.time() + EVERY
            self._thread = threading.Thread(target=self._tidy, name="easel-tidying", daemon=True)
            self._thread.start()

    def close(self, seconds: float = 10.0) -> None:
        """Waits for what runs, and begins no more."""
        with self._lock:
            self._next, thread = float("inf"), self._thread
        if thread is not None:
            thread.join(seconds)

    def _tidy(self) -> None:
        try:
            dropped = self._store.drop_untouched(time.time() - UNTOUCHED, needed(self._database))
        except (UserError, OSError) as error:
            log.warning("The kept pictures could not be tidied up: %s", error)
            return
        if dropped:
            log.info("%d kept pictures that nothing needs any more were deleted.", dropped)

"""The jobs: what was asked for, and what became of it. They outlive the process."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UserError
from ..core.request import GenerationRequest
from .database import Database

WAITING, RUNNING = "waiting", "running"
FINISHED, STOPPED, FAILED, INTERRUPTED, CANCELLED = "finished", "stopped", "failed", "interrupted", "cancelled"
OVER = (FINISHED, STOPPED, FAILED, INTERRUPTED, CANCELLED)


class NotFound(UserError):
    """What was asked for by its id does not exist."""


@dataclass(frozen=True)
class Job:
    """One order. Times in seconds since 1970; `pictures` are ids in the history, in the order of their making, those
    in the trash left out.

    `state`: waiting, running, then one of finished, stopped (by somebody), failed (`message` says why), interrupted
    (the program ended while it ran), cancelled (before it ran).
    """

    id: str
    request: GenerationRequest
    tab: str
    state: str
    owner: str
    created: float
    started: float | None = None
    finished: float | None = None
    message: str = ""
    hint: str = ""
    dismissed: bool = False
    pictures: tuple[int, ...] = ()

    @property
    def over(self) -> bool:
        return self.state in OVER


class JobQueue:
    """All jobs, waiting ones in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: GenerationRequest, tab: str = "txt2img", owner: str = "") -> Job:
        """Stores a new waiting job. Once this returns it survives the end of the process."""
        job = Job(secrets.token_hex(5), request, tab, WAITING, owner, time.time())
        row = (job.id, request.model_dump_json(), tab, WAITING, owner, job.created)
        insert = "INSERT INTO jobs (id, request, tab, state, owner, created) VALUES (?, ?, ?, ?, ?, ?)"
        self._database.write(lambda database: database.execute(insert, row))
        return job

    def take_next(self) -> Job | None:
        """The job that has waited longest, now running; None when none waits."""

        def take(database: sqlite3.Connection) -> str | None:
            row = database.execute("SELECT id FROM jobs WHERE state = ? ORDER BY number LIMIT 1", (WAITING,)).fetchone()
            if row is None:
                return None
            database.execute("UPDATE jobs SET state = ?, started = ? WHERE id = ?", (RUNNING, time.time(), row["id"]))
            return row["id"]

        taken = self._database.write(take)
        return None if taken is None else self.get(taken)

    def end(self, job_id: str, state: str, message: str = "", hint: str = "", only_from: str = RUNNING) -> Job:
        """Notes how a job ended, if it still is in the state `only_from`. Gives the job as it is then."""
        change = "UPDATE jobs SET state = ?, finished = ?, message = ?, hint = ? WHERE id = ? AND state = ?"
        row = (state, time.time(), message, hint, job_id, only_from)
        self._database.write(lambda database: database.execute(change, row))
        return self.get(job_id)

    def dismiss(self, job_id: str) -> Job:
        """Takes a job that is over off the lists; it and its pictures stay in the history."""
        change = "UPDATE jobs SET dismissed = 1 WHERE id = ? AND state NOT IN (?, ?)"
        self._database.write(lambda database: database.execute(change, (job_id, WAITING, RUNNING)))
        return self.get(job_id)

    def recover(self) -> list[Job]:
        """Marks as interrupted what ran when the last process ended, and gives those jobs. Called once at the start."""
        with self._database.reading() as database:
            rows = database.execute("SELECT id FROM jobs WHERE state = ?", (RUNNING,)).fetchall()
        message = "The program ended while this job ran. Its finished pictures are kept."
        return [self.end(row["id"], INTERRUPTED, message, "Press Resubmit to make it again.") for row in rows]

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        found = self._select("WHERE id = ?", (job_id,))
        if not found:
            raise NotFound(f"There is no job {job_id!r}.", hint="It may belong to another data folder.")
        return found[0]

    def newest(self, limit: int = 50) -> list[Job]:
        """Jobs that nobody dismissed, the newest first."""
        return self._select("WHERE NOT dismissed ORDER BY number DESC LIMIT ?", (max(0, limit),))

    def unfinished(self) -> list[Job]:
        """Running jobs, then waiting ones, in the order in which they will be made."""
        return self._select("WHERE state IN (?, ?) ORDER BY state = ?, number", (RUNNING, WAITING, WAITING))

    def _select(self, where: str, values: Sequence[Any]) -> list[Job]:
        with self._database.reading() as database:
            rows = database.execute(f"SELECT * FROM jobs {where}", values).fetchall()
            ids = json.dumps([row["id"] for row in rows])
            query = (
                "SELECT job, id FROM pictures WHERE job IN (SELECT value FROM json_each(?)) AND trashed IS NULL "
                "ORDER BY position, id"
            )
            pictures: dict[str, list[int]] = {}
            for picture in database.execute(query, (ids,)):
                pictures.setdefault(picture["job"], []).append(picture["id"])
        return [_job(row, pictures.get(row["id"], ())) for row in rows]


def _job(row: sqlite3.Row, pictures: Iterable[int]) -> Job:
    facts = {key: row[key] for key in row.keys() if key not in ("number", "request")}  # noqa: SIM118 (a Row is no dict)
    facts["dismissed"] = bool(facts["dismissed"])
    return Job(request=_stored_request(row["request"]), pictures=tuple(pictures), **facts)


def _stored_request(text: str) -> GenerationRequest:
    """The request as it was stored, unchecked: a job made with an extension that is gone can still be shown."""
    return GenerationRequest.model_construct(**json.loads(text))

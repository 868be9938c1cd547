"""What was seen inside jobs, kept in the data folder: one file a step. The jobs looked at longest ago go first."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..core.errors import UserError
from ..core.events import Inspected
from ..core.files import write_atomically
from .queue import NotFound

log = logging.getLogger("easel.jobs")

MOST_BYTES: Final = 512 << 20
ABOUT, FACTS = "about.json", "facts.json"
_JOB, _NAME = re.compile(r"[0-9a-f]{1,40}"), re.compile(r"[a-z_]{1,40}\.(?:png|jpg)")


class Inspections:
    """The folder of recordings, a folder inside for each job. Safe from any thread."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None  # of all recordings; None: not counted yet

    def begin(self, job: str, picture: int) -> None:
        """Notes that a job is painted only to look into this picture of the history."""
        write_atomically(self._folder / job / ABOUT, json.dumps({"picture": picture}).encode())

    def keep(self, seen: Inspected) -> dict[str, Any]:
        """Stores what was seen, and gives its facts as `steps` does. Raises UserError when the disk refuses it."""
        facts = {"picture": seen.picture, "step": seen.step, **seen.facts}
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:  # not packed: the images are
            for name, image in {FACTS: json.dumps(facts).encode(), **seen.images}.items():
                file.writestr(name, image)
        try:
            write_atomically(self._path(seen.job, seen.picture, seen.step), content.getvalue())
        except OSError as error:
            raise UserError(
                f"What was seen inside cannot be kept in {self._folder}: {error.strerror or error}.",
                hint="Is the disk full or write-protected?",
            ) from error
        self._make_room(seen.job, content.tell())
        return facts

    def steps(self, job: str) -> list[dict[str, Any]]:
        """The facts of all that was seen inside a job, in order; none when it was not looked into, or long ago."""
        return list(self._steps(job))

    def image(self, job: str, picture: int, step: int, name: str) -> bytes:
        """One image, by the name that it was told with. Raises NotFound."""
        try:
            with zipfile.ZipFile(self._path(job, picture, step)) as file:
                if _NAME.fullmatch(name):
                    return file.read(name)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            log.info("Nothing is kept of step %d of job %s: %s", step, job, error)
        raise NotFound("This was not seen, or is no longer kept.", hint="Look into the picture once more.")

    def job_for(self, picture: int) -> str:
        """The job that was painted to look into this picture of the history, the newest; "" when there is none."""
        found = [about.parent for about in self._folder.glob(f"*/{ABOUT}") if _picture_of(about) == picture]
        return max(found, key=_age).name if found else ""

    def _steps(self, job: str) -> Iterator[dict[str, Any]]:
        for path in sorted(self._of(job).glob("*.zip")):
            try:
                with zipfile.ZipFile(path) as file:
                    yield json.loads(file.read(FACTS))
            except (
                OSError,
                KeyError,
                ValueError,
                zipfile.BadZipFile,
            ) as error:  # making room took it away, for example
                log.info("What was seen inside cannot be read: %s", error)

    def _of(self, job: str) -> Path:
        if not _JOB.fullmatch(job):
            raise NotFound(f"There is no job {job[:40]!r}.")
        return self._folder / job

    def _path(self, job: str, picture: int, step: int) -> Path:
        return self._of(job) / f"{picture:05}-{step:05}.zip"

    def _make_room(self, job: str, added: int) -> None:
        """Lets other jobs' recordings go, the oldest first, while all together are too large."""
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(map(_size, self._folder.iterdir()))
            else:
                self._bytes += added
            if self._bytes <= self._most_bytes:
                return
            for folder in sorted(self._folder.iterdir(), key=_age):
                if folder.name != job and self._bytes > self._most_bytes:
                    self._bytes -= _size(folder)
                    shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _picture_of(about: Path) -> int | None:
    try:
        return json.loads(about.read_bytes())["picture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.info("It is not known whose inside was looked into: %s", error)
        return None

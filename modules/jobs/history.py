"""The pictures that were made, with their stories. Files lie on disk; here is where they are and what they show."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ..core.pictures import Picture
from .database import Database
from .queue import NotFound


@dataclass(frozen=True)
class PictureRecord:
    """A picture in the history. `index` counts within its job; times in seconds since 1970.

    One that lies in the trash says since when in `trashed`. One of a folder that was indexed in place has that folder's
    number in `folder`, no job, and the seed -1 when its text names none.
    """

    id: int
    job: str
    index: int
    path: Path
    width: int
    height: int
    seed: int
    prompt: str
    negative_prompt: str
    model: str
    infotext: str
    created: float
    starred: bool = False
    trashed: float | None = None
    folder: int | None = None

    @property
    def missing(self) -> bool:
        """Whether its file is no longer where it was written."""
        return not self.path.is_file()


_SPELT_OTHERWISE = ("index", "path", "starred")
_COLUMNS = tuple(field.name for field in fields(PictureRecord) if field.name not in _SPELT_OTHERWISE)


class History:
    """All pictures, by id. Paths inside `outputs` are kept relative to it, so that the folder may be moved."""

    def __init__(self, database: Database, outputs: Path) -> None:
        self._database = database
        self._outputs = outputs.absolute()

    def add(self, job: str, picture: Picture, path: Path, infotext: str) -> PictureRecord:
        """Notes that `picture` lies at `path` with the text `infotext`."""
        height, width = picture.pixels.shape[:2]
        request, facts = picture.request, picture.facts
        words = (request.prompt, request.negative_prompt, facts.model, infotext)
        row = (job, picture.index, self.stored(path), width, height, facts.seed, *words, time.time())
        columns = "job, position, path, width, height, seed, prompt, negative_prompt, model, infotext, created"
        insert = f"INSERT INTO pictures ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        return self.get(self._database.write(lambda database: database.execute(insert, row).lastrowid))

    def get(self, picture: int) -> PictureRecord:
        """Raises NotFound."""
        found = self.select("WHERE id = ?", (picture,))
        if not found:
            raise NotFound(f"There is no picture {picture}.", hint="It may belong to another data folder.")
        return found[0]

    def many(self, ids: Iterable[int]) -> list[PictureRecord]:
        """The pictures with these ids, in their order; unknown ids are left out."""
        wanted = list(ids)
        where = "WHERE id IN (SELECT value FROM json_each(?))"
        found = {record.id: record for record in self.select(where, [json.dumps(wanted)])}
        return [found[number] for number in wanted if number in found]

    def newest(self, before: int | None = None, limit: int = 50, search: str = "") -> list[PictureRecord]:
        """Pictures made here, the newest first: with an id below `before`, and with all words of `search` in their
        prompts. Those in the trash are left out.
        """
        conditions, values = ["trashed IS NULL AND folder IS NULL"], []
        if before is not None:
            conditions.append("id < ?")
            values.append(before)
        if search.strip():
            conditions.append("id IN (SELECT rowid FROM picture_words WHERE picture_words MATCH ?)")
            values.append(match(search))
        return self.select(f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?", [*values, max(0, limit)])

    def stored(self, path: Path) -> str:
        """How a path stands in the database."""
        path = path.absolute()
        return str(path.relative_to(self._outputs) if path.is_relative_to(self._outputs) else path)

    def path(self, stored: str) -> Path:
        """The path that stands so in the database."""
        return self._outputs / stored

    def select(self, where: str, values: Iterable[object]) -> list[PictureRecord]:
        """The pictures that an SQL condition finds."""
        with self._database.reading() as database:
            return [self._record(row) for row in database.execute(f"SELECT * FROM pictures {where}", tuple(values))]

    def _record(self, row: sqlite3.Row) -> PictureRecord:
        facts = {key: row[key] for key in _COLUMNS}
        return PictureRecord(index=row["position"], path=self.path(row["path"]), starred=bool(row["starred"]), **facts)


def match(search: str) -> str:
    """A full-text query for the beginnings of all words; quoting keeps FTS5's operators plain words."""
    return " ".join('"' + word.replace('"', '""') + '"*' for word in search.replace("\0", " ").split())

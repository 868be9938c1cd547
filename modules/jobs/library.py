"""The history as a collection: found by words, model, seed and day, starred, put into the trash and taken out again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UserError
from .database import Database
from .history import History, match
from .indexing import FolderIndex
from .thumbnails import drop_thumbnails
from .trash import Trash

if TYPE_CHECKING:
    from .bus import Bus

MADE_HERE = 0  # as a folder: pictures of no folder
_FIRST_IDEOGRAPH = "\u2e80"
_LARGEST = 2**63 - 1  # what SQLite takes for a number


@dataclass(frozen=True)
class Search:
    """What to look for; all of it must hold. `since` and `until` in seconds since 1970, the latter excluded."""

    words: str = ""
    model: str = ""
    seed: int | None = None
    since: float | None = None
    until: float | None = None
    starred: bool = False
    trashed: bool = False
    folder: int | None = None


class Library:
    """All pictures, own ones and those of folders that were indexed in place. `changed` is called after every change,
    with whether pictures came or went.
    """

    def __init__(
        self,
        database: Database,
        history: History,
        trash: Trash,
        index: FolderIndex,
        thumbnails: Path,
        changed: Callable[[bool], None],
    ) -> None:
        self._database, self._history, self._changed = database, history, changed
        self._trash, self._thumbnails = trash, thumbnails
        self.index = index
        trash.recover()

    @classmethod
    def told(cls, database: Database, history: History, outputs: Path, thumbnails: Path, bus: Bus) -> Library:
        """A library whose changes are news; where pictures came or went, everybody looks at everything anew."""

        def changed(came_or_went: bool = False) -> None:
            if came_or_went:
                bus.resync()
            else:
                bus.tell("library", {})

        index = FolderIndex(database, history, partial(bus.tell, "indexing"), changed)
        return cls(database, history, Trash(database, history, outputs), index, thumbnails, changed)

    def find(self, search: Search) -> list[int]:
        """The ids of all pictures that fit, the newest first (in the trash: what was put there last)."""
        conditions, values = _conditions(search)
        order = "trashed" if search.trashed else "created"
        query = f"SELECT id FROM pictures WHERE {' AND '.join(conditions)} ORDER BY {order} DESC, id DESC"
        with self._database.reading() as database:
            return [row["id"] for row in database.execute(query, values)]

    def facts(self) -> dict[str, Any]:
        """What there is to choose from: models by how many pictures they made, folders, and numbers of pictures."""
        counting = "count(*) FILTER (WHERE trashed IS NULL) AS here, count(trashed) AS trashed"
        starred = "count(*) FILTER (WHERE starred AND trashed IS NULL) AS starred"
        models = "SELECT model, count(*) AS pictures FROM pictures WHERE trashed IS NULL AND model != '' GROUP BY model"
        with self._database.reading() as database:
            numbers = database.execute(f"SELECT {counting}, {starred} FROM pictures").fetchone()
            named = database.execute(f"{models} ORDER BY pictures DESC, model").fetchall()
        return {
            "pictures": numbers["here"],
            "trashed": numbers["trashed"],
            "starred": numbers["starred"],
            "models": [row["model"] for row in named],
            "folders": [folder.as_json() for folder in self.index.folders()],
            "indexing": self.index.progress(),
        }

    def star(self, ids: Iterable[int], starred: bool = True) -> None:
        """Marks pictures as dear, or no longer so."""
        wanted = list(ids)
        change = "UPDATE pictures SET starred = ? WHERE id IN (SELECT value FROM json_each(?))"
        self._database.write(lambda database: database.execute(change, (int(starred), json.dumps(wanted))))
        self._changed(False)

    def put_into_trash(self, ids: Iterable[int]) -> tuple[list[int], list[str]]:
        """Moves pictures into the trash. Gives those moved, and a sentence for each that was not."""
        return self._moved(ids, self._trash.put)

    def restore(self, ids: Iterable[int]) -> tuple[list[int], list[str]]:
        """Puts pictures back where they were; likewise."""
        return self._moved(ids, self._trash.restore)

    def empty_trash(self) -> int:
        """Deletes what lies in the trash, for good. Gives how many pictures that were."""
        try:
            return self._trash.empty()
        finally:
            self._tidy()

    def remove_folder(self, folder: int) -> None:
        """Forgets an indexed folder and its pictures. Raises NotFound, or UserError while it is being read."""
        self.index.remove(folder)
        self._tidy()

    def _tidy(self) -> None:
        with self._database.reading() as database:
            known = {row["id"] for row in database.execute("SELECT id FROM pictures")}
        drop_thumbnails(self._thumbnails, known)
        self._changed(True)

    def _moved(self, ids: Iterable[int], move: Callable[[int], None]) -> tuple[list[int], list[str]]:
        moved, problems = [], []
        for picture in ids:
            try:
                move(picture)
                moved.append(picture)
            except UserError as error:
                problems.append(f"{error.message} {error.hint}".strip())
        if moved:
            self._changed(True)
        return moved, problems


def _conditions(search: Search) -> tuple[list[str], list[Any]]:
    """A search as SQL conditions and their values."""
    found: list[tuple[str, tuple[Any, ...]]] = [(f"trashed IS {'NOT ' if search.trashed else ''}NULL", ())]
    found += _of_words(search.words)
    if search.model:
        found.append(("model = ?", (search.model,)))
    if search.seed is not None:
        found.append(("seed = ?", (max(-_LARGEST, min(_LARGEST, search.seed)),)))
    if search.since is not None:
        found.append(("created >= ?", (search.since,)))
    if search.until is not None:
        found.append(("created < ?", (search.until,)))
    if search.starred:
        found.append(("starred", ()))
    if search.folder is not None:
        found.append(("folder IS NULL", ()) if search.folder == MADE_HERE else ("folder = ?", (search.folder,)))
    return [condition for condition, _ in found], [value for _, values in found for value in values]


def _of_words(words: str) -> list[tuple[str, tuple[str, ...]]]:
    """Conditions for words of the prompt. Scripts that put no spaces between words are searched letter by letter; of
    other words the beginning counts. What has neither letters nor digits is left out.
    """
    told = [word for word in words.replace("\0", " ").split() if any(letter.isalnum() for letter in word)]
    unspaced = [word for word in told if any(letter >= _FIRST_IDEOGRAPH for letter in word)]
    spaced = " ".join(word for word in told if word not in unspaced)
    found = [("instr(prompt, ?)", (word,)) for word in unspaced]
    if spaced:
        query = "id IN (SELECT rowid FROM picture_words WHERE picture_words MATCH ?)"
        found.append((query, (f"prompt : ({match(spaced)})",)))
    return found

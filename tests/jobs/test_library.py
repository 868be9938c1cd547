"""Searching the history, starring, and the trash."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.core.pictures import Facts, Picture
from modules.core.request import GenerationRequest
from modules.imaging.save import encode
from modules.jobs.database import Database
from modules.jobs.history import History, PictureRecord
from modules.jobs.indexing import FolderIndex
from modules.jobs.library import MADE_HERE, Library, Search
from modules.jobs.queue import JobQueue, NotFound
from modules.jobs.trash import Trash

PIXELS = np.zeros((16, 24, 3), np.uint8)


class Shelf:
    """A library with a way to fill it; `changes` is what it told of itself."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.outputs = folder, folder / "outputs"
        self.database = Database(folder / "easel.sqlite")
        self.history = History(self.database, self.outputs)
        self.changes: list[bool] = []
        index = FolderIndex(self.database, self.history, lambda _: None, lambda: None)
        self.trash = Trash(self.database, self.history, self.outputs)
        thumbnails = folder / "thumbnails"
        self.library = Library(self.database, self.history, self.trash, index, thumbnails, self.changes.append)

    def add(self, prompt: str, name: str = "", seed: int = 9, model: str = "toy", job: str = "j") -> PictureRecord:
        """A picture, with its file."""
        count = len(list(self.outputs.rglob("*.png")))
        path = self.outputs / (name or f"{count}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(PIXELS, "png", f"file of {prompt}")[0])
        request = GenerationRequest.checked({"prompt": prompt, "seed": seed})
        return self.history.add(job, Picture(PIXELS, 0, request, Facts(seed, model=model), "text"), path, "text")

    def found(self, **search: object) -> list[str]:
        """The prompts of the pictures that a search finds."""
        return [one.prompt for one in self.history.many(self.library.find(Search(**search)))]

    def set(self, picture: int, **facts: object) -> None:
        for name, value in facts.items():
            self.database.write(
                lambda it, n=name, v=value: it.execute(f"UPDATE pictures SET {n} = ? WHERE id = ?", (v, picture))
            )


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path)
    yield made
    made.database.close()


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({}, ["赤い猫 in rain", "two dogs", "a red cat"]),
        ({"words": "cat"}, ["a red cat"]),
        ({"words": "re ca"}, ["a red cat"]),
        ({"words": "猫"}, ["赤い猫 in rain"]),
        ({"words": "猫 rain"}, ["赤い猫 in rain"]),
        ({"words": "dogs NOT cat"}, []),
        ({"words": '"'}, ["赤い猫 in rain", "two dogs", "a red cat"]),
        ({"model": "other"}, ["two dogs"]),
        ({"model": "oth"}, []),
        ({"seed": 7}, ["two dogs"]),
        ({"seed": 2**70}, []),
        ({"since": 150}, ["赤い猫 in rain", "two dogs"]),
        ({"since": 200, "until": 300}, ["two dogs"]),
        ({"starred": True}, ["a red cat"]),
        ({"starred": True, "words": "dogs"}, []),
        ({"folder": MADE_HERE}, ["two dogs", "a red cat"]),
        ({"folder": 4}, ["赤い猫 in rain"]),
        ({"trashed": True}, []),
    ],
)
def test_a_search_finds_what_fits_all_of_it_the_newest_first(shelf, search, expected):
    cat, dogs, rain = shelf.add("a red cat"), shelf.add("two dogs", seed=7, model="other"), shelf.add("赤い猫 in rain")
    shelf.set(cat.id, created=100.0)
    shelf.set(dogs.id, created=200.0)
    shelf.set(rain.id, created=300.0, folder=4)
    shelf.library.star([cat.id])
    assert shelf.found(**search) == expected


def test_words_of_the_negative_prompt_do_not_count(shelf):
    shelf.set(shelf.add("a cat").id, negative_prompt="dogs")
    assert shelf.found(words="dogs") == []
    assert shelf.found(words="cat") == ["a cat"]


def test_a_changed_prompt_is_found_by_its_new_words_only(shelf):
    shelf.set(shelf.add("a cat").id, prompt="a dog")
    assert shelf.found(words="dog") == ["a dog"]
    assert shelf.found(words="cat") == []


def test_stars_come_and_go(shelf):
    cat, dog = shelf.add("cat"), shelf.add("dog")
    shelf.library.star([cat.id, dog.id, 999])
    shelf.library.star([cat.id], starred=False)
    assert [shelf.history.get(one.id).starred for one in (cat, dog)] == [False, True]
    assert shelf.changes == [False, False]
    assert shelf.library.facts()["starred"] == 1


def test_the_facts_tell_what_there_is_to_choose_from(shelf):
    for prompt, model in (("a", "toy"), ("b", "other"), ("c", "other"), ("d", "third"), ("e", "")):
        shelf.add(prompt, model=model)
    shelf.library.put_into_trash(shelf.library.find(Search(model="third")))
    facts = shelf.library.facts()
    assert (facts["pictures"], facts["trashed"], facts["starred"]) == (4, 1, 0)
    assert facts["models"] == ["other", "toy"]
    assert facts["folders"] == [] and facts["indexing"] is None


def test_a_picture_goes_into_the_trash_and_comes_back_to_its_place(shelf):
    record = shelf.add("a cat", name="2024/a.png")
    content = record.path.read_bytes()
    assert shelf.library.put_into_trash([record.id]) == ([record.id], [])
    trashed = shelf.history.get(record.id)
    assert not record.path.exists()
    assert trashed.path == shelf.outputs / "trash" / f"{record.id}-a.png" and trashed.path.read_bytes() == content
    assert trashed.trashed > 0
    assert shelf.found() == [] and shelf.found(trashed=True) == ["a cat"]

    assert shelf.library.restore([record.id]) == ([record.id], [])
    assert shelf.history.get(record.id) == record
    assert record.path.read_bytes() == content
    assert shelf.found() == ["a cat"]


def test_the_trash_shows_first_what_was_put_there_last(shelf):
    first, second = shelf.add("first"), shelf.add("second")
    shelf.library.put_into_trash([second.id])
    shelf.library.put_into_trash([first.id])
    assert shelf.found(trashed=True) == ["first", "second"]


def test_what_is_in_the_trash_leaves_lists_and_jobs(shelf):
    kept, thrown = shelf.add("kept"), shelf.add("thrown")
    job = JobQueue(shelf.database).add(GenerationRequest.checked({}))
    for one in (kept, thrown):
        shelf.set(one.id, job=job.id)
    shelf.library.put_into_trash([thrown.id])
    assert [one.prompt for one in shelf.history.newest()] == ["kept"]
    assert [one.prompt for one in shelf.history.newest(search="thrown")] == []
    assert JobQueue(shelf.database).get(job.id).pictures == (kept.id,)


def test_restoring_writes_over_nothing(shelf):
    record = shelf.add("old", name="a.png")
    shelf.library.put_into_trash([record.id])
    newer = shelf.add("new", name="a.png").path.read_bytes()
    shelf.library.restore([record.id])
    assert record.path.read_bytes() == newer
    assert shelf.history.get(record.id).path == shelf.outputs / "a (2).png"


def test_a_picture_whose_file_is_gone_can_be_put_away_and_says_so_when_wanted_back(shelf):
    record = shelf.add("lost")
    record.path.unlink()
    assert shelf.library.put_into_trash([record.id]) == ([record.id], [])
    moved, problems = shelf.library.restore([record.id])
    assert moved == [] and "no longer in the trash" in problems[0]


def test_unknown_pictures_are_named_and_the_others_moved(shelf):
    record = shelf.add("a cat")
    moved, problems = shelf.library.put_into_trash([999, record.id])
    assert moved == [record.id]
    assert len(problems) == 1 and "no picture 999" in problems[0]


def test_a_file_that_cannot_be_moved_stays_in_the_history(shelf):
    record = shelf.add("a cat")
    (shelf.outputs / "trash").write_text("a file where the folder should be")
    moved, problems = shelf.library.put_into_trash([record.id])
    assert moved == [] and "cannot be moved" in problems[0]
    assert shelf.history.get(record.id) == record
    assert not record.missing


def test_emptying_the_trash_deletes_files_stories_and_thumbnails(shelf):
    kept, thrown = shelf.add("kept"), shelf.add("thrown")
    small = [shelf.folder / "thumbnails" / f"{one.id}-1f.webp" for one in (kept, thrown)]
    small[0].parent.mkdir()
    for path in small:
        path.write_bytes(b"small")
    shelf.library.put_into_trash([thrown.id])
    trashed = shelf.history.get(thrown.id).path
    assert shelf.library.empty_trash() == 1
    assert not trashed.exists() and kept.path.exists()
    assert [path.exists() for path in small] == [True, False]
    assert shelf.found(trashed=True) == [] and shelf.found() == ["kept"]
    with pytest.raises(NotFound):
        shelf.history.get(thrown.id)


def test_what_cannot_be_deleted_stays_in_the_trash_and_is_named(shelf):
    fine, stuck = shelf.add("fine"), shelf.add("stuck")
    shelf.library.put_into_trash([fine.id, stuck.id])
    path = shelf.history.get(stuck.id).path
    path.unlink()
    path.mkdir()  # no system deletes a folder as if it were a file
    with pytest.raises(UserError, match="1 of 2 pictures could not be deleted"):
        shelf.library.empty_trash()
    assert shelf.found(trashed=True) == ["stuck"]


def crash(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, work) -> None:
    """The program ends after a file was moved, before that is written down."""
    write = shelf.database.write

    def unwritten(change):
        def doomed(connection: sqlite3.Connection) -> None:
            change(connection)
            raise KeyboardInterrupt

        return write(doomed)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shelf.database, "write", unwritten)
        work()


def test_a_crash_while_putting_away_is_mended_at_the_next_start(shelf, monkeypatch):
    record = shelf.add("a cat")
    crash(shelf, monkeypatch, lambda: shelf.trash.put(record.id))
    assert shelf.history.get(record.id).missing and shelf.found() == ["a cat"]
    assert shelf.trash.recover() == [record.id]
    assert shelf.found() == [] and not shelf.history.get(record.id).missing
    shelf.trash.restore(record.id)
    assert shelf.history.get(record.id) == record and record.path.exists()


def test_a_crash_while_restoring_is_mended_at_the_next_start(shelf, monkeypatch):
    record = shelf.add("a cat")
    shelf.trash.put(record.id)
    crash(shelf, monkeypatch, lambda: shelf.trash.restore(record.id))
    assert shelf.history.get(record.id).missing and shelf.found() == []
    assert shelf.trash.recover() == [record.id]
    assert shelf.history.get(record.id) == record and record.path.exists()


def test_nothing_is_mended_that_is_not_broken(shelf):
    here, away = shelf.add("here"), shelf.add("away")
    shelf.trash.put(away.id)
    (shelf.outputs / "trash" / f"{here.id}-strange.png").write_bytes(b"")
    assert shelf.trash.recover() == []

"""Folders of pictures from elsewhere, read in place."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.imaging.save import encode
from modules.jobs.database import Database
from modules.jobs.history import History, PictureRecord
from modules.jobs.indexing import FolderIndex
from modules.jobs.library import Library, Search
from modules.jobs.queue import NotFound
from modules.jobs.trash import Trash
from tests.jobs.painting import until

PIXELS = np.zeros((8, 6, 3), np.uint8)
LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 31, Size: 6x8, Model: sd15"
TEXT = f"a lighthouse, night\nNegative prompt: fog\n{LINE}"


class Reader:
    """A history with an index, and a folder from elsewhere. `go` lets the reading's news pass: clear it to hold."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "a1111" / "txt2img-images"
        self.folder.mkdir(parents=True)
        self.database = Database(root / "easel.sqlite")
        self.history = History(self.database, root / "outputs")
        self.news: list[dict] = []
        self.go = threading.Event()
        self.go.set()
        self.index = FolderIndex(self.database, self.history, self._told, lambda: None)
        trash = Trash(self.database, self.history, root / "outputs")
        self.library = Library(self.database, self.history, trash, self.index, root / "thumbnails", lambda _: None)

    def _told(self, progress: dict) -> None:
        self.news.append(progress)
        assert self.go.wait(10)

    def put(self, name: str, text: str = TEXT, format: str = "png", modified: float | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(PIXELS, format, text)[0])
        if modified is not None:
            os.utime(path, (modified, modified))
        return path

    def read(self) -> dict:
        """Reads the folder to its end; how that went."""
        folders = self.index.folders()
        if folders:
            self.index.read_again(folders[0].id)
        else:
            self.index.add(str(self.folder))
        return self.ended()

    def ended(self) -> dict:
        return until(lambda: (now := self.index.progress())["state"] != "running" and not self.index.running and now)

    def pictures(self) -> list[PictureRecord]:
        return self.history.many(self.library.find(Search()))


@pytest.fixture
def reader(tmp_path):
    made = Reader(tmp_path)
    yield made
    made.go.set()
    made.index.close()
    made.database.close()


def counts(progress: dict) -> tuple[int, ...]:
    return tuple(progress[name] for name in ("added", "changed", "gone", "unreadable"))


def test_pictures_are_taken_in_where_they_lie_with_their_story(reader):
    path = reader.put("2023-05-01/00001-31.png", modified=1_600_000_000)
    content, time = path.read_bytes(), path.stat().st_mtime_ns
    ended = reader.read()
    assert (ended["state"], ended["done"], ended["total"]) == ("finished", 1, 1)
    (found,) = reader.pictures()
    assert (found.path, found.width, found.height, found.seed, found.model) == (path, 6, 8, 31, "sd15")
    assert (found.prompt, found.negative_prompt, found.infotext) == ("a lighthouse, night", "fog", TEXT)
    assert (found.created, found.job) == (1_600_000_000, "")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, time)
    assert [one.id for one in reader.history.newest()] == []
    (folder,) = reader.index.folders()
    assert (folder.path, folder.pictures, folder.id) == (str(reader.folder), 1, found.folder)
    assert folder.read > 0


def test_all_formats_are_read_and_a_text_file_beside_a_picture_counts(reader):
    for number, format in enumerate(("png", "jpg", "webp")):
        reader.put(f"{number}.{format}", f"a {format}", format)
    reader.put("beside.png", "")
    (reader.folder / "beside.txt").write_text("from the text file\nSteps: 4, Seed: 5, Size: 6x8", encoding="utf-8")
    reader.put("silent.PNG", "")
    assert counts(reader.read()) == (5, 0, 0, 0)
    assert {one.prompt for one in reader.pictures()} == {"a png", "a jpg", "a webp", "from the text file", ""}
    assert {one.seed for one in reader.pictures()} == {-1, 5}


def test_what_is_broken_or_no_picture_is_counted_and_left_out(reader):
    reader.put("good.png")
    (reader.folder / "empty.png").write_bytes(b"")
    (reader.folder / "page.jpg").write_text("<html></html>")
    (reader.folder / "notes.md").write_text("not looked at")
    reader.put(".hidden.png")
    reader.put(".thumbs/small.png")
    ended = reader.read()
    assert (counts(ended), ended["total"], ended["state"]) == ((1, 0, 0, 2), 3, "finished")


@pytest.mark.parametrize("seed", ["x", "-5", "9" * 40])
def test_a_seed_that_is_none_hides_no_picture(reader, seed):
    reader.put("a.png", f"cat\nSteps: 4, Sampler: Euler, Seed: {seed}, Size: 6x8")
    assert counts(reader.read()) == (1, 0, 0, 0)


def test_reading_again_takes_only_what_is_new_changed_moved_or_gone(reader):
    reader.put("same.png", "same", modified=1000)
    reader.put("changed.png", "before", modified=1000)
    reader.put("gone.png", "gone", modified=1000)
    moved = reader.put("moved.png", "moved", modified=1000)
    reader.read()
    assert counts(reader.read()) == (0, 0, 0, 0)
    before = {one.prompt: one for one in reader.pictures()}
    reader.library.star([before["moved"].id, before["before"].id])

    reader.put("changed.png", "after", modified=2000)
    reader.put("new.png", "new")
    (reader.folder / "gone.png").unlink()
    (reader.folder / "sub").mkdir()
    moved.rename(reader.folder / "sub" / "moved.png")
    assert counts(reader.read()) == (1, 2, 1, 0)

    now = {one.prompt: one for one in reader.pictures()}
    assert set(now) == {"same", "after", "moved", "new"}
    assert now["moved"].id == before["moved"].id and now["moved"].path == reader.folder / "sub" / "moved.png"
    assert now["after"].id == before["before"].id
    assert now["moved"].starred and now["after"].starred


def test_progress_is_told_while_it_goes_and_stopping_keeps_what_was_found(reader, monkeypatch):
    monkeypatch.setattr("modules.jobs.indexing.PAUSE", 0.0)
    monkeypatch.setattr("modules.jobs.indexing.BATCH", 2)
    for number in range(8):
        reader.put(f"{number}.png", f"picture {number}")
    reader.read()
    assert [one["done"] for one in reader.news if one["total"] == 8][-1] == 8
    assert {one["state"] for one in reader.news} == {"running", "finished"}

    for number in range(8):
        reader.put(f"{number}.png", f"again {number}", modified=5000 + number)
    reader.news.clear()
    reader.go.clear()
    reader.index.read_again(reader.index.folders()[0].id)
    until(lambda: reader.news)
    with pytest.raises(UserError, match="being read already"):
        reader.index.add(str(reader.folder))
    with pytest.raises(UserError, match="being read"):
        reader.index.remove(reader.index.folders()[0].id)
    reader.index.stop()
    reader.go.set()
    ended = reader.ended()
    assert ended["state"] == "stopped" and ended["done"] < 8 and ended["gone"] == 0
    assert len(reader.pictures()) == 8


def test_a_folder_is_added_once_and_can_be_forgotten(reader):
    path = reader.put("a.png")
    reader.read()
    reader.index.add(str(reader.folder) + os.sep)
    assert counts(reader.ended()) == (0, 0, 0, 0)
    (folder,) = reader.index.folders()
    reader.library.remove_folder(folder.id)
    assert reader.index.folders() == [] and reader.pictures() == []
    assert path.exists()
    with pytest.raises(NotFound):
        reader.index.remove(folder.id)
    with pytest.raises(NotFound):
        reader.index.read_again(folder.id)


def test_a_picture_in_the_trash_survives_reading_and_forgetting_its_folder(reader):
    path = reader.put("a.png")
    reader.read()
    (found,) = reader.pictures()
    reader.library.put_into_trash([found.id])
    assert counts(reader.read()) == (0, 0, 0, 0)
    reader.library.remove_folder(found.folder)
    assert reader.library.restore([found.id]) == ([found.id], [])
    assert path.exists()


def test_own_pictures_are_not_taken_in_twice(reader, tmp_path):
    reader.put("a.png")
    reader.read()
    reader.index.add(str(tmp_path / "a1111"))
    assert counts(reader.ended()) == (0, 0, 0, 0)
    assert len(reader.pictures()) == 1


def test_what_cannot_be_looked_into_is_said_and_nothing_in_it_forgotten(reader, monkeypatch):
    reader.put("inner/a.png")
    reader.put("b.png")
    reader.read()
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("inner"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    ended = reader.read()
    assert ended["state"] == "failed" and "inner cannot be read" in ended["message"]
    assert len(reader.pictures()) == 2


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "No folder was named"),
        ("pictures", "not a full path"),
        ("/nowhere/at/all", "cannot be read"),
        (__file__, "is a file"),
        ("/a\0b", "No folder was named"),
    ],
)
def test_what_is_no_folder_is_refused_with_a_sentence(reader, path, sentence):
    with pytest.raises(UserError, match=sentence):
        reader.index.add(path)


def test_a_folder_may_be_named_in_quotes(reader):
    reader.put("a.png")
    reader.index.add(f' "{reader.folder}" ')
    assert counts(reader.ended()) == (1, 0, 0, 0)

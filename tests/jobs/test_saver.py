from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.hooks import Hooks, hook
from modules.core.pictures import Facts, Picture
from modules.core.request import GenerationRequest
from modules.core.settings import Settings
from modules.jobs.database import Database
from modules.jobs.history import History
from modules.jobs.queue import JobQueue
from modules.jobs.saver import MOST_UNSAVED, Saver
from tests.jobs.painting import folders_in

REQUEST = GenerationRequest.checked({"prompt": "a red cat", "seed": 7, "width": 64, "height": 64, "batch_count": 2})


class Room:
    """A saver with a real database and folders, and what it said."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.folders = folders_in(root, checkpoints=())
        self.folders.create()
        self.hooks = Hooks()
        self.database = Database(self.folders.database)
        self.job = JobQueue(self.database).add(REQUEST)
        self.history = History(self.database, self.folders.outputs)
        chosen = Settings(self.folders.settings, command_line=settings, environment={})
        self.saver = Saver(self.folders, chosen, self.hooks, self.history)
        self.saved, self.failed = [], []
        self.saver.start(self.saved.append, lambda *failure: self.failed.append(failure))

    def save(self, *indices: int) -> None:
        for index in indices:
            pixels = np.full((64, 64, 3), 40 * index, np.uint8)
            alone = REQUEST.for_picture(index)
            self.saver.save(self.job, Picture(pixels, index, alone, Facts(7 + index, model="toy"), f"text {index}"))
        self.wait()

    def wait(self) -> None:
        done = threading.Event()
        self.saver.after_pictures(done.set)
        assert done.wait(10)


@pytest.fixture
def rooms(tmp_path):
    opened = []

    def room(**settings: object) -> Room:
        opened.append(Room(tmp_path, **settings))
        return opened[-1]

    yield room
    for one in opened:
        one.saver.close()
        one.database.close()


def test_pictures_lie_where_the_settings_say_with_their_pixels_and_text(rooms, tmp_path):
    room = rooms(
        directories_filename_pattern="[model_name]/[seed_first]", samples_filename_pattern="[seed]-[prompt_words]"
    )
    room.save(0, 1)
    folder = tmp_path / "outputs" / "txt2img-images" / "toy" / "7"
    assert [record.path for record in room.saved] == [
        folder / "00000-7-a red cat.png",
        folder / "00001-8-a red cat.png",
    ]
    with Image.open(room.saved[1].path) as image:
        assert image.text["parameters"] == "text 1"
        assert np.asarray(image).tolist() == np.full((64, 64, 3), 40).tolist()
    assert room.failed == []


def test_what_follows_the_pictures_waits_for_them(rooms):
    room, order = rooms(), []
    room.saver._saved = lambda record: order.append(record.index)  # what `start` was given
    for index in range(5):
        pixels = np.zeros((64, 64, 3), np.uint8)
        room.saver.save(room.job, Picture(pixels, index, REQUEST.for_picture(index), Facts(7 + index), ""))
    room.saver.after_pictures(lambda: order.append("end"))
    room.wait()
    assert order == [0, 1, 2, 3, 4, "end"]


def test_listeners_may_change_folder_name_and_text(rooms, tmp_path):
    class Mover:
        heard: list = []  # noqa: RUF012 (a test's notebook)

        @hook
        def saving(self, picture, plan):
            plan.folder, plan.name, plan.infotext = tmp_path / "mine", "best", plan.infotext + ", Mood: good"

        @hook
        def saved(self, picture, path):
            self.heard.append((picture.index, path))

    room = rooms()
    room.hooks.register(Mover(), "mover")
    room.save(0)
    assert Mover.heard == [(0, tmp_path / "mine" / "00000-best.png")]
    assert room.history.get(room.saved[0].id).infotext == "text 0, Mood: good"
    with Image.open(tmp_path / "mine" / "00000-best.png") as image:
        assert image.text["parameters"] == "text 0, Mood: good"


def test_a_listener_that_fails_costs_no_picture(rooms):
    class Broken:
        @hook
        def saving(self, plan):
            plan.folder = None
            raise ValueError("oh no")

        @hook
        def saved(self):
            raise ValueError("again")

    room = rooms()
    room.hooks.register(Broken(), "broken")
    room.save(0)
    assert room.saved[0].path.exists()
    assert {problem.moment for problem in room.hooks.problems} == {"saving", "saved"}


def test_a_folder_that_cannot_be_written_fails_the_job_and_keeps_the_pixels_elsewhere(rooms, tmp_path):
    room = rooms(outdir_txt2img_samples=str(tmp_path / "occupied" / "below"))
    (tmp_path / "occupied").write_text("a file, not a folder")
    room.save(1)
    rescued = tmp_path / "data" / "rescued" / "00000-8.png"
    assert [record.path for record in room.saved] == [rescued]
    with Image.open(rescued) as image:
        assert image.getpixel((0, 0)) == (40, 40, 40)
        assert image.text["parameters"] == "text 1"
    ((job, message, hint),) = room.failed
    assert job == room.job.id
    assert "occupied" in message
    assert f"It was saved as {rescued}." in message
    assert hint


def test_a_setting_that_does_not_fit_costs_no_pixels(rooms, tmp_path):
    room = rooms()
    room.saver._settings._environment["EASEL_SAMPLES_FORMAT"] = "bmp"  # as given to the process
    room.save(1)
    assert room.saved[0].path == tmp_path / "data" / "rescued" / "00000-8.png"
    assert "'bmp'" in room.failed[0][1]


def test_a_picture_that_the_history_cannot_take_is_said_with_its_place(rooms, tmp_path):
    room = rooms()
    room.database.close()
    room.save(0)
    (path,) = (tmp_path / "outputs").rglob("*.png")
    assert room.failed[0][1].startswith(f"The picture {path} is not in the history.")


def test_when_there_is_no_place_at_all_the_job_fails_and_the_saver_goes_on(rooms, tmp_path):
    room = rooms(outdir_txt2img_samples=str(tmp_path / "occupied"))
    for place in (tmp_path / "occupied", tmp_path / "data" / "rescued"):
        place.write_text("a file, not a folder")
    room.save(0)
    assert room.saved == []
    assert room.failed[0][1].startswith("A picture could not be saved.")
    (tmp_path / "occupied").unlink()
    room.save(1)
    assert len(room.saved) == 1


def test_a_slow_disk_makes_the_device_wait_rather_than_fill_the_memory(rooms):
    room, may_go = rooms(), threading.Event()
    room.saver.after_pictures(lambda: may_go.wait(10))  # the disk is busy
    given = []

    def device() -> None:
        for index in range(MOST_UNSAVED + 3):
            pixels = np.zeros((64, 64, 3), np.uint8)
            room.saver.save(room.job, Picture(pixels, index, REQUEST.for_picture(0), Facts(7), ""))
            given.append(index)

    thread = threading.Thread(target=device)
    thread.start()
    thread.join(0.3)
    assert len(given) == MOST_UNSAVED
    may_go.set()
    thread.join(10)
    room.wait()
    assert len(room.saved) == MOST_UNSAVED + 3


@pytest.mark.parametrize("beside", [True, False])
def test_settings_are_written_beside_pictures_where_that_is_wished(rooms, beside):
    room = rooms(save_txt=beside)
    room.save(0)
    text = room.saved[0].path.with_suffix(".txt")
    assert text.is_file() == beside
    assert not beside or text.read_text() == "text 0"
    assert (room.folders.data / "params.txt").read_text() == "text 0"

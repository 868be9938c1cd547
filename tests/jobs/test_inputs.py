"""Pictures that people bring are kept by their content."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy
import pytest

from modules.core.errors import UserError
from modules.imaging.save import encode
from modules.jobs.inputs import InputPictures
from modules.jobs.queue import NotFound
from modules.jobs.tidying import UNTOUCHED
from tests.jobs.painting import PaintingEngine, finished, open_studio

PIXELS = numpy.arange(4 * 6 * 3, dtype=numpy.uint8).reshape(4, 6, 3)


@pytest.fixture
def inputs(tmp_path: Path) -> InputPictures:
    return InputPictures(tmp_path / "inputs")


def test_a_stored_picture_gives_back_its_pixels_its_size_and_its_text(inputs: InputPictures) -> None:
    stored = inputs.add(encode(PIXELS, "png", "a cat 猫\nSteps: 20")[0])
    assert (stored.width, stored.height, stored.infotext) == (6, 4, "a cat 猫\nSteps: 20")
    assert numpy.array_equal(inputs.pixels(stored.id), PIXELS)
    assert inputs.get(stored.id) == stored


def test_equal_pixels_are_one_file_whatever_file_they_came_in(inputs: InputPictures, tmp_path: Path) -> None:
    first = inputs.add(encode(PIXELS, "png")[0])
    again = inputs.add_pixels(PIXELS)
    assert first.id == again.id
    assert len(list((tmp_path / "inputs").rglob("*.png"))) == 1
    assert inputs.add_pixels(PIXELS.reshape(6, 4, 3)).id != first.id


def test_transparency_is_kept(inputs: InputPictures) -> None:
    clear = numpy.full((2, 2, 4), 7, numpy.uint8)
    assert numpy.array_equal(inputs.pixels(inputs.add_pixels(clear).id), clear)


@pytest.mark.parametrize("wanted", ["", "f" * 32, "../../../etc/passwd", "0" * 31 + "g", "é" * 32])
def test_an_unknown_id_is_not_found_and_never_a_path(inputs: InputPictures, wanted: str) -> None:
    with pytest.raises(NotFound, match="There is no picture"):
        inputs.get(wanted)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be kept in"):
        InputPictures(tmp_path / "inputs").add_pixels(PIXELS)


def test_pictures_that_nothing_needs_are_dropped_when_nobody_asked_for_them_in_a_long_time(tmp_path: Path) -> None:
    with open_studio(tmp_path, PaintingEngine()) as studio:
        old = time.time() - UNTOUCHED - 1
        kept = [studio.inputs.store.add_pixels(PIXELS + number) for number in range(6)]
        painted, erased, batch, listed, asked, _ = kept
        size = {"width": 64, "height": 64, "steps": 1}
        jobs = [
            finished(studio, studio.submit({"init_image": painted.id, "mask": painted.id, **size}, "inpaint").id),
            finished(studio, studio.submit({"init_image": erased.id, **size}, "img2img").id),
            finished(studio, studio.submit({"batch_files": batch.id, **size}, "img2img").id),
        ]
        finished(studio, studio.submit({"init_image": listed.id, "prompt": "nan", **size}, "img2img").id)
        for job in jobs:
            studio.dismiss(job.id)
        studio.library.put_into_trash(jobs[1].pictures)
        studio.library.empty_trash()
        for one in kept:
            os.utime(one.path, (old, old))
        studio.inputs.get(asked.id)
        studio.inputs.tidying.begin()
        studio.inputs.tidying.close()
        assert [one.path.exists() for one in kept] == [True, False, True, True, True, False]

"""A picture once more: what is painted, and what is known beforehand to differ."""

from __future__ import annotations

import numpy
import pytest

from modules.core.errors import UserError
from modules.imaging.difference import Difference, difference
from modules.imaging.incoming import plain_pixels
from modules.imaging.save import encode
from modules.jobs.queue import NotFound
from modules.text.styles import Style
from tests.jobs.painting import PaintingEngine, finished, open_studio

LINE = "Steps: 3, Sampler: Euler, CFG scale: 7, Seed: 9, Size: 64x128"


@pytest.fixture
def studio(tmp_path):
    with open_studio(tmp_path, PaintingEngine()) as opened:
        yield opened


def made(studio, **values):
    """The first picture of a job with these values."""
    job = finished(studio, studio.submit({"prompt": "a cat", "steps": 1, "width": 64, "height": 64, **values}).id)
    return studio.pictures_of(job)


def apart(first: bytes, second: bytes) -> Difference:
    return difference(plain_pixels(first), plain_pixels(second))


def pixels(studio, job) -> bytes:
    return studio.inputs.file_of(finished(studio, job.id).pictures[0])


def test_a_picture_of_the_history_is_painted_again_the_same(studio) -> None:
    first, second = made(studio, seed=40, batch_count=2)
    job, found = studio.reproduce(picture=second.id)
    assert found.differences == []
    assert (job.request.seed, job.request.pictures, job.tab) == (41, 1, "txt2img")
    again = pixels(studio, job)
    assert apart(again, studio.inputs.file_of(second.id)).mean == 0
    assert apart(again, studio.inputs.file_of(first.id)).equal == 0


def test_what_will_differ_is_said_beforehand(studio) -> None:
    text = f"a cat\n{LINE}, Model hash: 0011223344, Model: tow, ADetailer model: face, Version: v1.10.1"
    job, found = studio.reproduce(text)
    assert (job.request.seed, job.request.checkpoint, job.request.noise_source) == (9, "toy", "NV")
    said = " ".join(found.differences)
    for words in ("tow [0011223344] is not here: toy is used", "ADetailer model: face", "RNG GPU", "A1111 v1.10.1"):
        assert words in said


def test_a_picture_that_started_from_another_one_needs_it(studio) -> None:
    start = studio.inputs.add(encode(numpy.zeros((64, 64, 3), numpy.uint8), "png")[0])
    (record,) = made(studio, init_image=start.id, denoising_strength=0.5)
    job, found = studio.reproduce(picture=record.id)
    assert (job.request.init_image, job.tab, found.differences) == (start.id, "img2img", [])
    job, found = studio.reproduce(record.infotext)
    assert job.request.init_image == ""
    assert "painted from another picture" in found.differences[0]
    start.path.unlink()
    assert "painted from another picture" in studio.reproduce(picture=record.id)[1].differences[0]


@pytest.mark.parametrize("text", ["", "just words", "two\nlines"])
def test_a_text_without_settings_is_refused(studio, text) -> None:
    with pytest.raises(UserError, match="without settings"):
        studio.reproduce(text)


def test_an_unknown_picture_is_named(studio) -> None:
    with pytest.raises(NotFound, match="999"):
        studio.reproduce(picture=999)


def test_an_empty_text_pasted_means_the_last_generation(studio) -> None:
    with pytest.raises(UserError, match="no generation yet"):
        studio.paste("")
    made(studio, seed=77)
    assert studio.paste(" \n").values["seed"] == 77
    made(studio, seed=78, batch_count=3)
    assert studio.paste("").values["seed"] == 78
    assert (studio.folders.data / "params.txt").read_text().startswith("a cat")


def test_styles_in_a_pasted_prompt_are_chosen_instead_of_their_words(studio) -> None:
    studio.styles.save(Style("warm", "warm light"))
    values = studio.paste(f"a cat, warm light\n{LINE}").values
    assert (values["prompt"], values["styles"]) == ("a cat", "warm")
    assert studio.filled({"prompt": values["prompt"], "styles": values["styles"]}).prompt == "a cat, warm light"

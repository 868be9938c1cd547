"""What is looked up before a job that starts from pictures is queued."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from modules.core.errors import UserError
from modules.core.request import GenerationRequest
from modules.imaging.save import encode
from modules.jobs.inputs import InputPictures
from modules.jobs.starting import started
from tests.jobs.painting import finished, open_studio

PIXELS = numpy.zeros((8, 8, 3), numpy.uint8)


@pytest.fixture
def inputs(tmp_path: Path) -> InputPictures:
    return InputPictures(tmp_path / "inputs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    for name in ("b.png", "a.JPG", ".hidden.png"):
        (place / name).write_bytes(encode(PIXELS, "png")[0])
    (place / "notes.txt").write_text("no picture")
    (place / "folder.png").mkdir()
    return place


def test_a_folder_means_the_pictures_in_it_by_name(inputs, folder):
    kept = inputs.add_pixels(PIXELS).id
    request = started(GenerationRequest(batch_files=f"{folder}\n\n {kept} \n{folder / 'b.png'}"), inputs, "img2img")
    assert request.files == (str(folder / "a.JPG"), str(folder / "b.png"), kept, str(folder / "b.png"))
    assert request.pictures == 4


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"batch_files": "/nowhere/at/all"}, "There is no file or folder '/nowhere/at/all' here."),
        ({"batch_files": "EMPTY"}, "There are no pictures in "),
        ({"batch_files": "f" * 32}, "There is no file or folder 'f"),
        ({"batch_files": "FOLDER", "batch_png_info": "Seed, Weather"}, "'Weather' cannot be taken from a file's text."),
    ],
)
def test_what_is_not_there_is_named(inputs, folder, tmp_path, values, sentence):
    (tmp_path / "empty").mkdir()
    places = {"FOLDER": str(folder), "EMPTY": str(tmp_path / "empty")}
    values = {**values, "batch_files": places.get(values["batch_files"], values["batch_files"])}
    with pytest.raises(UserError) as refused:
        started(GenerationRequest(**values), inputs, "img2img")
    assert refused.value.message.startswith(sentence)


def test_results_can_go_to_a_folder_of_ones_own_under_the_names_of_their_files(tmp_path, folder):
    with open_studio(tmp_path / "program") as studio:
        values = {"batch_files": str(folder), "batch_output": str(tmp_path / "out"), "steps": 1}
        job = finished(studio, studio.submit({**values, "width": 64, "height": 64}, "img2img").id)
        assert job.state == "finished"
        assert len(job.pictures) == 2
        assert {studio.picture(one).path.parent for one in job.pictures} == {tmp_path / "out"}

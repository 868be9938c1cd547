"""What the Extras tab sends becomes a complete request, or a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.imaging.png import png
from modules.jobs.extras import extras_request
from modules.jobs.inputs import InputPictures
from modules.jobs.models import Models
from tests.conftest import folders_in
from tests.toy import write_toy_upscaler

PIXELS = np.zeros((40, 60, 3), np.uint8)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    folders = folders_in(tmp_path, tmp_path / "Stable-diffusion/absent.safetensors")
    write_toy_upscaler(folders.models / "ESRGAN/RealESRGAN_x4plus.safetensors")
    (folders.models / "ESRGAN/torn.pth").write_bytes(b"PK\x03\x04 torn")
    return Models(folders)


@pytest.fixture
def inputs(tmp_path: Path) -> InputPictures:
    return InputPictures(tmp_path / "inputs")


def test_names_are_completed_and_no_checkpoint_is_asked_for(models: Models, inputs: InputPictures) -> None:
    picture = inputs.add_pixels(PIXELS).id
    request = extras_request(
        {"init_image": picture, "upscaler_1": "R-ESRGAN 4x+", "upscaler_2": "none"}, models, inputs
    )
    assert (request.extras, request.upscaler_1, request.upscaler_2) == (True, "RealESRGAN_x4plus", "None")
    assert models.upscaler_names() == ["Lanczos", "Nearest", "RealESRGAN_x4plus"]


def test_folders_are_opened_and_kept_pictures_may_stand_among_files(
    models: Models, inputs: InputPictures, tmp_path: Path
) -> None:
    (tmp_path / "holiday").mkdir()
    for name in ("b.png", "a.png"):
        (tmp_path / "holiday" / name).write_bytes(png(PIXELS, {}))
    kept = inputs.add_pixels(PIXELS).id
    request = extras_request({"batch_files": f"{tmp_path / 'holiday'}\n{kept}", "init_image": kept}, models, inputs)
    assert request.files == (str(tmp_path / "holiday/a.png"), str(tmp_path / "holiday/b.png"), kept)
    assert request.pictures == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "There is no picture to enlarge"),
        ({"init_image": "0" * 32}, "There is no picture"),
        ({"batch_files": "/nowhere/at/all"}, "There is no file or folder '/nowhere/at/all'"),
        ({"upscaler_1": "None"}, "Nothing is chosen that could be done"),
        ({"upscaler_1": "torn"}, "torn.pth"),
        ({"restorer": "x9000"}, "There is no model called 'x9000'"),
        ({"picture": True, "upscaling_resize": 64, "upscaler_1": "Nearest"}, "would have 192000 x 128000 pixels"),
        ({"upscaling_resize": 1000}, "Factor is 1000, but must be at most 64"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_queued(
    models: Models, inputs: InputPictures, values: dict, words: str
) -> None:
    if values.pop("picture", False):
        values["init_image"] = inputs.add_pixels(np.zeros((2000, 3000, 3), np.uint8)).id
    with pytest.raises(UserError, match=words):
        extras_request(values, models, inputs)

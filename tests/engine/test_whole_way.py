"""From a file that somebody brings to the PNG on disk: queue, engine and saver together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image

from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.engine.engine import Engine
from modules.imaging.save import encode
from modules.jobs.inputs import InputPictures
from modules.studio import Studio
from tests.conftest import folders_in
from tests.jobs.painting import finished
from tests.toy import write_toy_upscaler

PIXELS = numpy.random.default_rng(6).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)
SMALL = {"steps": 2, "width": 64, "height": 64, "prompt": "a red house"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path) -> Iterator[Studio]:
    folders, hooks = folders_in(tmp_path_factory.mktemp("way"), toy_checkpoint), Hooks()
    settings = Settings(folders.settings, environment={})
    write_toy_upscaler(folders.models / "ESRGAN/double.safetensors")
    kept = InputPictures(folders.inputs)

    def open_engine() -> Engine:
        return Engine(folders, hooks, inputs=kept.pixels, texts=lambda picture: kept.get(picture).infotext)

    studio = Studio(folders, settings, hooks, open_engine)
    studio.start("")
    yield studio
    studio.close()


def read(path: Path) -> numpy.ndarray:
    with Image.open(path) as image:
        return numpy.asarray(image)


def test_outside_of_the_mask_the_saved_file_is_the_original_to_the_bit(studio) -> None:
    mask = numpy.zeros((64, 64, 3), numpy.uint8)
    mask[20:40, 20:40] = 255
    picture, painted = (studio.inputs.add(encode(pixels, "png")[0]).id for pixels in (PIXELS, mask))
    job = finished(studio, studio.submit({**SMALL, "init_image": picture, "mask": painted}, "inpaint").id)
    assert (job.state, job.message) == ("finished", "")
    record = studio.picture(job.pictures[0])
    saved, kept = read(record.path), numpy.ones((64, 64), bool)
    kept[10:50, 10:50] = False
    assert numpy.array_equal(saved[kept], PIXELS[kept])
    assert (saved[20:40, 20:40] != PIXELS[20:40, 20:40]).any()
    assert record.path.is_relative_to(studio.folders.outputs / "img2img-images")
    assert "Denoising strength: 0.75" in record.infotext
    again = finished(studio, studio.resubmit(job.id).id)
    assert numpy.array_equal(read(studio.picture(again.pictures[0]).path), saved)


def test_a_folder_goes_in_and_a_folder_comes_out(studio, tmp_path) -> None:
    for name in ("sun.png", "moon.jpg"):
        (tmp_path / name).write_bytes(encode(PIXELS, name.partition(".")[2])[0])
    (tmp_path / "broken.png").write_bytes(b"")
    values = {**SMALL, "batch_files": str(tmp_path), "batch_output": "painted"}
    job = finished(studio, studio.submit(values, "img2img").id)
    assert job.state == "finished"
    names = [studio.picture(one).path.name for one in job.pictures]
    assert names == ["moon.png", "sun.png"]
    assert (studio.folders.outputs / "painted" / "sun.png").is_file()


def test_what_came_out_can_be_started_from_again(studio) -> None:
    job = finished(studio, studio.submit(SMALL).id)
    stored = studio.inputs.from_history(job.pictures[0])
    assert numpy.array_equal(studio._inputs.pixels(stored.id), read(studio.picture(job.pictures[0]).path))
    extended = studio.submit({**SMALL, "init_image": stored.id, "outpaint_right": 32}, "inpaint")
    record = studio.picture(finished(studio, extended.id).pictures[0])
    assert (record.width, record.height) == (96, 64)
    assert "Init image hash" in record.infotext


def test_what_came_out_is_enlarged_in_extras_with_its_story(studio) -> None:
    painted = studio.picture(finished(studio, studio.submit({**SMALL, "seed": 77}).id).pictures[0])
    stored = studio.inputs.from_history(painted.id)
    values = {"init_image": stored.id, "upscaler_1": "double", "upscaling_resize": 2}
    job = finished(studio, studio.submit(values, "extras").id)
    assert (job.state, job.message) == ("finished", "")
    record = studio.picture(job.pictures[0])
    assert (record.width, record.height, record.seed, record.prompt) == (128, 128, 77, "a red house")
    assert record.infotext == f"{painted.infotext}, Postprocess upscale by: 2, Postprocess upscaler: double"
    assert record.path.is_relative_to(studio.folders.outputs / "extras-images")
    assert record.path.name.endswith("-77.png")
    again = finished(studio, studio.resubmit(job.id).id)
    assert numpy.array_equal(read(studio.picture(again.pictures[0]).path), read(record.path))


def test_a_folder_is_enlarged_into_a_folder(studio, tmp_path) -> None:
    for name in ("sun.png", "moon.jpg"):
        (tmp_path / name).write_bytes(encode(PIXELS[:32, :48], name.partition(".")[2])[0])
    values = {"batch_files": str(tmp_path), "batch_output": "large", "upscaling_resize": 3}
    job = finished(studio, studio.submit(values, "extras").id)
    assert [studio.picture(one).path.name for one in job.pictures] == ["moon.png", "sun.png"]
    assert read(studio.folders.outputs / "large" / "sun.png").shape == (96, 144, 3)


def test_a_broken_upscaler_fails_the_job_with_a_sentence(studio) -> None:
    folder = studio.folders.models / "ESRGAN"
    whole = (folder / "double.safetensors").read_bytes()
    (folder / "changed.safetensors").write_bytes(whole.replace(b"conv_hr", b"convxhr"))
    picture = studio.inputs.add(encode(PIXELS, "png")[0]).id
    studio.refresh()
    job = finished(studio, studio.submit({"init_image": picture, "upscaler_1": "changed"}, "extras").id)
    assert job.state == "failed"
    assert job.message.startswith("changed.safetensors cannot be loaded")

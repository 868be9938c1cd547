from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core import infotext
from modules.core.errors import Stopped, UserError
from modules.core.events import Event, Noticed, Preview, Step
from modules.core.hooks import Hooks, hook
from modules.core.pictures import Picture
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.engine.engine import Engine
from modules.imaging.png import png
from modules.jobs.inputs import InputPictures
from tests.conftest import folders_in
from tests.engine.conftest import pictures
from tests.toy import write_toy_upscaler

TEXT = (
    "a cat, sitting\nNegative prompt: dogs\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 80x64, Model: toy"
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, shared_hooks: Hooks, inputs: InputPictures) -> Iterator[Engine]:
    """An engine with an upscaler and without any checkpoint."""
    root = tmp_path_factory.mktemp("bare")
    folders = folders_in(root, root / "Stable-diffusion/absent.safetensors")
    write_toy_upscaler(folders.models / "ESRGAN/double.safetensors")
    engine = Engine(folders, shared_hooks, inputs=inputs.pixels, texts=lambda picture: inputs.get(picture).infotext)
    yield engine
    engine.close()


Told = Callable[..., list[Event]]


@pytest.fixture
def told(bare: Engine) -> Told:
    """The events of one Extras job."""

    def told(stop: StopToken | None = None, **values: Any) -> list[Event]:
        events: list[Event] = []
        bare.generate("job", GenerationRequest.checked({"extras": True, **values}), events.append, stop or StopToken())
        return events

    return told


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    return (np.stack([np.sin(x / 5), np.cos(y / 4), np.sin((x + y) / 6)], -1) * 100 + 128).astype(np.uint8)


def _entries(picture: Picture) -> dict[str, str]:
    return infotext.split(picture.infotext)[2]


def test_a_picture_is_enlarged_without_a_checkpoint_and_keeps_its_story(
    told: Told, inputs: InputPictures, waves: np.ndarray
) -> None:
    kept = inputs.add_pixels(waves, TEXT)
    events = told(init_image=kept.id, upscaler_1="double", upscaling_resize=2.5, upscale_tile=16, upscale_overlap=4)
    (picture,) = pictures(events)
    assert picture.pixels.shape == (75, 100, 3)
    assert picture.infotext == f"{TEXT}, Postprocess upscale by: 2.5, Postprocess upscaler: double"
    assert (picture.facts.seed, picture.facts.model) == (5, "toy")
    assert (picture.request.prompt, picture.request.negative_prompt) == ("a cat, sitting", "dogs")
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].step == steps[-1].steps > 10
    assert [event.step for event in steps] == sorted(event.step for event in steps)
    (preview,) = [event for event in events if isinstance(event, Preview)]
    assert (preview.width, preview.height) == (100, 75)


def test_a_picture_without_a_story_tells_only_what_was_done_to_it(
    told: Told, inputs: InputPictures, waves: np.ndarray
) -> None:
    (picture,) = pictures(told(init_image=inputs.add_pixels(waves).id))
    assert picture.infotext.startswith("Postprocess upscale by: 4, Postprocess upscaler: Lanczos, Version: ")
    assert picture.facts.seed == -1
    assert infotext.read(picture.infotext).values["prompt"] == ""


def test_two_upscalers_are_blended_as_much_as_the_second_is_visible(
    told: Told, inputs: InputPictures, waves: np.ndarray
) -> None:
    given = {"init_image": inputs.add_pixels(waves).id, "upscaling_resize": 2}
    first, second, both = (
        pictures(told(**given, **choice))[0].pixels.astype(float)
        for choice in (
            {"upscaler_1": "Nearest"},
            {"upscaler_1": "double"},
            {"upscaler_1": "Nearest", "upscaler_2": "double", "extras_upscaler_2_visibility": 0.25},
        )
    )
    assert np.abs(both - (first * 0.75 + second * 0.25)).max() <= 0.5
    (picture,) = pictures(told(**given, upscaler_2="double", extras_upscaler_2_visibility=0.25))
    assert _entries(picture)["Postprocess upscaler 2"] == "double"
    assert _entries(picture)["Postprocess upscaler 2 visibility"] == "0.25"


def test_the_order_of_restoring_and_enlarging_can_be_chosen(
    told: Told, inputs: InputPictures, waves: np.ndarray
) -> None:
    given = {"init_image": inputs.add_pixels(waves).id, "upscaling_resize": 2, "restorer": "double"}
    before, after = (pictures(told(**given, upscale_first=first))[0] for first in (False, True))
    assert before.pixels.shape == after.pixels.shape == (60, 80, 3)
    assert not np.array_equal(before.pixels, after.pixels)
    assert "Postprocess upscale first" in after.infotext and "upscale first" not in before.infotext
    (alone,) = pictures(told(**{**given, "upscaler_1": "None"}))
    assert alone.pixels.shape == (30, 40, 3) and not np.array_equal(alone.pixels, waves)


def test_a_size_is_filled_and_cropped(told: Told, inputs: InputPictures, waves: np.ndarray) -> None:
    size = {"upscaling_mode": "Scale to", "upscaling_resize_w": 60, "upscaling_resize_h": 60}
    (picture,) = pictures(told(init_image=inputs.add_pixels(waves).id, upscaler_1="Nearest", **size))
    assert picture.pixels.shape == (60, 60, 3)
    assert np.array_equal(picture.pixels, waves.repeat(2, 0).repeat(2, 1)[:, 10:70])
    assert _entries(picture)["Postprocess upscale to"] == "80x60"
    assert _entries(picture)["Postprocess crop to"] == "60x60"


def test_transparency_is_enlarged_too(told: Told, inputs: InputPictures, waves: np.ndarray) -> None:
    see_through = np.dstack([waves, np.full(waves.shape[:2], 77, np.uint8)])
    (picture,) = pictures(told(init_image=inputs.add_pixels(see_through).id, upscaler_1="double", upscaling_resize=2))
    assert picture.pixels.shape == (60, 80, 4)
    assert (picture.pixels[..., 3] == 77).all()


def test_of_several_files_a_broken_one_is_left_out(told: Told, tmp_path: Path, waves: np.ndarray) -> None:
    (tmp_path / "good.png").write_bytes(png(waves, {"parameters": TEXT}))
    (tmp_path / "broken.png").write_bytes(png(waves, {})[:300])
    Image.fromarray(waves).save(tmp_path / "plain.webp", lossless=True)
    files = "\n".join(str(tmp_path / name) for name in ("good.png", "broken.png", "plain.webp"))
    events = told(batch_files=files, upscaling_resize=2)
    assert [picture.source for picture in pictures(events)] == ["good", "plain"]
    assert pictures(events)[0].infotext.startswith(f"{TEXT}, Postprocess")
    (noticed,) = [event for event in events if isinstance(event, Noticed)]
    assert noticed.message.startswith("broken.png is left out.")


def test_between_two_tiles_the_job_can_be_stopped(bare: Engine, inputs: InputPictures, waves: np.ndarray) -> None:
    stop, steps = StopToken(), []

    def hear(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event.step)
            if event.step == 2:
                stop.interrupt()

    values = {"extras": True, "init_image": inputs.add_pixels(waves).id, "upscaler_1": "double", "upscale_tile": 8}
    with pytest.raises(Stopped):
        bare.generate("job", GenerationRequest.checked(values), hear, stop)
    assert steps[-1] == 2


def test_extensions_may_change_the_result(told: Told, hooks: Hooks, inputs: InputPictures, waves: np.ndarray) -> None:
    class Darkening:
        @hook
        def picture_ready(self, run: Any, draft: Any) -> None:
            draft.pixels //= 2
            draft.notes["Darkened"] = True

    given = {"init_image": inputs.add_pixels(waves).id, "upscaler_1": "Nearest", "upscaling_resize": 1}
    hooks.register(Darkening(), "listener")
    (picture,) = pictures(told(**given))
    assert np.array_equal(picture.pixels, waves // 2)
    assert "Darkened: True" in picture.infotext


def test_an_upscaler_that_is_not_there_fails_the_job_with_a_sentence(
    told: Told, inputs: InputPictures, waves: np.ndarray
) -> None:
    with pytest.raises(UserError, match="There is no model called 'tripel'"):
        told(init_image=inputs.add_pixels(waves).id, upscaler_1="tripel")

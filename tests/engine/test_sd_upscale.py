"""SD upscale: the script that paints an enlarged picture tile by tile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modules.core import infotext
from modules.core.errors import UserError
from modules.core.events import Event, Step
from modules.core.hooks import Hooks, hook
from modules.core.request import GenerationRequest
from modules.core.scripts import SCRIPTS, prepared
from modules.engine.engine import Engine
from modules.imaging.png import png
from modules.jobs.inputs import InputPictures
from modules.plugins.discover import discover
from modules.plugins.load import load_all
from tests.engine.conftest import pictures, told

NAME = "SD upscale"


@pytest.fixture(autouse=True, scope="module")
def loaded() -> Iterator[None]:
    """The built-in script, as the program loads it."""
    before = NAME in SCRIPTS.names()
    if not before:
        load_all([one for one in discover([]) if one.name == "sd_upscale"], Hooks())
    yield
    if not before:
        SCRIPTS.remove(NAME)


@pytest.fixture
def picture(inputs: InputPictures) -> str:
    """A smooth picture of 96 x 64 pixels."""
    x, y = np.meshgrid(np.linspace(0, 1, 96), np.linspace(0, 1, 64))
    return inputs.add_pixels((np.stack([x, y, (x + y) / 2], -1) * 200 + 30).astype(np.uint8)).id


def _upscaled(engine: Engine, picture: str, overlap: int = 32, factor: float = 4 / 3, **changes: Any) -> list[Event]:
    """The events of a job with tiles of 64 x 64 pixels."""
    arguments = {"overlap": overlap, "upscaler": "Lanczos", "scale_factor": factor}
    values = {"init_image": picture, "denoising_strength": 0.4, **changes, "scripts": {NAME: arguments}}
    whole = prepared(GenerationRequest.checked({"seed": 7, **values}), GenerationRequest.checked)
    return told(engine, **{**values, "scripts": whole.scripts})


def test_the_picture_comes_out_enlarged_as_one_with_a_story_of_its_own(engine: Engine, picture: str) -> None:
    events = _upscaled(engine, picture)
    (made,) = pictures(events)
    assert made.pixels.shape == (85, 128, 3)
    assert (made.index, made.facts.seed) == (0, 7)
    entries = infotext.split(made.infotext)[2]
    assert (entries["SD upscale overlap"], entries["SD upscale upscaler"]) == ("32", "Lanczos")
    assert (entries["Size"], entries["Seed"], entries["Denoising strength"]) == ("64x64", "7", "0.4")
    original = engine._inputs(picture)
    assert entries["Init image hash"] == hashlib.md5(original.tobytes(), usedforsecurity=False).hexdigest()
    steps = [event for event in events if isinstance(event, Step)]
    assert (steps[-1].pictures, steps[-1].last) == (6, 5)


@pytest.mark.parametrize(("overlap", "tiles", "steepest"), [(32, 6, 20), (0, 4, 160)])
def test_tiles_give_way_to_each_other_gradually(
    engine: Engine, hooks: Hooks, picture: str, overlap: int, tiles: int, steepest: int
) -> None:
    """The worst case: each tile comes out plainly grey, lighter or darker than its neighbours by 160 levels. Over the
    middle half of the overlap one becomes the other; without an overlap the step is there at once.
    """
    seen: list[int] = []

    class Grey:
        @hook
        def decoded(self, batch: Any, images: Any) -> Any:
            seen.append(batch.seeds[0])
            columns = 3 if tiles == 6 else 2
            row, column = divmod(len(seen) - 1, columns)
            return images * 0 + (40 + 160 * ((row + column) % 2)) / 255

    hooks.register(Grey(), "listener")
    (made,) = pictures(_upscaled(engine, picture, overlap))
    assert len(seen) == len(set(seen)) == tiles
    pixels = made.pixels.astype(int)
    assert (pixels.min(), pixels.max()) == (40, 200)
    assert max(np.abs(np.diff(pixels, axis=axis)).max() for axis in (0, 1)) == pytest.approx(steepest, rel=0.3)


def test_every_wanted_picture_of_every_file_is_made(engine: Engine, tmp_path: Path) -> None:
    small = np.full((24, 40, 3), 128, np.uint8)
    for name in ("sun", "moon"):
        (tmp_path / f"{name}.png").write_bytes(png(small, {}))
    files = "\n".join(str(tmp_path / f"{name}.png") for name in ("sun", "moon"))
    made = pictures(_upscaled(engine, "", factor=1.5, batch_files=files, batch_count=2))
    assert [(one.index, one.source, one.facts.seed) for one in made] == [
        *((0, "sun", 7), (1, "sun", 8)),
        *((2, "moon", 7), (3, "moon", 8)),
    ]
    assert {one.pixels.shape for one in made} == {(36, 60, 3)}


def test_what_does_not_go_together_is_said_before_it_is_queued() -> None:
    request = GenerationRequest(init_image="x", scripts={NAME: {}})
    for changes, words in (({"mask": "y"}, "there is a mask"), ({"loopback": 2}, "cannot be looped back")):
        with pytest.raises(UserError, match=words):
            prepared(request.model_copy(update=changes), GenerationRequest.checked)
    with pytest.raises(UserError, match="Scale factor is 99, but must be at most 16"):
        prepared(GenerationRequest(scripts={NAME: {"scale_factor": 99}}), GenerationRequest.checked)


def test_a_size_beyond_all_measure_fails_the_job(engine: Engine, inputs: InputPictures) -> None:
    large = inputs.add_pixels(np.zeros((1100, 1100, 3), np.uint8)).id
    with pytest.raises(UserError, match="17600 x 17600 pixels"):
        _upscaled(engine, large, factor=16)

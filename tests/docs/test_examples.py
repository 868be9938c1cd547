"""Every example of docs/extensions.md is loaded as an extension and does at its moment what it says."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from docs.extensions import EXAMPLES, moments
from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.diffusion.guidance import Conditional, Step
from modules.engine.engine import Engine
from modules.engine.sample import Sampling
from modules.gui.layout import Ui
from modules.plugins.discover import Extension
from modules.plugins.load import load_all
from modules.studio import Studio
from modules.weights.precision import named_precision
from tests.conftest import folders_in


def listening(folder: Path, names: list[str]) -> Hooks:
    """Hooks with these examples, each in a folder of its own as people install them."""
    hooks = Hooks()
    extensions = []
    for name in names:
        place = folder / "installed" / f"example_{name}"
        place.mkdir(parents=True)
        (place / "extension.py").write_text((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8")
        extensions.append(Extension(place.name, place))
    assert load_all(extensions, hooks) == [extension.name for extension in extensions]
    return hooks


@dataclass(frozen=True)
class Painted:
    """What came of a job of two pictures, painted with every example at once."""

    hooks: Hooks
    studio: Studio
    paths: list[Path]
    infotexts: list[str]
    printed: str
    logged: list[str]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path) -> Iterator[Painted]:
    folder = tmp_path_factory.mktemp("examples")
    folders = folders_in(folder, toy_checkpoint)
    hooks = listening(folder, moments())
    settings = Settings(folder / "config.json", environment={})
    precision = named_precision("fp32", cpu=True)
    studio = Studio(
        folders, settings, hooks, lambda: Engine(folders, hooks, precision=precision, settings=settings.all)
    )
    printed, logged = io.StringIO(), _Kept()
    log = logging.getLogger("easel")
    level = log.level
    log.addHandler(logged)
    log.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(printed):
            job = _finished(
                studio, {"prompt": "a cat", "negative_prompt": "fog", "steps": 35, "batch_size": 2, "seed": 5}
            )
        assert (job.state, job.message) == ("finished", "")
        records = studio.pictures_of(job)
        yield Painted(
            hooks,
            studio,
            [one.path for one in records],
            [one.infotext for one in records],
            printed.getvalue(),
            logged.said,
        )
    finally:
        studio.close()
        log.removeHandler(logged)
        log.setLevel(level)


class _Kept(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _finished(studio: Studio, values: dict):
    studio.start("")
    job = studio.submit(values)
    patience = time.monotonic() + 120
    while not (job := studio.job(job.id)).over and time.monotonic() < patience:
        time.sleep(0.02)
    return job


def test_every_moment_has_an_example_and_every_example_a_moment() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(moments())


def test_no_example_fails_anywhere_in_a_job(painted: Painted) -> None:
    assert painted.hooks.problems == []
    assert len(painted.paths) == 2


def test_generation_starting_holds_the_steps_down_and_says_so(painted: Painted) -> None:
    assert "Steps: 30," in painted.infotexts[0]
    assert "Steps asked for: 35" in painted.infotexts[0]


def test_generating_logs_the_time(painted: Painted) -> None:
    assert any(line.startswith("Job ") and line.endswith(" seconds.") for line in painted.logged)


def test_batch_starting_adds_words(painted: Painted) -> None:
    assert all(text.startswith("a cat, soft light\n") for text in painted.infotexts)


def test_prompts_ready_counts_words(painted: Painted) -> None:
    assert "Words: 4" in painted.infotexts[0]


def test_decoded_takes_the_colours_out(painted: Painted) -> None:
    pixels = np.asarray(Image.open(painted.paths[0]))
    assert (pixels == pixels[..., :1]).all()
    assert pixels.std() > 0


def test_picture_ready_draws_a_frame(painted: Painted) -> None:
    pixels = np.asarray(Image.open(painted.paths[0]))
    assert not pixels[[0, -1]].any()
    assert not pixels[:, [0, -1]].any()
    assert pixels[1:-1, 1:-1].any()
    assert "Frame: black" in painted.infotexts[0]


def test_saving_sorts_by_checkpoint(painted: Painted) -> None:
    assert {path.parent.name for path in painted.paths} == {"toy"}


def test_saved_writes_the_text_beside_the_picture(painted: Painted) -> None:
    for path, infotext in zip(painted.paths, painted.infotexts, strict=True):
        assert path.with_suffix(".txt").read_text(encoding="utf-8") == infotext


def test_generation_finished_rings_the_bell(painted: Painted) -> None:
    assert painted.printed == "\a"


def test_model_loaded_says_where_it_computes(painted: Painted) -> None:
    assert "The checkpoint computes on cpu in torch.float32." in painted.logged


def test_infotext_pasted_leaves_the_seed(painted: Painted) -> None:
    values = painted.studio.paste(painted.infotexts[0]).values
    assert values["prompt"] == "a cat, soft light"
    assert "seed" not in values


def test_closing_logs_the_number_of_pictures(painted: Painted) -> None:
    painted.hooks.call("closing")
    assert painted.logged[-1] == "2 pictures were saved."


@pytest.fixture
def hooks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hooks]:
    """Only the example that the test is named after: test_<moment>__..."""
    hooks = listening(tmp_path, [request.node.name.removeprefix("test_").split("__")[0]])
    yield hooks
    assert hooks.problems == []


def step(index: int = 0) -> Step:
    tensor = torch.full((1, 4, 2, 2), 2.0)
    return Step(tensor, torch.tensor(3.0), index, [Conditional(tensor)], tensor, 7.0)


def test_sampling_starting__mirrors_the_noise(hooks: Hooks) -> None:
    sampling = Sampling(torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(1)), torch.tensor([1.0, 0.0]))
    hooks.call("sampling_starting", run=None, batch=None, sampling=sampling)
    assert torch.equal(sampling.x, sampling.x.flip(-1))
    assert 0.97 < float(sampling.x.std()) < 1.03


def test_guiding__leaves_two_steps_unguided(hooks: Hooks) -> None:
    scales = []
    for index in range(4):
        hooks.call("guiding", run=None, step=(one := step(index)))
        scales.append(one.scale)
    assert scales == [1, 1, 7.0, 7.0]


def test_predicted__weakens_the_negative_prompt(hooks: Hooks) -> None:
    one = step()
    one.cond_denoised, one.uncond_denoised = [torch.ones(1)], torch.zeros(1)
    hooks.call("predicted", run=None, step=one)
    assert float(one.uncond_denoised) == pytest.approx(0.2)
    one.uncond_denoised = None
    hooks.call("predicted", run=None, step=one)
    assert one.uncond_denoised is None


def test_guided__holds_the_range(hooks: Hooks) -> None:
    one = step()
    one.denoised = torch.tensor([-9.0, 0.5, 9.0])
    hooks.call("guided", run=None, step=one)
    assert one.denoised.tolist() == [-4.0, 0.5, 4.0]


def test_sampled__raises_the_contrast(hooks: Hooks) -> None:
    changed = hooks.changed("sampled", torch.ones(2), argument="latents", run=None, batch=None)
    assert changed.tolist() == pytest.approx([1.05, 1.05])


def test_offering_masks__finds_what_is_dark(hooks: Hooks) -> None:
    masks: dict = {}
    hooks.call("offering_masks", masks=masks)
    assert masks["Shadows"](np.array([[[10, 20, 30], [10, 90, 10]]], np.uint8)).tolist() == [[True, False]]


def test_building_ui__adds_a_tab(hooks: Hooks) -> None:
    import gradio as gr

    ui = Ui()
    hooks.call("building_ui", ui=ui)
    with gr.Blocks() as page:
        ui.tabs[0].build()
    assert ui.tabs[0].label == "Mirror"
    assert any(isinstance(block, gr.Textbox) for block in page.blocks.values())


def test_app_ready__adds_a_route(hooks: Hooks) -> None:
    web = FastAPI()
    hooks.call("app_ready", web=web)
    assert TestClient(web).get("/ext/dice").json()["eyes"] in range(1, 7)

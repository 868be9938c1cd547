"""The example extension adds everything that it says: a parameter, a setting, a sampler, a tab and a route."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from starlette.testclient import TestClient

from modules.core.hooks import Hooks
from modules.core.params import EXTENSION_PARAMS
from modules.core.registry import SAMPLERS
from modules.core.request import GenerationRequest
from modules.core.settings import SETTINGS
from modules.gui.layout import Ui
from modules.plugins.discover import discover
from modules.plugins.load import load_all
from tests.conftest import ROOT


@pytest.fixture
def hooks() -> Hooks:
    hooks = Hooks()
    extensions = [one for one in discover([ROOT / "extensions"]) if one.name == "example"]
    assert load_all(extensions, hooks) == ["example"]
    yield hooks
    assert hooks.problems == []


@pytest.mark.usefixtures("hooks")
def test_its_parameter_and_its_setting_are_declared() -> None:
    assert EXTENSION_PARAMS.get("vignette").label == "Vignette"
    assert SETTINGS.get("vignette_softness").default == 2.0


@pytest.mark.usefixtures("hooks")
def test_its_sampler_finds_the_picture_in_a_model_that_knows_it() -> None:
    wanted = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    seen = []
    x = SAMPLERS.get("midpoint").function(
        lambda x, sigma: wanted,
        torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 14,
        torch.tensor([14.0, 4.0, 1.0, 0.0]),
        noise=None,
        step=lambda i, x, sigma, denoised: seen.append((i, sigma)),
    )
    assert torch.allclose(x, wanted, atol=1e-5)
    assert seen == [(0, 14.0), (1, 4.0), (2, 1.0)]


def vignetted(hooks: Hooks, extra: dict) -> np.ndarray:
    run = SimpleNamespace(request=GenerationRequest(extra=extra), settings={"vignette_softness": 2.0})
    draft = SimpleNamespace(pixels=np.full((33, 65, 3), 200, np.uint8))
    hooks.call("picture_ready", run=run, draft=draft)
    return draft.pixels


def test_its_vignette_darkens_the_corners_and_leaves_the_middle(hooks: Hooks) -> None:
    pixels = vignetted(hooks, {"vignette": 0.5})
    assert (pixels[16, 32] == 200).all()
    assert (pixels[0, 0] == 100).all()
    assert pixels.dtype == np.uint8


def test_without_the_parameter_no_pixel_changes(hooks: Hooks) -> None:
    assert (vignetted(hooks, {}) == 200).all()


def test_its_tab_is_built(hooks: Hooks) -> None:
    import gradio as gr

    ui = Ui()
    hooks.call("building_ui", ui=ui)
    (tab,) = ui.tabs
    assert (tab.label, tab.elem_id) == ("Example", "tab_example")
    with gr.Blocks() as page:
        tab.build()
    assert any("example extension" in getattr(block, "value", "") for block in page.blocks.values())


def test_its_route_answers(hooks: Hooks) -> None:
    web = FastAPI()
    hooks.call("app_ready", web=web)
    answer = TestClient(web).get("/ext/example/hello")
    assert answer.json() == {"message": "Hello from the example extension."}

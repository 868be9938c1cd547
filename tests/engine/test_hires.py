"""Hires fix: the second pass, in A1111's order of operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modules.core.errors import UserError
from modules.core.events import Step
from modules.core.hooks import hook
from modules.core.infotext import read
from modules.core.registry import SAMPLERS
from modules.core.request import GenerationRequest
from modules.core.sections.hires import LATENT_UPSCALERS
from modules.diffusion.denoiser import ModelSigmas
from modules.diffusion.noise import NoiseSource
from modules.diffusion.schedules import sigmas_for
from modules.engine.hires import second_size
from modules.engine.resize import resized_latents

from .conftest import SMALL, pictures, told

HIRES = {"enable_hr": True, "denoising_strength": 0.7, "steps": 4}


def made(engine, **values):
    return pictures(told(engine, **{**HIRES, **values}))


class Watching:
    """Keeps what sampling starts from, and what it ends with."""

    def __init__(self):
        self.started, self.finished = [], []

    @hook
    def sampling_starting(self, sampling):
        self.started.append((sampling.x.clone(), sampling.sigmas.clone()))

    @hook
    def sampled(self, latents):
        self.finished.append(latents.clone())


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ({}, (128, 128)),
        ({"hr_scale": 1.5}, (96, 96)),
        ({"hr_scale": 1.3}, (80, 80)),
        ({"hr_resize_x": 128}, (128, 128)),
        ({"hr_resize_y": 96}, (96, 96)),
        ({"hr_resize_x": 128, "hr_resize_y": 96}, (128, 96)),
    ],
)
def test_the_second_pass_has_the_size_that_was_asked_for(engine, said, size):
    request = GenerationRequest.checked({**SMALL, **HIRES, **said})
    assert second_size(request) == size
    assert made(engine, **said)[0].pixels.shape == (size[1], size[0], 3)


def test_it_starts_from_the_first_ones_latents_with_new_noise_of_the_same_seed(engine, hooks):
    watching = Watching()
    hooks.register(watching, "listener")
    made(engine, sampler="Euler", hr_upscaler="Latent (nearest-exact)", hr_second_pass_steps=5)
    (_, first), (x, second) = watching.started
    levels = sigmas_for(SAMPLERS.get("Euler"), "Automatic", int(5 / 0.7), ModelSigmas.scaled_linear())
    assert len(first) == 5
    torch.testing.assert_close(second, levels[-6:])
    noise = NoiseSource([SMALL["seed"]]).starting((4, 16, 16))
    large = resized_latents(watching.finished[0], 16, 16, "Latent (nearest-exact)")
    torch.testing.assert_close(x, large + noise * second[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("upscaler", [*LATENT_UPSCALERS, "Lanczos", "Nearest"])
def test_every_upscaler_makes_a_picture_of_its_own(engine, upscaler):
    picture = made(engine, hr_upscaler=upscaler, denoising_strength=0.3)[0]
    assert f"Hires upscaler: {upscaler}" in picture.infotext
    other = made(engine, hr_upscaler="Latent (bicubic)" if upscaler == "Latent" else "Latent", denoising_strength=0.3)
    assert (picture.pixels != other[0].pixels).any()


def test_the_text_says_it_all_and_makes_the_same_picture_again(engine):
    said = {
        "hr_scale": 1.5,
        "hr_second_pass_steps": 3,
        "hr_sampler_name": "Euler",
        "hr_scheduler": "Karras",
        "hr_prompt": "a blue boat, again",
        "hr_negative_prompt": "fog: grey",
        "hr_cfg": 3.0,
        "denoising_strength": 0.6,
    }
    picture = made(engine, **said)[0]
    text = picture.infotext
    assert "Denoising strength: 0.6" in text
    assert "Hires upscale: 1.5, Hires steps: 3" in text
    assert 'Hires prompt: "a blue boat, again"' in text
    again = read(text).values
    assert again["enable_hr"]
    assert {name: again[name] for name in said} == said
    same = pictures(told(engine, **{name: value for name, value in again.items() if name != "noise_source"}))
    assert (same[0].pixels == picture.pixels).all()


def test_a_text_without_hires_switches_it_off():
    assert read("x\nSteps: 3, Sampler: Euler, CFG scale: 4, Seed: 1, Size: 64x64").values["enable_hr"] is False
    resized = read("x\nSteps: 3, Sampler: Euler, Seed: 1, Size: 64x64, Hires resize: 0x128, Hires upscaler: Latent")
    assert (resized.values["hr_resize_x"], resized.values["hr_resize_y"], resized.values["enable_hr"]) == (0, 128, True)


def test_progress_counts_both_passes(engine):
    steps = [event for event in told(engine, **HIRES, hr_second_pass_steps=2) if isinstance(event, Step)]
    assert [(step.step, step.steps) for step in steps] == [(i, 6) for i in range(1, 7)]


def test_a_batch_equals_its_singles(engine):
    batch = made(engine, batch_size=2)
    alone = made(engine, seed=SMALL["seed"] + 1)[0]
    assert np.abs(batch[1].pixels.astype(int) - alone.pixels).max() <= 1


def test_a_picture_takes_the_place_of_the_first_pass(engine, inputs, hooks):
    kept = inputs.add_pixels(pictures(told(engine, steps=4))[0].pixels)
    watching = Watching()
    hooks.register(watching, "listener")
    picture = made(engine, firstpass_image=kept.id, hr_upscaler="Lanczos")[0]
    assert picture.pixels.shape == (128, 128, 3)
    assert len(watching.started) == 1


def test_a_prompt_that_does_not_change_is_encoded_once(engine):
    calls = []
    told(engine)
    hook_handle = engine._model.weights.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    made(engine, prompt="something else entirely")
    hook_handle.remove()
    assert len(calls) == 1


def test_hires_and_a_picture_to_start_from_exclude_each_other():
    with pytest.raises(UserError, match="hires fix starts from noise"):
        GenerationRequest.checked({**SMALL, **HIRES, "init_image": "abc"})


def test_a_size_that_cannot_be_made_is_refused(engine):
    with pytest.raises(UserError, match="second pass would be"):
        made(engine, hr_resize_x=8)

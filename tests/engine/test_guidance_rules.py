"""Guidance beyond the CFG scale, through the engine, and each rule alone where its formula is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modules.core.infotext import read
from modules.diffusion.guidance import Conditional, Guidance
from modules.diffusion.guiding import Fitting, Perturbing, Projecting, Rescaling, Skipping
from modules.engine.rules import MOMENTS, acting

from .conftest import pictures, told

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * 5
SIGMA = torch.tensor(5.0)
POSITIVE, NEGATIVE = (torch.full((1, 1, 1), value) for value in (2.0, -1.0))


def world(x, sigma, conditioning):
    """Denoised latents that depend on what the prompt says, differently at every place."""
    said = conditioning[:, 0, 0, None, None, None]
    return 0.1 * x + said * torch.sin(torch.arange(256.0)).view(4, 8, 8)


def guided(rule, scale=6.0, model=world, calls=1):
    listeners = {moment: functions[0] for moment in MOMENTS if (functions := acting([rule], moment))}
    guidance = Guidance(model, [Conditional(POSITIVE)], NEGATIVE, scale, [10.0, 5.0, 1.0, 0.0], **listeners)
    return [guidance(X, SIGMA) for _ in range(calls)]


def predictions():
    return world(X, SIGMA, POSITIVE.expand(2, 1, 1)), world(X, SIGMA, NEGATIVE.expand(2, 1, 1))


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (Skipping(4, early=0.3), [2, 2, 4, 4]),
        (Skipping(4, below=6.0), [4, 2, 4, 2]),
        (Skipping(4, below=6.0, all_steps=True), [2, 2, 2, 2]),
        (Skipping(4, below=4.0, all_steps=True), [4, 4, 4, 4]),
    ],
)
def test_skipping_leaves_the_negative_prompt_out_when_a1111_does(rule, rows):
    seen = []
    guided(rule, model=lambda x, sigma, c: seen.append(len(x)) or world(x, sigma, c), calls=4)
    assert seen == rows


def test_rescaling_gives_the_noise_the_deviation_of_the_plain_one():
    positive, _ = predictions()
    result = guided(Rescaling(1.0, "epsilon"))[0]
    torch.testing.assert_close((X - result).std((1, 2, 3)), (X - positive).std((1, 2, 3)))
    plain = guided(object())[0]
    half = guided(Rescaling(0.5, "epsilon"))[0]
    torch.testing.assert_close(X - half, ((X - result) + (X - plain)) / 2)


def test_rescaling_looks_at_v_where_the_network_predicts_v():
    positive, _ = predictions()
    result = guided(Rescaling(1.0, "v_prediction"))[0]
    scaled = X / (1 + SIGMA**2)
    torch.testing.assert_close((scaled - result).std((1, 2, 3)), (scaled - positive).std((1, 2, 3)))


def test_projecting_adds_nothing_along_the_positive_prediction():
    positive, _ = predictions()
    added = guided(Projecting())[0] - positive
    along = (added * positive).flatten(1).sum(1) / (added.flatten(1).norm(dim=1) * positive.flatten(1).norm(dim=1))
    torch.testing.assert_close(along, torch.zeros(2), atol=1e-4, rtol=0)
    assert added.abs().max() > 0.1


def test_fitting_scales_the_negative_noise_to_the_positive_one():
    positive, negative = predictions()
    plain, other = (X - positive).flatten(1), (X - negative).flatten(1)
    fit = (plain * other).sum(1, keepdim=True) / other.square().sum(1, keepdim=True)
    wanted = fit * other + 6.0 * (plain - fit * other)
    torch.testing.assert_close((X - guided(Fitting())[0]).flatten(1), wanted, atol=1e-4, rtol=1e-4)


def test_perturbing_goes_away_from_the_blind_prediction():
    class Blind:
        on = False

        def __enter__(self):
            self.on = True

        def __exit__(self, *error):
            self.on = False

    blind = Blind()

    def model(x, sigma, conditioning):
        return world(x, sigma, conditioning) - (0.5 if blind.on else 0.0)

    result = guided(Perturbing(3.0, model, lambda: blind), model=model)[0]
    torch.testing.assert_close(result, guided(object())[0] + 1.5)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"guidance_method": "APG"}, "Guidance method: APG"),
        ({"guidance_method": "CFG-Zero*"}, "Guidance method: CFG-Zero*"),
        ({"cfg_rescale": 0.7}, "CFG Rescale: 0.7"),
        ({"pag_scale": 3.0}, "PAG scale: 3"),
        ({"s_min_uncond": 4.0}, "NGMS: 4"),
        ({"s_min_uncond": 4.0, "s_min_uncond_all": True}, "NGMS: 4, NGMS all steps: True"),
        ({"skip_early_cond": 0.2}, "Skip Early CFG: 0.2"),
    ],
)
def test_a_rule_changes_the_picture_and_is_in_its_text(engine, option, text):
    picture = pictures(told(engine, steps=5, **option))[0]
    assert not np.array_equal(picture.pixels, pictures(told(engine, steps=5))[0].pixels)
    assert text in picture.infotext
    again = read(picture.infotext).values
    assert {name: again[name] for name in option} == option


def test_the_unet_sees_as_before_when_perturbing_is_over(engine):
    plain = pictures(told(engine))[0].pixels
    told(engine, pag_scale=3.0)
    assert np.array_equal(pictures(told(engine))[0].pixels, plain)

"""Seeds with variations, and what samplers and schedules are told beyond their name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modules.catalog.beside import write_card
from modules.core.errors import UserError
from modules.core.hooks import Hooks, hook
from modules.core.infotext import read
from modules.core.registry import SAMPLERS
from modules.core.request import GenerationRequest
from modules.diffusion.noise import NoiseSource, slerp
from modules.diffusion.schedules import custom_levels
from modules.engine.engine import Engine
from modules.engine.options import options_of
from tests.conftest import folders_in
from tests.toy import ARCHITECTURE, write_toy_checkpoint

from .conftest import pictures, told


def made(engine, **values):
    return pictures(told(engine, **{"steps": 4, "sampler": "Euler a", **values}))


def pixels(engine, **values):
    return made(engine, **values)[0].pixels


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"eta": 0.3}, "Eta: 0.3"),
        ({"eta_noise_seed_delta": 31337}, "ENSD: 31337"),
        ({"s_noise": 0.9}, "Sigma noise: 0.9"),
        ({"sampler": "Heun", "s_churn": 2.0}, "Sigma churn: 2"),
        ({"sampler": "DDIM", "eta_ddim": 0.5}, "Eta DDIM: 0.5"),
        ({"sampler": "LMS", "sampler_options": "order=2"}, "Sampler options: order=2"),
        ({"schedule": "Karras", "rho": 3.0}, "Schedule rho: 3"),
        ({"schedule": "Karras", "sigma_min": 0.3}, "Schedule min sigma: 0.3"),
        ({"schedule": "Karras", "sigma_max": 9.0}, "Schedule max sigma: 9"),
        ({"schedule": "Beta", "beta_dist_alpha": 0.9}, "Beta schedule alpha: 0.9"),
        ({"always_discard_next_to_last_sigma": True}, "Discard penultimate sigma: True"),
        ({"sd_noise_schedule": "Zero Terminal SNR"}, "Noise Schedule: Zero Terminal SNR"),
        ({"sgm_noise_multiplier": True}, "SGM noise multiplier: True"),
        ({"custom_sigmas": "9, 3, 1"}, 'Custom sigmas: "9, 3, 1"'),
        ({"subseed": 9, "subseed_strength": 0.5}, "Variation seed: 9, Variation seed strength: 0.5"),
        ({"seed_resize_from_w": 64, "seed_resize_from_h": 128}, "Seed resize from: 64x128"),
    ],
)
def test_an_option_changes_the_picture_and_is_in_its_text(engine, option, text):
    same = {name: value for name, value in option.items() if name in ("sampler", "schedule")}
    picture = made(engine, **option)[0]
    assert (picture.pixels != pixels(engine, **same)).any()
    assert text in picture.infotext
    again = read(picture.infotext).values
    assert {name: again[name] for name in option} == option
    assert (pixels(engine, **{name: again[name] for name in option}) == picture.pixels).all()


def test_an_option_that_the_sampler_does_not_have_is_not_in_the_text(engine):
    text = made(engine, sampler="DPM++ 2M", eta=0.3, s_churn=3.0, beta_dist_alpha=0.9)[0].infotext
    assert not any(key in text for key in ("Eta", "Sigma churn", "Beta"))


def test_a_further_option_that_is_none_is_refused_with_those_there_are(engine):
    with pytest.raises(UserError) as refusal:
        told(engine, sampler="DPM adaptive", sampler_options="rtoll=1")
    assert "DPM adaptive has:" in refusal.value.hint
    assert "rtol=0.05" in refusal.value.hint
    with pytest.raises(UserError, match="no number"):
        told(engine, sampler="DPM adaptive", sampler_options="rtol=much")


def test_every_option_of_every_sampler_has_a_field_or_can_be_named():
    for entry in SAMPLERS:
        for name, default in options_of(entry).items():
            assert isinstance(default, int | float), (entry.name, name)


@pytest.mark.parametrize("text", ["", "1", "0", "1, 2", "3, 1, -1", "5, nan, 1", "5, inf", "a, b", "3, 3, 0"])
def test_levels_that_do_not_descend_are_refused(text):
    if text == "1":
        assert custom_levels(text).tolist() == [1.0, 0.0]
        return
    with pytest.raises(UserError, match="Custom sigmas"):
        custom_levels(text)


def test_a_variation_counts_its_own_seed_on(engine):
    batch = made(engine, seed=5, subseed=20, subseed_strength=0.4, batch_count=2, batch_size=2)
    assert [(one.request.seed, one.request.subseed) for one in batch] == [(5, 20), (5, 21), (5, 22), (5, 23)]
    alone = pixels(engine, seed=5, subseed=22, subseed_strength=0.4)
    assert np.abs(batch[2].pixels.astype(int) - alone).max() <= 1


class Started:
    """Sees what sampling starts from."""

    def __init__(self):
        self.seen = []

    @hook
    def sampling_starting(self, sampling):
        self.seen.append((sampling.x, sampling.sigmas[0]))


def test_the_noise_of_a_variation_lies_between_those_of_its_seeds(engine, hooks):
    started = Started()
    hooks.register(started, "listener")
    made(engine, seed=5, subseed=20, subseed_strength=0.25)
    x, sigma = started.seen[-1]
    own, other = (NoiseSource([seed]).starting(tuple(x.shape[1:]))[0] for seed in (5, 20))
    torch.testing.assert_close(x[0], slerp(0.25, own, other) * sigma)


def test_tiling_lets_opposite_edges_meet(engine):
    plain = pixels(engine, width=128, steps=8)
    tiled = made(engine, width=128, steps=8, tiling=True)[0]
    assert "Tiling: True" in tiled.infotext
    assert (tiled.pixels != plain).any()
    unet = engine._model.weights.unet
    x, t, text = torch.randn(1, 4, 8, 16), torch.tensor([500.0]), torch.randn(1, 77, unet.config.cross_attention_dim)
    with torch.inference_mode():
        rolled = unet(x.roll(8, dims=3), t, text).sample
        torch.testing.assert_close(rolled, unet(x, t, text).sample.roll(8, dims=3), atol=1e-4, rtol=1e-4)
    assert (pixels(engine, width=128, steps=8) == plain).all()


def test_a_checkpoint_that_declares_it_is_painted_with_from_pure_noise_on(engine, tmp_path):
    wanted = pixels(engine, sd_noise_schedule="Zero Terminal SNR")
    path = write_toy_checkpoint(tmp_path / "z.safetensors", architecture={**ARCHITECTURE, "zero_terminal_snr": True})
    other = Engine(folders_in(tmp_path / "data", path), Hooks())
    try:
        assert (pixels(other) == wanted).all()
        assert other.levels(GenerationRequest(schedule="Karras"))[0] == pytest.approx(4518.76, rel=1e-5)
        write_card(path, {"easel": {"zero_terminal_snr": False}})  # the owner's word, with the model open
        assert (pixels(other) == pixels(engine)).all()
    finally:
        other.close()


def test_the_levels_of_a_schedule_can_be_asked_for_beforehand(engine):
    asked = GenerationRequest.checked({"sampler": "Euler", "schedule": "Karras", "steps": 6, "rho": 3.0})
    levels = engine.levels(asked)
    assert len(levels) == 7
    assert levels[-1] == 0
    assert levels == sorted(levels, reverse=True)
    assert engine.levels(asked.model_copy(update={"custom_sigmas": "5, 2"})) == [5, 2, 0]
    with pytest.raises(UserError, match="Custom sigmas"):
        engine.levels(asked.model_copy(update={"custom_sigmas": "5, 7"}))

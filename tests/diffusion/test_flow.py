"""Flow models: their levels, their denoiser, and every sampler on worlds whose velocity is known in closed form."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from modules.core.errors import UserError
from modules.core.registry import SAMPLERS, SCHEDULES
from modules.diffusion.denoiser import denoiser_for
from modules.diffusion.flow import FlowSigmas, fitted, shifted
from modules.diffusion.noise import NoiseSource
from modules.diffusion.resampling import resampled
from modules.diffusion.schedules import sigmas_for
from modules.diffusion.strength import Keeping, last_steps, partial_steps

from .mixture import CENTRES, denoise

SD3, DEV, SCHNELL = FlowSigmas(3.0, schedule="Normal"), FlowSigmas(math.exp(1.15)), FlowSigmas(1.0)
EULER = SAMPLERS.get("Euler")
NAMES = SAMPLERS.names()
SHAPE = (4, 24, 24)
MEAN, DEVIATION = 0.8, 0.5


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """The clean latents to expect under x where every one of them is normal, with `MEAN` and `DEVIATION`."""
    share, alpha, variance = float(sigma), 1 - float(sigma), DEVIATION**2
    return MEAN + alpha * variance / (alpha**2 * variance + share**2) * (x - alpha * MEAN)


def pictures(x: Tensor, sigma: Tensor) -> Tensor:
    """The world of `mixture` seen as a flow: x / (1 - sigma) is latents + sigma / (1 - sigma) * noise."""
    alpha = max(1 - float(sigma), 1e-6)
    return denoise(x / alpha, torch.tensor(float(sigma) / alpha))


def options_of(entry) -> dict[str, float]:
    """The options of a sampler, with their defaults."""
    declared = inspect.signature(entry.function).parameters.values()
    return {one.name: one.default for one in declared if one.default is not one.empty}


def drawn_by(
    name: str, sigmas: Tensor, trained: FlowSigmas, *, model=gaussian, x=None, shape=SHAPE, wrap=None, **given
):
    """What a sampler makes of noise, or of `x`, as the engine runs it."""
    entry, source = SAMPLERS.get(name), NoiseSource((5,), source="CPU")
    start = source.starting(shape) * sigmas[0]
    brownian = entry.facts.get("noise") == "brownian" and wrap is None
    noise = source.brownian(shape, sigmas) if brownian else source.ancestral(shape)
    options = {**options_of(entry), **given}
    sampler = fitted(entry, options, trained)
    step = options.pop("step", lambda *told: None)
    sampler = wrap(sampler) if wrap else sampler
    return sampler(model, start if x is None else x, sigmas, noise=noise, step=step, **options)


# Levels.


@pytest.mark.parametrize("steps", [1, 4, 20, 28, 50])
def test_automatic_levels_are_those_of_the_same_scheduler_of_diffusers(steps):
    """SD 3's pipeline leaves them to the scheduler; FLUX' gives it even times."""
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(steps)
    torch.testing.assert_close(sigmas_for(EULER, "Automatic", steps, SD3), theirs.sigmas, atol=2e-6, rtol=0)
    for trained in (DEV, SCHNELL):
        theirs = FlowMatchEulerDiscreteScheduler(shift=trained.shift)
        theirs.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps))
        torch.testing.assert_close(sigmas_for(EULER, "Automatic", steps, trained), theirs.sigmas, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", ["Karras", "Exponential", "Beta"])
def test_other_schedules_are_as_diffusers_has_them_for_flow_models(name):
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0, **{f"use_{name.lower()}_sigmas": True})
    theirs.set_timesteps(20)
    torch.testing.assert_close(sigmas_for(EULER, name, 20, SD3), theirs.sigmas, atol=5e-6, rtol=0)


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_a_schedule_goes_from_pure_noise_to_none_or_is_refused_by_name(name, steps):
    try:
        sigmas = sigmas_for(EULER, name, steps, DEV)
    except UserError as refusal:
        assert name in refusal.message
        assert "Simple" in refusal.hint
        assert name in ("DDIM", "Align Your Steps", "Align Your Steps 32")
    else:
        assert sigmas.shape == (steps + 1,)
        assert sigmas[0] == pytest.approx(1.0, abs=1e-6)
        assert sigmas[-1] < 0.02
        assert name not in ("Align Your Steps", "Align Your Steps 32")


@pytest.mark.parametrize("name", NAMES)
def test_automatic_means_even_steps_whatever_the_sampler_is_used_to(name):
    sigmas = sigmas_for(SAMPLERS.get(name), "Automatic", 20, DEV)
    discards = bool(SAMPLERS.get(name).facts.get("discard_penultimate"))
    even = shifted(1 - torch.arange(20 + discards) / (20 + discards), DEV.shift)[:20]
    torch.testing.assert_close(sigmas[: 20 - discards], even[: 20 - discards], atol=1e-5, rtol=0)


def test_times_and_levels_are_each_others_inverse():
    for place in (0.0, 2.5, 500.0, 999.0):
        assert SD3.timestep(SD3.sigmas_at(torch.tensor(place)).item()) == pytest.approx(place, abs=1e-3)
    assert (SD3.sigma_max, SD3.sigmas[499].item()) == pytest.approx((1.0, 0.75))
    assert (SD3.timestep(0.0), SD3.timestep(2.0)) == (0.0, 999.0)


def test_levels_of_other_models_are_refused():
    with pytest.raises(UserError, match=r"Schedule max sigma: 14\.6 is too high"):
        sigmas_for(EULER, "Karras", 5, SD3, sigma_max=14.6)
    assert sigmas_for(EULER, "Karras", 5, SD3, sigma_max=0.7)[0] == pytest.approx(0.7)


# The denoiser.


@pytest.mark.parametrize("sigma", [0.01, 0.5, 1.0])
def test_a_perfect_velocity_gives_the_clean_latents(sigma):
    generator, seen = torch.Generator().manual_seed(0), {}
    latents, noise = torch.randn(2, 2, 4, 8, 8, generator=generator)

    def network(x, t, conditioning):
        seen.update(x=x, t=t)
        return noise - latents

    x = SD3.noised(latents, noise, sigma)
    torch.testing.assert_close(x, (1 - sigma) * latents + sigma * noise)
    denoised = denoiser_for("flow", network, SD3)(x, torch.tensor(sigma), None)
    torch.testing.assert_close(denoised, latents, atol=1e-5, rtol=1e-5)
    assert torch.equal(seen["x"], x)
    assert seen["t"].tolist() == pytest.approx([1000 * sigma] * 2)


# Samplers.


def narrowest(name: str, usual: float) -> float:
    """The least spread to expect: some narrow every world, of whatever model, LCM by its jumps, SMEA by scaling x."""
    return {"LCM": 0.25, "Euler SMEA Dy": 0.1}.get(name, usual)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trained", [SD3, SCHNELL], ids=["SD 3", "schnell"])
def test_a_sampler_gives_the_mean_and_the_spread_of_the_world(name, trained):
    """As near as it comes in 50 steps."""
    drawn = drawn_by(name, sigmas_for(SAMPLERS.get(name), "Automatic", 50, trained), trained)
    assert drawn.mean() == pytest.approx(MEAN, abs=0.03)
    assert narrowest(name, 0.4) < drawn.std() < 0.56


@pytest.mark.parametrize("name", NAMES)
def test_a_sampler_finds_a_picture_of_the_world(name):
    drawn = drawn_by(name, sigmas_for(SAMPLERS.get(name), "Automatic", 30, DEV), DEV, model=pictures, shape=(4, 8, 8))
    distance = (drawn.double() - CENTRES).square().flatten(1).sum(1).min().sqrt()
    assert distance < 1.25 * (256 * 0.05) ** 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_give_finite_numbers(name, steps):
    drawn = drawn_by(name, sigmas_for(SAMPLERS.get(name), "Automatic", steps, SCHNELL), SCHNELL)
    assert drawn.mean() == pytest.approx(MEAN, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.1, 0.6])
def test_a_picture_is_painted_over_as_much_as_was_asked_for(name, strength):
    """A world that is met already: what noise is laid over it, and taken away, leaves its mean and spread."""
    generator = torch.Generator().manual_seed(2)
    latents, noise = torch.randn(2, 1, *SHAPE, generator=generator)
    steps, done = partial_steps(40, strength)
    sigmas = last_steps(sigmas_for(SAMPLERS.get(name), "Automatic", steps, DEV), done)
    x = DEV.noised(MEAN + DEVIATION * latents, noise, sigmas[0].item())
    drawn = drawn_by(name, sigmas, DEV, x=x)
    assert drawn.mean() == pytest.approx(MEAN, abs=0.04)
    assert narrowest(name, 0.37) < drawn.std() < 0.56
    change = (drawn - MEAN - DEVIATION * latents).std()
    assert change < 0.55 if strength < 0.2 else change > 0.25


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("times", [1, 3])
def test_what_a_mask_keeps_is_kept_and_what_it_leaves_free_is_of_the_world(name, times):
    mask = torch.zeros(1, 1, *SHAPE[1:])
    mask[..., 12:] = 1
    original = torch.linspace(-1, 1, 24).view(1, 1, 24, 1).expand(1, *SHAPE)
    sigmas = sigmas_for(SAMPLERS.get(name), "Automatic", 16, DEV)
    keeping = Keeping(gaussian, original, mask, sigmas)
    wrap = (lambda sampler: resampled(sampler, times, DEV)) if times > 1 else None
    drawn = drawn_by(name, sigmas, DEV, model=keeping, wrap=wrap)
    if not SAMPLERS.get(name).facts.get("other_sizes"):
        torch.testing.assert_close(drawn[..., :12], original[..., :12], atol=2e-3, rtol=0)
    assert drawn[..., 12:].mean() == pytest.approx(MEAN, abs=0.05)
    assert narrowest(name, 0.35) < drawn[..., 12:].std() < 0.6


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("DPM fast", "DPM adaptive", "Restart")])
def test_each_step_is_told_once_with_the_very_level_of_its_schedule(name):
    """The model hears of the same levels: masks and prompts that change on the way count them."""
    sigmas, told, asked = sigmas_for(SAMPLERS.get(name), "Automatic", 6, DEV), [], []

    def model(x, sigma):
        asked.append(float(sigma))
        return gaussian(x, sigma)

    drawn_by(name, sigmas, DEV, model=model, step=lambda i, x, sigma, denoised: told.append((i, sigma)))
    if "Dy" in name:  # these count the level before the noise that they add
        assert [i for i, _ in told] == list(range(6))
        return
    assert told == list(enumerate(sigmas[:-1].tolist()))
    assert set(sigmas[:-1].tolist()) <= set(asked)


def test_euler_goes_where_the_same_scheduler_of_diffusers_goes():
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    theirs, x = FlowMatchEulerDiscreteScheduler(shift=3.0), noise
    theirs.set_timesteps(12)
    for t in theirs.timesteps:
        share = t / 1000
        x = theirs.step((x - gaussian(x, share)) / share, t, x, return_dict=False)[0]
    ours = drawn_by("Euler", sigmas_for(EULER, "Automatic", 12, SD3), SD3, x=noise)
    torch.testing.assert_close(ours, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["Euler a", "DPM++ 2M SDE", "DPM++ SDE", "TCD", "DPM fast"])
def test_a_batch_gives_what_its_pictures_give_alone(name):
    entry, sigmas = SAMPLERS.get(name), sigmas_for(SAMPLERS.get(name), "Automatic", 6, DEV)

    def made(*seeds):
        source = NoiseSource(seeds, source="CPU")
        x = source.starting((4, 8, 8)) * sigmas[0]
        brownian = entry.facts.get("noise") == "brownian"
        noise = source.brownian((4, 8, 8), sigmas) if brownian else source.ancestral((4, 8, 8))
        sampler = fitted(entry, options_of(entry), DEV)
        return sampler(gaussian, x, sigmas, noise=noise, step=lambda *told: None)

    assert torch.equal(made(7, 8, 9), torch.cat([made(7), made(8), made(9)]))


def test_churn_adds_noise_that_the_next_steps_take_away():
    for name in ("Euler", "Heun", "DPM2", "HeunPP2"):
        sigmas = sigmas_for(SAMPLERS.get(name), "Simple", 60, DEV)
        churned = drawn_by(name, sigmas, DEV, s_churn=8.0)
        assert (churned - drawn_by(name, sigmas, DEV)).abs().max() > 0.1
        assert churned.mean() == pytest.approx(MEAN, abs=0.03)
        assert 0.42 < churned.std() < 0.55

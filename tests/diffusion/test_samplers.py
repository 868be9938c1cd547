import inspect
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler, TCDScheduler, UniPCMultistepScheduler

from modules.core.errors import Stopped, UserError
from modules.core.registry import SAMPLERS
from modules.diffusion.denoiser import ModelSigmas
from modules.diffusion.samplers import starting_scale
from modules.diffusion.samplers_euler import adams_weights, restart_steps
from modules.diffusion.schedules import sigmas_for

from .mixture import CENTRES, PARITY, SHAPE, denoise, sampled

MODEL = ModelSigmas.scaled_linear()
FINALS = sorted(name for name in PARITY if name.startswith("final/"))
NAMES = SAMPLERS.names()


@pytest.mark.parametrize("case", FINALS)
def test_a_sampler_ends_where_k_diffusion_ends(case):
    _, name, schedule, steps = case.split("/")
    entry = SAMPLERS.get(name)
    result = sampled(entry, sigmas_for(entry, schedule, int(steps), MODEL))
    torch.testing.assert_close(result, PARITY[case], atol=1e-5, rtol=0)


def test_every_sampler_of_the_list_is_registered_under_its_aliases():
    expected = {
        "DPM++ 2M": "k_dpmpp_2m",
        "DPM++ SDE": "k_dpmpp_sde",
        "DPM++ 2M SDE": "k_dpmpp_2m_sde",
        "DPM++ 2M SDE Heun": "k_dpmpp_2m_sde_heun",
        "DPM++ 2S a": "k_dpmpp_2s_a",
        "DPM++ 3M SDE": "k_dpmpp_3m_sde",
        "Euler a": "k_euler_ancestral",
        "Euler": "k_euler",
        "LMS": "k_lms",
        "Heun": "k_heun",
        "DPM2": "k_dpm_2",
        "DPM2 a": "k_dpm_2_a",
        "DPM fast": "k_dpm_fast",
        "DPM adaptive": "k_dpm_ad",
        "Restart": "restart",
        "DDIM": "ddim",
        "PLMS": "plms",
        "UniPC": "unipc",
        "LCM": "k_lcm",
        "DDIM CFG++": "ddim_cfgpp",
        "Euler CFG++": "euler_cfg_pp",
        "DPM++ 2M CFG++": "dpmpp_2m_cfg_pp",
        "HeunPP2": "heunpp2",
        "IPNDM": "ipndm",
        "IPNDM_V": "ipndm_v",
        "DEIS": "deis",
        "DDPM": "ddpm",
        "TCD": "tcd",
        "SA-Solver": "sa_solver",
        "Euler Dy": "euler_dy",
        "Euler SMEA Dy": "euler_smea_dy",
    }
    assert {name: SAMPLERS.get(alias).name for name, alias in expected.items()} == {name: name for name in expected}


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_its_pictures_give_alone(name):
    entry = SAMPLERS.get(name)
    if name == "DPM adaptive":
        pytest.skip("chooses its steps for the whole batch")
    sigmas = sigmas_for(entry, "Automatic", 6, MODEL)
    together = sampled(entry, sigmas, (7, 8, 9))
    alone = torch.cat([sampled(entry, sigmas, (seed,)) for seed in (7, 8, 9)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_sampler_finds_a_picture_of_the_world(name):
    """The end must lie as near to a centre as the data itself does: 256 dimensions of variance 0.05."""
    entry = SAMPLERS.get(name)
    result = sampled(entry, sigmas_for(entry, "Automatic", 30, MODEL))
    distance = (result.double() - CENTRES).square().flatten(1).sum(1).min().sqrt()
    assert distance < 1.25 * (256 * 0.05) ** 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_give_finite_numbers(name, steps):
    entry = SAMPLERS.get(name)
    assert torch.isfinite(sampled(entry, sigmas_for(entry, "Automatic", steps, MODEL))).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_that_does_not_end_in_zero_is_followed(name):
    entry = SAMPLERS.get(name)
    sigmas = sigmas_for(entry, "KL Optimal", 8, MODEL)
    assert sigmas[-1] > 0
    assert torch.isfinite(sampled(entry, sigmas)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_starting_latents_and_the_predictions_are_not_written_to(name):
    entry = SAMPLERS.get(name)
    sigmas = sigmas_for(entry, "Automatic", 5, MODEL)
    seen = []

    def watched(x, sigma):
        denoised = denoise(x, sigma)
        seen.append((x, x.clone(), denoised, denoised.clone()))
        return denoised

    sampled(entry, sigmas, model=watched)
    assert all(torch.equal(x, x_then) and torch.equal(d, d_then) for x, x_then, d, d_then in seen)


OWN_LEVELS = ("DPM fast", "DPM adaptive", "Restart", "Euler Dy", "Euler SMEA Dy")
UNEVEN = ("HeunPP2", "Euler Dy", "Euler SMEA Dy")  # some of their steps are simpler, or done twice


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OWN_LEVELS])
def test_each_step_is_told_once_with_its_level(name):
    entry = SAMPLERS.get(name)
    sigmas = sigmas_for(entry, "Automatic", 6, MODEL)
    told = []
    sampled(entry, sigmas, step=lambda i, x, sigma, denoised: told.append((i, sigma, x.shape, denoised.shape)))
    shape = torch.Size((1, *SHAPE))
    assert told == [(i, sigma, shape, shape) for i, sigma in enumerate(sigmas[:-1].tolist())]


@pytest.mark.parametrize("name", ["DPM fast", "DPM adaptive", "Restart"])
def test_a_sampler_with_steps_of_its_own_never_tells_more_than_were_asked_for(name):
    entry = SAMPLERS.get(name)
    told = []
    sampled(entry, sigmas_for(entry, "Automatic", 24, MODEL), step=lambda i, *rest: told.append(i))
    assert told == sorted(told)
    assert told[0] == 0
    assert 20 <= told[-1] < 24


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_ends_the_sampler_before_its_next_step(name):
    entry = SAMPLERS.get(name)
    told = []

    def stop_at_third(i, *rest):
        told.append(i)
        if len(told) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        sampled(entry, sigmas_for(entry, "Automatic", 12, MODEL), step=stop_at_third)
    assert len(told) == 3


@pytest.mark.parametrize("name", NAMES)
def test_model_calls_per_step_are_as_declared(name):
    entry = SAMPLERS.get(name)
    if name == "DPM adaptive":
        pytest.skip("calls as often as the error asks for")
    calls = []
    sigmas = sigmas_for(entry, "Automatic", 12, MODEL)
    sampled(entry, sigmas, model=lambda x, sigma: calls.append(sigma) or denoise(x, sigma))
    declared = (len(sigmas) - 1) * entry.facts.get("model_calls", 1)
    assert abs(len(calls) - declared) <= (3 if name in UNEVEN else 1)
    assert all(sigma.shape == () and sigma.dtype == torch.float32 and sigma.device.type == "cpu" for sigma in calls)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_typed_keywords_with_defaults(name):
    for option in inspect.signature(SAMPLERS.get(name).function).parameters.values():
        if option.kind is option.KEYWORD_ONLY and option.name not in ("noise", "step"):
            assert option.default is not option.empty
            assert option.annotation in ("float", "int")


@pytest.mark.parametrize("name", [n for n in NAMES if "eta" in inspect.signature(SAMPLERS.get(n).function).parameters])
def test_without_eta_no_noise_is_drawn(name):
    entry = SAMPLERS.get(name)

    def refuse(sigma, sigma_next):
        raise AssertionError("noise was drawn")

    sigmas = sigmas_for(entry, "Automatic", 6, MODEL)
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1)) * sigmas[0]
    result = entry.function(denoise, x, sigmas, noise=refuse, step=lambda *told: None, eta=0.0)
    assert torch.isfinite(result).all()


def test_churn_only_counts_between_its_limits():
    entry = SAMPLERS.get("Euler")
    sigmas = sigmas_for(entry, "Karras", 12, MODEL)
    plain = sampled(entry, sigmas)
    assert torch.equal(sampled(entry, sigmas, s_churn=4.0, s_tmin=15.0), plain)
    assert not torch.allclose(sampled(entry, sigmas, s_churn=4.0), plain)
    assert torch.equal(sampled(entry, sigmas, s_churn=4.0, s_tmax=20.0), sampled(entry, sigmas, s_churn=4.0))


def test_an_unknown_sampler_is_refused_with_the_nearest_names():
    with pytest.raises(UserError) as refusal:
        SAMPLERS.get("Eular a")
    assert "Did you mean Euler a" in refusal.value.hint


def test_multistep_weights_of_even_levels_are_those_of_adams_and_bashforth():
    weights = adams_weights([4.0, 3.0, 2.0, 1.0], 5.0)
    assert weights == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24])


def test_restart_spends_the_steps_asked_for_and_climbs_again():
    levels = sigmas_for(SAMPLERS.get("Restart"), "Automatic", 40, MODEL).tolist()
    pairs = restart_steps(levels)
    climbs = [(after, sigma) for (_, after), (sigma, _) in pairwise(pairs) if sigma > after]
    assert len(pairs) == 40
    assert len(climbs) == 2
    assert all(0.05 < low < 0.2 and 1.5 < high < 2.7 for low, high in climbs)
    assert restart_steps(levels[:16]) == list(pairwise(levels[:16]))


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PEERS = {
    "DDIM": lambda: DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1),
    "PLMS": lambda: PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=True, steps_offset=1),
    "UniPC": lambda: UniPCMultistepScheduler(
        **BETAS, solver_order=3, solver_type="bh1", use_karras_sigmas=True, final_sigmas_type="sigma_min"
    ),
}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("steps", [5, 20])
def test_a_sampler_of_timesteps_ends_where_the_same_scheduler_of_diffusers_does(name, steps):
    entry = SAMPLERS.get(name)
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    scheduler = PEERS[name]()
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas if name == "UniPC" else sigmas_for(entry, "Automatic", steps, MODEL)
    start = noise * starting_scale(entry, sigmas[0].item())
    ours = entry.function(denoise, start, sigmas, noise=None, step=lambda *told: None)

    theirs = noise
    for i, t in enumerate(scheduler.timesteps):
        alpha = scheduler.alphas_cumprod[int(t)]
        sigma = sigmas[i] if name == "UniPC" else ((1 - alpha) / alpha).sqrt()
        x = theirs * torch.hypot(sigma, torch.ones(()))
        theirs = scheduler.step((x - denoise(x, sigma)) / sigma, t, theirs).prev_sample
    theirs = theirs * (1 + sigmas[-1] ** 2).sqrt()
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


class Halved:
    """A guided world: what it says of the negative prompt is half of what it says."""

    def __call__(self, x, sigma):
        denoised = denoise(x, sigma)
        self.unconditional = denoised / 2
        return denoised


def noise_of(seed):
    generator = torch.Generator().manual_seed(seed)
    return lambda *levels: torch.randn(1, *SHAPE, generator=generator)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_ddim_cfgpp_is_ddim_with_the_unconditional_noise(eta):
    """A1111's rule, in terms of latents of unit variance."""
    entry, world = SAMPLERS.get("DDIM CFG++"), Halved()
    sigmas = sigmas_for(entry, "Automatic", 8, MODEL)
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    start = noise * starting_scale(entry, sigmas[0].item())
    ours = entry.function(world, start, sigmas, noise=noise_of(4), step=lambda *told: None, eta=eta)
    fresh, x = noise_of(4), noise
    for sigma, after in pairwise(sigmas):
        a_t, a_prev = 1 / (1 + sigma**2), 1 / (1 + after**2)
        pred_x0 = world(x / a_t.sqrt(), sigma)
        eps = (x - a_t.sqrt() * world.unconditional) / (1 - a_t).sqrt()
        sigma_t = eta * ((1 - a_prev) / (1 - a_t) * (1 - a_t / a_prev)).sqrt()
        x = a_prev.sqrt() * pred_x0 + (1 - a_prev - sigma_t**2).sqrt() * eps
        if sigma_t > 0:
            x = x + sigma_t * fresh()
    torch.testing.assert_close(ours, x, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["DDIM CFG++", "Euler CFG++", "DPM++ 2M CFG++"])
def test_without_guidance_a_cfgpp_sampler_is_its_model(name):
    """Where both predictions are the same, nothing is left of CFG++."""
    sigmas = sigmas_for(SAMPLERS.get("Euler"), "Karras", 9, MODEL)
    plain = {"DDIM CFG++": "DDIM", "Euler CFG++": "Euler"}.get(name)
    result = sampled(SAMPLERS.get(name), sigmas)
    if plain:
        torch.testing.assert_close(result, sampled(SAMPLERS.get(plain), sigmas), atol=1e-5, rtol=0)
    halved = sampled(SAMPLERS.get(name), sigmas, model=Halved())
    assert (halved - result).abs().max() > 0.01


def test_tcd_ends_where_diffusers_does():
    entry, steps = SAMPLERS.get("TCD"), torch.tensor([999, 749, 499, 249])
    sigmas = torch.cat([MODEL.sigmas[steps], torch.zeros(1)])
    start = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3)) * sigmas[0]
    ours = entry.function(denoise, start, sigmas, noise=noise_of(4), step=lambda *told: None)
    scheduler, generator = TCDScheduler(**BETAS, original_inference_steps=50), torch.Generator().manual_seed(4)
    scheduler.set_timesteps(timesteps=steps.tolist())
    theirs = start / (1 + sigmas[0] ** 2).sqrt()
    for t, sigma in zip(scheduler.timesteps, sigmas, strict=False):
        x = theirs * (1 + sigma**2).sqrt()
        denoised = denoise(x, sigma)
        told = scheduler.step((x - denoised) / sigma, t, theirs, eta=0.3, generator=generator)
        theirs = told.prev_sample
    torch.testing.assert_close(ours, denoised, atol=1e-4, rtol=0)


def test_ddpm_has_the_mean_and_the_variance_that_diffusers_has():
    entry, scheduler = SAMPLERS.get("DDPM"), DDPMScheduler(**BETAS, clip_sample=False)
    scheduler.set_timesteps(1000)
    sigmas = MODEL.sigmas[[600, 599]]
    start = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3)) * sigmas[0]
    ours = entry.function(denoise, start, sigmas, noise=noise_of(4), step=lambda *told: None)
    eps, scaled = (start - denoise(start, sigmas[0])) / sigmas[0], start / (1 + sigmas[0] ** 2).sqrt()
    generator = torch.Generator().manual_seed(4)
    theirs = scheduler.step(eps, torch.tensor(600), scaled, generator=generator).prev_sample
    torch.testing.assert_close(ours, theirs * (1 + sigmas[1] ** 2).sqrt(), atol=1e-4, rtol=0)


def test_ipndm_v_agrees_with_ipndm_on_even_levels():
    sigmas = torch.linspace(9, 0, 10)
    same = [sampled(SAMPLERS.get(name), sigmas) for name in ("IPNDM", "IPNDM_V")]
    torch.testing.assert_close(*same, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "sizes"), [("Euler Dy", {(8, 8), (4, 4)}), ("Euler SMEA Dy", {(8, 8), (4, 4), (10, 10)})]
)
def test_smea_asks_about_other_sizes(name, sizes):
    entry, seen = SAMPLERS.get(name), set()
    sigmas = sigmas_for(entry, "Karras", 8, MODEL)
    sampled(entry, sigmas, model=lambda x, sigma: seen.add(tuple(x.shape[2:])) or denoise(x, sigma))
    assert seen == sizes

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

from modules.core.errors import UserError
from modules.diffusion.denoiser import ModelSigmas, denoiser_for

from .mixture import PARITY

MODEL = ModelSigmas.scaled_linear()
GENERATOR = torch.Generator().manual_seed(0)
LATENTS = torch.randn(2, 4, 8, 8, generator=GENERATOR)
EPS = torch.randn(2, 4, 8, 8, generator=GENERATOR)


def test_the_levels_are_stable_diffusions():
    assert torch.equal(MODEL.sigmas, PARITY["model_sigmas"])
    assert (MODEL.sigma_min, MODEL.sigma_max) == pytest.approx((0.0292, 14.6146), abs=5e-5)


def test_levels_up_to_pure_noise_are_diffusers_but_for_the_very_last():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    theirs = torch.cumprod(1 - rescale_zero_terminal_snr(betas), dim=0)[:-1]
    model = ModelSigmas.scaled_linear(zero_terminal_snr=True)
    torch.testing.assert_close(model.sigmas[:-1], ((1 - theirs) / theirs).sqrt().float(), rtol=1e-6, atol=0)
    assert (model.sigma_min, model.sigma_max) == pytest.approx((MODEL.sigma_min, 4518.76), rel=1e-5)
    assert model.timestep(4518.76) == pytest.approx(999, abs=1e-3)


def test_timesteps_and_levels_are_each_others_inverse():
    for t in [0, 1, 500, 999]:
        assert MODEL.timestep(MODEL.sigmas[t].item()) == pytest.approx(t, abs=1e-6)
    between = torch.tensor([0.25, 3.5, 998.75])
    assert [MODEL.timestep(sigma) for sigma in MODEL.sigmas_at(between).tolist()] == pytest.approx(
        between.tolist(), abs=1e-3
    )


def test_levels_outside_of_the_training_are_held_to_its_ends():
    assert [MODEL.timestep(sigma) for sigma in (0.0, 0.001, 100.0)] == [0.0, 0.0, 999.0]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma", [0.03, 0.7, 14.6])
def test_a_perfect_prediction_gives_the_clean_latents(prediction, sigma):
    alpha = 1 / (1 + sigma**2) ** 0.5
    perfect = {"epsilon": EPS, "v_prediction": alpha * EPS - alpha * sigma * LATENTS}[prediction]
    denoise = denoiser_for(prediction, lambda x, t, conditioning: perfect, MODEL)
    torch.testing.assert_close(denoise(LATENTS + sigma * EPS, torch.tensor(sigma), None), LATENTS, atol=1e-5, rtol=1e-5)


def test_the_network_sees_unit_variance_its_timestep_and_the_conditioning():
    seen = {}

    def network(x, t, conditioning):
        seen.update(x=x, t=t, conditioning=conditioning)
        return x

    sigma = MODEL.sigmas[400]
    x = LATENTS + sigma * EPS
    denoiser_for("epsilon", network, MODEL)(x, sigma, "words")
    torch.testing.assert_close(seen["x"], x / (sigma**2 + 1).sqrt())
    assert seen["t"].tolist() == pytest.approx([400.0, 400.0])
    assert seen["conditioning"] == "words"


def test_a_half_precision_network_gets_its_dtype_and_the_latents_keep_theirs():
    seen = []

    def network(x, t, conditioning):
        seen.append(x.dtype)
        return x

    denoised = denoiser_for("v_prediction", network, MODEL, torch.float16)(LATENTS, torch.tensor(1.0), None)
    assert (seen, denoised.dtype) == ([torch.float16], torch.float32)


def test_an_unknown_prediction_type_is_refused_by_name():
    with pytest.raises(UserError, match="'sample'"):
        denoiser_for("sample", lambda x, t, conditioning: x, MODEL)

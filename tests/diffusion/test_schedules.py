import math

import pytest
import torch

from modules.core.errors import UserError
from modules.core.registry import SAMPLERS, SCHEDULES, Entry
from modules.diffusion.denoiser import ModelSigmas
from modules.diffusion.schedules import beta_quantiles, schedule_names, sigmas_for

from .mixture import PARITY

MODEL = ModelSigmas.scaled_linear()
EULER = SAMPLERS.get("Euler")


def levels(name: str, steps: int, **options) -> list[float]:
    return sigmas_for(EULER, name, steps, MODEL, **options).tolist()


@pytest.mark.parametrize("name", ["uniform", "karras", "exponential"])
def test_levels_are_k_diffusions_to_the_last_bit(name):
    assert torch.equal(sigmas_for(EULER, name, 12, MODEL), PARITY[f"sigmas/{name}/12"])


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 150])
def test_a_schedule_descends_in_as_many_steps_as_asked_for(name, steps):
    sigmas = sigmas_for(EULER, name, steps, MODEL)
    expected = len(range(1, 1000, 1000 // steps)) if name == "DDIM" else steps
    assert sigmas.shape == (expected + 1,)
    assert sigmas.dtype == torch.float32
    assert (sigmas[1:] < sigmas[:-1]).all()
    assert (sigmas[-1] == 0) == (name != "KL Optimal")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Uniform", [14.6146, 4.0861, 1.6156, 0.6951, 0.0292, 0]),
        ("Polyexponential", [14.6146, 3.0890, 0.6529, 0.1380, 0.0292, 0]),
        ("SGM Uniform", [14.6146, 5.0924, 2.2797, 1.1629, 0.5712, 0]),
        ("KL Optimal", [14.6146, 2.6329, 1.2948, 0.7116, 0.3356, 0.0292]),
        ("Align Your Steps", [14.615, 3.2269, 1.396, 0.51, 0.029, 0]),
        ("Simple", [14.6146, 5.0878, 2.2765, 1.1606, 0.5693, 0]),
        ("Normal", [14.6146, 4.0861, 1.6156, 0.6951, 0.0292, 0]),
        ("DDIM", [5.1344, 2.2929, 1.1682, 0.5741, 0.0413, 0]),
        ("Beta", [14.6146, 12.0523, 7.3219, 2.5915, 0.0292, 0]),
    ],
)
def test_five_levels_of(name, expected):
    assert levels(name, 5) == pytest.approx(expected, abs=6e-5)


def test_align_your_steps_has_its_published_levels_and_others_for_sdxl():
    assert levels("Align Your Steps", 11)[3] == pytest.approx(2.697)
    assert levels("Align Your Steps", 11, family="SDXL")[3] == pytest.approx(2.181)


def test_automatic_means_the_samplers_own_schedule():
    for name, meaning in {
        "DPM++ 2M": "Karras",
        "DPM++ 3M SDE": "Exponential",
        "Euler": "Uniform",
        "DDIM": "DDIM",
    }.items():
        entry = SAMPLERS.get(name)
        assert torch.equal(sigmas_for(entry, "automatic", 9, MODEL), sigmas_for(entry, meaning, 9, MODEL))


def test_discarding_the_penultimate_level_takes_one_of_one_more():
    longer = sigmas_for(EULER, "Karras", 9, MODEL)
    expected = torch.cat([longer[:-2], longer[-1:]])
    assert torch.equal(sigmas_for(SAMPLERS.get("DPM2"), "Karras", 8, MODEL), expected)
    assert torch.equal(sigmas_for(EULER, "Karras", 8, MODEL, discard_penultimate=True), expected)


def test_a_range_and_a_rho_can_be_given():
    sigmas = levels("Karras", 10, sigma_min=0.1, sigma_max=10.0, rho=3.0)
    assert (sigmas[0], sigmas[-2]) == pytest.approx((10.0, 0.1), rel=1e-5)
    assert levels("Karras", 10)[1] != levels("Karras", 10, rho=3.0)[1]


def test_every_name_is_offered_and_automatic_first():
    assert schedule_names()[0] == "Automatic"
    assert all(SCHEDULES.get(name.lower().replace(" ", "_")).name == name for name in schedule_names()[1:])


def test_an_unknown_schedule_is_refused_with_the_nearest_names():
    with pytest.raises(UserError) as refusal:
        levels("Kerras", 5)
    assert "Karras" in refusal.value.hint


@pytest.mark.parametrize("steps", [0, -3])
def test_less_than_one_step_is_refused(steps):
    with pytest.raises(UserError, match="at least 1"):
        levels("Karras", steps)


@pytest.mark.parametrize("given", [(5.0, 2.0), (-1.0, 2.0), (1.0, math.inf), (1.0, math.nan)])
def test_a_range_that_is_none_is_refused(given):
    with pytest.raises(UserError, match="would run from"):
        levels("Karras", 5, sigma_min=given[0], sigma_max=given[1])


def test_levels_that_do_not_descend_are_refused_by_the_schedules_name():
    with pytest.raises(UserError, match="Polyexponential"):
        levels("Polyexponential", 5, rho=-1.0)
    with pytest.raises(UserError, match="Beta"):
        levels("Beta", 5, alpha=0.0)


def test_beta_quantiles_invert_distributions_that_are_known():
    places = torch.linspace(0, 1, 11, dtype=torch.float64)
    arcsine = torch.sin(places * math.pi / 2) ** 2
    torch.testing.assert_close(beta_quantiles(places, 0.5, 0.5), arcsine, atol=1e-12, rtol=0)
    torch.testing.assert_close(beta_quantiles(places, 3.0, 1.0), places ** (1 / 3), atol=1e-12, rtol=0)
    torch.testing.assert_close(beta_quantiles(places, 1.0, 4.0), 1 - (1 - places) ** 0.25, atol=1e-12, rtol=0)


def test_a_schedule_of_an_extension_is_checked_too():
    broken = Entry("Broken", lambda n, low, high, **_: torch.full((n + 1,), math.nan))
    SCHEDULES.add(broken)
    try:
        with pytest.raises(UserError, match="Broken"):
            levels("Broken", 5)
    finally:
        SCHEDULES.remove("Broken")

"""Noise schedules: which levels a sampler visits. All descend, float32, on the CPU, and end in 0 unless they say so.

A schedule is `f(n, sigma_min, sigma_max, *, model, **options)`; functions take the options that they use. The
arithmetic is in single precision, as k-diffusion's: SDE samplers ask a Brownian path at these very numbers, and the
path is rough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UserError
from ..core.registry import SCHEDULES, Entry, schedule
from .denoiser import ModelSigmas

AUTOMATIC, UNIFORM = "Automatic", "Uniform"


def schedule_names() -> list[str]:
    """Every schedule type that a user can ask for."""
    return [AUTOMATIC, *SCHEDULES.names()]


def sigmas_for(
    sampler: Entry,
    name: str,
    steps: int,
    model: ModelSigmas,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    discard_penultimate: bool = False,
    **options: Any,
) -> Tensor:
    """The levels for `steps` steps of a sampler: shape (steps + 1,) for most, float32, strictly descending, CPU.

    "Automatic" is the sampler's own default, or what the model makes of that. The range is the model's unless given.
    Some schedules reach a number of steps only nearly: levels that fall together are merged. Raises UserError for an
    unknown name, less than one step, options that give no descending list, or levels that the model does not have.
    """
    if steps < 1:
        raise UserError(f"A picture needs at least 1 sampling step; {steps} were asked for.", hint="Raise the steps.")
    entry = resolved(sampler, name, model)
    low, high = sigma_min or model.sigma_min, sigma_max or model.sigma_max
    if not 0 < low < high < math.inf:
        raise UserError(
            f"The noise schedule would run from {high:g} down to {low:g}.",
            hint="Schedule min sigma must be above 0 and below schedule max sigma.",
        )
    check_limit([high], model, "Schedule max sigma")
    discard = discard_penultimate or bool(sampler.facts.get("discard_penultimate"))
    sigmas = entry.function(steps + discard, low, high, model=model, **options)
    if discard and len(sigmas) > 2:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return _fitting(_checked(torch.unique_consecutive(sigmas), entry), entry, high, model)


def resolved(sampler: Entry, name: str, model: ModelSigmas) -> Entry:
    """The schedule called `name`; "Automatic" (or nothing) is the sampler's default, or what the model makes of that.
    Raises UserError if unknown.
    """
    if name.strip().casefold() in ("", AUTOMATIC.casefold()):
        name = model.automatic(sampler.facts.get("default_schedule", UNIFORM))
    return SCHEDULES.get(name)


def check_limit(levels: Sequence[float], model: ModelSigmas, what: str) -> None:
    """Raises UserError when one of `levels`, which are called `what`, is higher than the model's may be."""
    if max(levels) > model.limit * (1 + 1e-6):
        raise UserError(
            f"{what}: {max(levels):g} is too high for this checkpoint, a flow model: its noise levels end at 1.",
            hint="The levels of SD 1, SD 2 and SDXL mean nothing to it. Choose the schedule type Simple or Normal.",
        )


def _fitting(sigmas: Tensor, entry: Entry, high: float, model: ModelSigmas) -> Tensor:
    """The levels of a schedule, if the model has such levels. Raises UserError."""
    if model.limit == math.inf:
        return sigmas
    check_limit(sigmas[:1].tolist(), model, f"The schedule type {entry.name}")
    if sigmas[0] < high * 0.999:
        raise UserError(
            f"The schedule type {entry.name} would begin at the noise level {sigmas[0]:.3f}, but a flow model must "
            f"begin at {high:g}.",
            hint="Choose the schedule type Simple or Normal, or more steps.",
        )
    return sigmas.clamp(max=model.limit)


def _checked(sigmas: Tensor, entry: Entry) -> Tensor:
    falls = bool(torch.isfinite(sigmas).all() and (sigmas[1:] < sigmas[:-1]).all() and (sigmas >= 0).all())
    if len(sigmas) < 2 or not falls:
        raise UserError(
            f"The schedule type {entry.name} gives levels that do not descend to 0: {sigmas.tolist()}.",
            hint="Set its options (rho, sigma range, alpha, beta) back to their defaults, or use another one.",
        )
    return sigmas


def _ending_in_zero(levels: Sequence[float] | Tensor) -> Tensor:
    return torch.cat([torch.as_tensor(levels, dtype=torch.float32), torch.zeros(1)])


@schedule(UNIFORM, aliases=("uniform",))
def uniform(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """Evenly spaced in the timesteps of the model's whole range."""
    return _ending_in_zero(model.sigmas_at(torch.linspace(len(model) - 1, 0, n)))


@schedule("Karras", aliases=("karras",))
def karras(n: int, sigma_min: float, sigma_max: float, *, rho: float = 7.0, **_: Any) -> Tensor:
    """Evenly spaced in sigma^(1 / rho): Karras et al. 2022, equation 5."""
    ramp = torch.linspace(0, 1, n)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _ending_in_zero((high + ramp * (low - high)) ** rho)


@schedule("Exponential", aliases=("exponential",))
def exponential(n: int, sigma_min: float, sigma_max: float, **_: Any) -> Tensor:
    """Evenly spaced in log sigma."""
    return _ending_in_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), n).exp())


@schedule("Polyexponential", aliases=("polyexponential",))
def polyexponential(n: int, sigma_min: float, sigma_max: float, *, rho: float = 1.0, **_: Any) -> Tensor:
    """A power `rho` of an even ramp, in log sigma."""
    low, high = math.log(sigma_min), math.log(sigma_max)
    return _ending_in_zero((torch.linspace(1, 0, n) ** rho * (high - low) + low).exp())


@schedule("SGM Uniform", aliases=("sgm_uniform", "SGMUniform"))
def sgm_uniform(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """Evenly spaced in timesteps, the lowest left out: Stability AI's generative models."""
    return _ending_in_zero(_even_timesteps(n + 1, sigma_min, sigma_max, model)[:-1])


@schedule("KL Optimal", aliases=("kl_optimal",))
def kl_optimal(n: int, sigma_min: float, sigma_max: float, **_: Any) -> Tensor:
    """Evenly spaced in arctan sigma: Sabour et al. 2024, equation 16. Ends at sigma_min, not at 0."""
    ramp = torch.linspace(1, 0, n + 1, dtype=torch.float64)
    return torch.tan(ramp * math.atan(sigma_max) + (1 - ramp) * math.atan(sigma_min)).float()


ALIGN_YOUR_STEPS = {
    "SD1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "SDXL": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
}
# The same with 32 levels, as newer web UIs have them.
ALIGN_YOUR_STEPS_32 = {
    "SD1": (
        *(14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609),
        *(3.13490466, 2.79228788, 2.48773628, 2.21663865, 1.97508351, 1.7793172, 1.61475335, 1.46540953),
        *(1.314849, 1.16642497, 1.03475547, 0.91573744, 0.80748169, 0.71202361, 0.621739, 0.53065202),
        *(0.4529096, 0.37491455, 0.27461819, 0.2011529, 0.14105873, 0.06682881, 0.03166121, 0.015),
    ),
    "SDXL": (
        *(14.615, 11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704, 3.27407457),
        *(2.74396527, 2.29968659, 1.95448514, 1.67108715, 1.42878152, 1.23181009, 1.06789649, 0.92579443),
        *(0.80290886, 0.69660121, 0.60436903, 0.52852552, 0.46773344, 0.41393379, 0.36258186, 0.31008517),
        *(0.26518925, 0.22326461, 0.17653877, 0.13959192, 0.10587381, 0.05519369, 0.02877334, 0.015),
    ),
}


@schedule("Align Your Steps", aliases=("align_your_steps", "align_your_steps_11", "ays"))
def align_your_steps(n: int, sigma_min: float, sigma_max: float, *, family: str = "SD1", **_: Any) -> Tensor:
    """The levels that Sabour et al. 2024 found for `family`, log-linear between them; SD1's for families without."""
    return _between(ALIGN_YOUR_STEPS.get(family, ALIGN_YOUR_STEPS["SD1"]), n)


@schedule("Align Your Steps 32", aliases=("align_your_steps_32",))
def align_your_steps_32(n: int, sigma_min: float, sigma_max: float, *, family: str = "SD1", **_: Any) -> Tensor:
    """Align Your Steps by its longer table, whose last level is lower than those that SD was trained on."""
    return _between(ALIGN_YOUR_STEPS_32.get(family, ALIGN_YOUR_STEPS_32["SD1"]), n)


def _between(levels: Sequence[float], n: int) -> Tensor:
    """`n` levels from the first to the last of a table, log-linear between its entries, and 0."""
    found = torch.tensor(levels, dtype=torch.float64).log()
    places = torch.linspace(0, len(found) - 1, n, dtype=torch.float64)
    low = places.long().clamp(max=len(found) - 2)
    return _ending_in_zero(torch.lerp(found[low], found[low + 1], places - low).exp())


@schedule("Turbo", aliases=("turbo",))
def turbo(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """The ends of `n` equal stretches of timesteps, as models distilled to few steps were trained."""
    ends = (torch.arange(n, 0, -1) * (len(model) / n)).round().long() - 1
    return _ending_in_zero(model.sigmas[ends.clamp(0, len(model) - 1)])


def custom_levels(text: str) -> Tensor:
    """The levels that somebody listed, with commas or spaces between, float32, with 0 at their end.

    Raises UserError unless they are finite, descend, and all but the last are above 0.
    """
    try:
        levels = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise UserError(
            f"Custom sigmas are numbers with commas between, but {error}.", hint="For example: 14.6, 5.9, 2.5, 0.7, 0"
        ) from error
    if levels and levels[-1] > 0:
        levels.append(0.0)
    falls = all(math.isfinite(high) and high > low >= 0 for high, low in pairwise(levels))
    if len(levels) < 2 or not falls:
        raise UserError(
            f"Custom sigmas must descend to 0; these do not: {text[:80]}", hint="For example: 14.6, 5.9, 2.5, 0.7, 0"
        )
    return torch.tensor(levels)


@schedule("Simple", aliases=("simple",))
def simple(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """Every (timesteps / n)-th level of the model, from the highest."""
    return _ending_in_zero(model.every(n))


@schedule("Normal", aliases=("normal",))
def normal(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """Evenly spaced in timesteps from sigma_max to sigma_min."""
    return _ending_in_zero(_even_timesteps(n, sigma_min, sigma_max, model))


@schedule("DDIM", aliases=("ddim", "ddim_uniform"))
def ddim(n: int, sigma_min: float, sigma_max: float, *, model: ModelSigmas, **_: Any) -> Tensor:
    """Timesteps 1, 1 + k, 1 + 2k ... with k = timesteps // n, as Song et al. 2020's code. May be more than n."""
    return _ending_in_zero(model.sigmas[1 :: max(len(model) // n, 1)].flip(0))


@schedule("Beta", aliases=("beta",))
def beta(n: int, sigma_min: float, sigma_max: float, *, alpha: float = 0.6, beta: float = 0.6, **_: Any) -> Tensor:
    """Quantiles of a beta distribution, linear in sigma: Lee et al. 2024, "Beta sampling is all you need"."""
    places = torch.linspace(1, 0, n, dtype=torch.float64)
    return _ending_in_zero(sigma_min + beta_quantiles(places, alpha, beta) * (sigma_max - sigma_min))


def beta_quantiles(probabilities: Tensor, alpha: float, beta: float) -> Tensor:
    """Where a Beta(alpha, beta) distribution has each of `probabilities` below it, float64, by bisection.

    Raises UserError unless both shapes are above 0 and at most 10.
    """
    if not (0 < alpha <= 10 and 0 < beta <= 10):
        raise UserError(
            f"The Beta schedule cannot have the shape alpha {alpha:g}, beta {beta:g}.",
            hint="Both must be above 0 and at most 10; the default is 0.6.",
        )
    lower, upper = _beta_tail(alpha, beta), _beta_tail(beta, alpha)
    low, high = torch.zeros_like(probabilities), torch.ones_like(probabilities)
    for _ in range(60):
        middle = (low + high) / 2
        in_lower_half = lower(middle.clamp(max=0.5)) < probabilities
        in_upper_half = upper((1 - middle).clamp(max=0.5)) > 1 - probabilities
        below = torch.where(middle <= 0.5, in_lower_half, in_upper_half)
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _beta_tail(alpha: float, beta: float) -> Callable[[Tensor], Tensor]:
    """The distribution function of Beta(alpha, beta) for x up to 0.5: its power series, x^alpha * sum(c_k x^k)."""
    k = torch.arange(64, dtype=torch.float64)
    rising = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod((k[1:] - beta) / k[1:], dim=0)])
    whole = math.exp(math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta))
    coefficients = rising / (alpha + k) / whole
    return lambda x: x**alpha * (x[:, None] ** k @ coefficients)


def _even_timesteps(n: int, sigma_min: float, sigma_max: float, model: ModelSigmas) -> Tensor:
    return model.sigmas_at(torch.linspace(model.timestep(sigma_max), model.timestep(sigma_min), n))

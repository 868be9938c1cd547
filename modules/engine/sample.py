"""Noise becomes latents: the schedule, the guidance and the sampler are put together and run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UserError
from ..core.events import Preview, Step
from ..core.hooks import Hooks
from ..core.registry import SAMPLERS, Entry
from ..core.sections.model import TAESD
from ..diffusion.flow import fitted
from ..diffusion.guidance import Guidance, Turn
from ..diffusion.noise import Noise
from ..diffusion.resampling import resampled, resampled_steps
from ..diffusion.samplers import starting_scale
from ..diffusion.strength import Keeping, last_steps, partial_steps
from .channels import seeing
from .encode import Conditioning
from .model import Model
from .options import levels_of, sampler_options
from .preview import preview_jpeg, tiny_jpeg
from .refine import Refined, switching
from .rules import MOMENTS, acting, rules_of
from .run import Batch, Painting, Run
from .start import Start

Refiner = Callable[[], tuple[Conditioning, Model]]
FASTEST_PREVIEWS = 0.1  # seconds between two; a page cannot use more


@dataclass
class Sampling:
    """What listeners of `sampling_starting` may change: `x` (noisy latents) and `sigmas` (descending, ending in 0)."""

    x: Tensor
    sigmas: Tensor


@dataclass
class Previews:
    """How often the page wants to see the picture: every `every()` steps, 0 for never; and `by()` what."""

    every: Callable[[], int] = lambda: 1
    by: Callable[[], str] = lambda: ""
    last: float = field(default=0.0)

    def due(self, step: int) -> bool:
        every = self.every()
        if not every or step % every or time.perf_counter() - self.last < FASTEST_PREVIEWS:
            return False
        self.last = time.perf_counter()
        return True


@torch.inference_mode()
def sample(
    run: Run,
    batch: Batch,
    start: Start,
    conditioning: Conditioning,
    model: Model,
    hooks: Hooks,
    previews: Previews,
    refiner: Refiner | None = None,
) -> Tensor:
    """Finished latents, shape (pictures, channels, h, w), float32. `refiner` is asked for the conditioning and the
    model of the last steps when they are due. Raises Stopped, and UserError when the latents are NaN.
    """
    request = run.request
    entry = SAMPLERS.get(request.sampler)
    sigmas = _levels(run, start, entry, model)
    sampling = Sampling(_started(run, start, entry, sigmas[0].item(), model), sigmas)
    hooks.call("sampling_starting", run=run, batch=batch, sampling=sampling)
    levels = sampling.sigmas.tolist()
    run.painting = Painting(batch, model, len(levels) - 1)
    first = guided = _guidance(run, start, entry, conditioning, model, levels, hooks)
    if refiner is not None:
        due = switching(request, model.sigmas, levels)
        guided = Refined(first, due, lambda: _guidance(run, start, entry, *refiner(), levels, hooks, first.calls))
    latents = _sampled(run, batch, start, entry, guided, sampling, model, previews)
    run.stop.check()
    latents = hooks.changed("sampled", latents, argument="latents", run=run, batch=batch)
    if not torch.isfinite(latents).all():
        raise UserError(
            "The picture turned into numbers that are not finite (NaN).",
            hint="Use a lower CFG scale or smaller prompt weights, or start with --precision fp32.",
        )
    return latents


def _guidance(
    run: Run,
    start: Start,
    entry: Entry,
    conditioning: Conditioning,
    model: Model,
    levels: list[float],
    hooks: Hooks,
    calls: int = 0,
) -> Guidance:
    """The model's denoiser, steered by the conditioning as the request says. `calls`: how many were made before."""
    times = run.request.inpaint_resampling if start.mask is not None else 1
    rules = rules_of(run, entry, model, levels)
    guidance = Guidance(
        model.denoiser,
        *seeing(conditioning.conditionals, conditioning.unconditional, start.channels, run, model),
        run.request.cfg_scale * entry.facts.get("guidance_share", 1.0),
        levels,
        later=[
            Turn(turn.first * times, *seeing(turn.conditionals, turn.unconditional, start.channels, run, model))
            for turn in conditioning.later
        ],
        calls=calls,
        unconditional_always=bool(entry.facts.get("wants_unconditional")),
        **_listeners(run, hooks, rules),
    )
    run.listen_anew = lambda: guidance.hear(**_listeners(run, hooks, rules))
    return guidance


def _sampled(
    run: Run,
    batch: Batch,
    start: Start,
    entry: Entry,
    guidance: Guidance | Refined,
    sampling: Sampling,
    model: Model,
    previews: Previews,
) -> Tensor:
    """Runs the sampler; where there is a mask, what it keeps is the original at every step."""
    shape, sigmas, times = tuple(sampling.x.shape[1:]), sampling.sigmas, run.request.inpaint_resampling
    options = sampler_options(run, entry)
    sampler = fitted(entry, options, model.sigmas)
    if start.mask is None:
        noise, report = _noise(start, entry, shape, sigmas), _reporter(run, batch, len(sigmas) - 1, model, previews)
        return sampler(guidance, sampling.x, sigmas, noise=noise, step=report, **options)
    keeping = Keeping(guidance, start.latents, start.mask, sigmas, soft=run.request.soft_inpainting)
    # A Brownian path has one rise between two levels, but a repeated step needs another one.
    noise = _noise(start, entry, shape, sigmas) if times == 1 else start.source.ancestral(shape)
    sampler = sampler if times == 1 else resampled(sampler, times, model.sigmas)
    report = _reporter(run, batch, resampled_steps(sigmas, times), model, previews)
    return keeping.kept(sampler(keeping, sampling.x, sigmas, noise=noise, step=report, **options))


def _noise(start: Start, entry: Entry, shape: tuple[int, ...], sigmas: Tensor) -> Noise:
    """What the sampler adds between steps."""
    brownian = entry.facts.get("noise") == "brownian"
    return start.source.brownian(shape, sigmas) if brownian else start.source.ancestral(shape)


def _levels(run: Run, start: Start, entry: Entry, model: Model) -> Tensor:
    """The noise levels to visit: a whole schedule from noise alone, the last part of one from a picture."""
    request = run.request
    if start.latents is None:
        return levels_of(run, entry, request.steps, model)
    if request.custom_sigmas.strip():  # the list is the whole schedule, however long
        levels = levels_of(run, entry, request.steps, model)
        return last_steps(levels, partial_steps(len(levels) - 1, start.strength)[1])
    steps, done = partial_steps(request.steps, start.strength, start.exactly)
    return last_steps(levels_of(run, entry, steps, model), done)


def _started(run: Run, start: Start, entry: Entry, sigma: float, model: Model) -> Tensor:
    """Latents at the first noise level: (pictures, channels, h, w)."""
    if start.latents is not None:
        return model.sigmas.noised(start.latents, start.noise, sigma, run.request.img2img_extra_noise)
    alpha = model.sigmas.alpha(sigma)
    scale = math.hypot(alpha, sigma) if run.request.sgm_noise_multiplier else starting_scale(entry, sigma, alpha)
    return start.noise * scale


def _listeners(run: Run, hooks: Hooks, rules: list[Any]) -> dict[str, Callable[[Any], None]]:
    """The moments inside a step that a rule or somebody else listens to; for the others nothing is built and called."""

    def tell(moment: str, functions: list[Callable[[Any], None]]) -> Callable[[Any], None]:
        def told(step: Any) -> None:
            for function in functions:
                function(step)
            hooks.call(moment, run=run, step=step)

        return told

    heard = {moment: acting(rules, moment) for moment in MOMENTS}
    return {moment: tell(moment, rule) for moment, rule in heard.items() if rule or hooks.listens(moment)}


def _reporter(run: Run, batch: Batch, steps: int, model: Model, previews: Previews) -> Callable[..., None]:
    """What the sampler calls at every step: tells the job's progress, shows a preview, obeys the token."""
    total, last = run.pictures, batch.first + len(batch) - 1
    pixels = model.weights.latent_factor

    def report(i: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        run.stop.check()
        if run.stop.watched:
            run.look_inside(run)
        done = run.steps_before + min(i + 1, steps)
        run.emit(Step(run.job, done, run.steps_before + steps + run.steps_after, batch.first, last, total))
        tiny = run.tiny_decoder(model.weights) if previews.by() == TAESD else None
        if (tiny or model.preview_colours is not None) and previews.due(i + 1):
            jpeg = tiny_jpeg(denoised[0], tiny) if tiny else preview_jpeg(denoised[0], *model.preview_colours)
            run.emit(Preview(run.job, jpeg, x.shape[-1] * pixels, x.shape[-2] * pixels))

    return report

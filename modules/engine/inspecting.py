"""Looking inside a generation while it happens: an extension on the hooks, there only while somebody asks.

Nobody asks of most jobs. Then nothing is registered, so that no step is told to anyone.
"""

from __future__ import annotations

import io
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

from ..core.events import Inspected
from ..core.hooks import Hooks, hook
from ..diffusion.guidance import Step
from ..imaging.latents import Latents, deviation, in_colours, side_by_side, strength
from ..imaging.png import png
from .decode import decoded
from .run import Painting, Run

NAME = "inspect"
QUALITY = 92


class Inspection:
    """Tells what is in the steps of one job, of the first picture of each batch. `begin` has it listen."""

    def __init__(self, run: Run, hooks: Hooks) -> None:
        self._hooks = hooks
        self._told: set[tuple[int, int]] = set()
        if run.request.inspect:
            self.begin(run)

    def begin(self, run: Run) -> None:
        """Listens from the next step of this pass on, to those that the request names; to all when it names none."""
        if not self._hooks.has(NAME):
            self._hooks.register(self, NAME)
            run.listen_anew()

    def end(self) -> None:
        if self._hooks.has(NAME):
            self._hooks.unregister(NAME)

    @hook(trylast=True)
    def guided(self, run: Run, step: Step) -> None:
        """Tells the first call of the network in each step: later ones of the same step only refine it."""
        painting = run.painting
        number, steps = run.steps_before + step.index + 1, run.steps_before + painting.steps + run.steps_after
        told = painting.batch.first, number
        if told in self._told or (run.request.inspect and not run.request.inspects(number, steps)):
            return
        self._told.add(told)
        facts, images = seen(step, run, painting)
        about = {"steps": steps, "pass": 2 if run.first_pass else 1}
        run.emit(Inspected(run.job, *told, {**about, **facts}, images))


def seen(step: Step, run: Run, painting: Painting) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Numbers and images of one step, of the first picture of its batch.

    The parts of the prediction stand for the noise that the network sees: x = alpha * latents + sigma * noise, solved.
    `conditional` is what all prompts of the picture ask for together; `difference` is what guidance multiplies.
    """
    x, sigma, guess = _plain(step.x), float(step.sigma), _plain(step.denoised)
    unconditional = None if step.uncond_denoised is None else _plain(step.uncond_denoised)
    conditional = _together(step, unconditional)
    alpha = painting.model.sigmas.alpha(sigma)
    noise = {"conditional": (x - alpha * conditional) / sigma, "guided": (x - alpha * guess) / sigma}
    if unconditional is not None:
        noise["unconditional"] = (x - alpha * unconditional) / sigma
        noise["difference"] = noise["conditional"] - noise["unconditional"]
    noisy = x / float(numpy.hypot(sigma, alpha))
    channels = {"noisy": side_by_side(noisy), "guess": side_by_side(guess)}
    factors, bias = _colours(painting, len(x))
    parts = {"conditional": conditional, **({} if unconditional is None else {"unconditional": unconditional})}
    images = {f"{name}_guess": in_colours(part, factors, bias) for name, part in parts.items()}
    images.update({f"{name}_noise": in_colours(noise[name], factors, bias * 0) for name in parts})
    most = None
    if unconditional is not None:
        images["difference"], most = strength(noise["difference"])
        channels["difference"] = side_by_side(noise["difference"])
    images.update({f"{name}_channels": drawn for name, (drawn, _) in channels.items()})
    facts = {
        "sigma": sigma,
        "timestep": painting.model.denoiser.timestep(sigma),
        "scale": float(step.scale),
        "prompts": len(step.conditionals),
        "noise": {name: deviation(part) for name, part in noise.items()},
        "brightest": {name: limit for name, (_, limit) in channels.items()},
        "strongest": most,
        "channels": {name: _statistics(part) for name, part in (("noisy", noisy), ("guess", guess))},
    }
    picture = _jpeg(decoded(step.denoised[0], run, painting.model))
    return facts, {"picture.jpg": picture, **{f"{name}.png": png(drawn, {}) for name, drawn in images.items()}}


def _plain(latents: Tensor) -> Latents:
    """The first picture's latents (c, h, w)."""
    return latents[0].float().cpu().numpy()


def _together(step: Step, unconditional: Latents | None) -> Latents:
    """What several prompts joined by AND ask for, by their weights; of a single one its prediction."""
    base = 0.0 if unconditional is None else unconditional
    weights = [float(torch.as_tensor(one.weight).flatten()[0]) for one in step.conditionals]
    return base + sum(weight * (_plain(one) - base) for weight, one in zip(weights, step.cond_denoised, strict=True))


def _colours(painting: Painting, channels: int) -> tuple[Latents, Latents]:
    """The matrix and bias of previews; for a family without them, three channels as they are."""
    known = painting.model.preview_colours
    if known is None:
        return numpy.eye(channels, 3, dtype=numpy.float32) / 2, numpy.zeros(3, numpy.float32)
    factors, bias = known
    return factors.float().numpy(), bias.float().numpy()


def _statistics(latents: Latents) -> list[dict[str, float]]:
    """Mean and deviation of each channel."""
    return [{"mean": float(channel.mean()), "deviation": float(channel.std())} for channel in latents]


def _jpeg(image: Tensor) -> bytes:
    """A picture, float (3, height, width) in 0..1, as a file."""
    out = io.BytesIO()
    pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()

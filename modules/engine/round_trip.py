"""A picture encoded by the VAE and decoded again: what the model's eyes alone cost it."""

from __future__ import annotations

import math

import numpy
from PIL import Image

from ..core.events import Inspected
from ..imaging.difference import amplified, difference, signal_to_noise
from ..imaging.latents import side_by_side
from ..imaging.png import png
from .decode import decoded
from .model import Model
from .original import as_tensor, encoded
from .run import Run

TIMES = 8  # how many times as bright the difference is shown


def round_trip(run: Run, model: Model) -> None:
    """Tells the request's picture, what became of it, and how far they are apart. Raises UserError and Stopped."""
    run.stop.check()
    original = _fitting(run.inputs(run.request.init_image), model.weights.latent_factor)
    latents = encoded(as_tensor(Image.fromarray(original)), model)
    run.stop.check()
    image = decoded(latents[0], run, model)
    back = numpy.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).cpu().numpy())
    channels, brightest = side_by_side(latents[0].float().cpu().numpy())
    apart, ratio = difference(original, back), signal_to_noise(original, back)
    facts = {
        "width": original.shape[1],
        "height": original.shape[0],
        "latents": list(latents.shape[1:]),
        "mean": apart.mean,
        "largest": apart.largest,
        "equal": apart.equal,
        "psnr": None if math.isinf(ratio) else ratio,
        "times": TIMES,
        "brightest": brightest,
        "vae": model.vae.path.name if model.vae else "",
        "model": model.file.name,
    }
    shown = {
        "original": original,
        "decoded": back,
        "difference": amplified(original, back, TIMES),
        "channels": channels,
    }
    run.emit(Inspected(run.job, 0, 0, facts, {f"{name}.png": png(pixels, {}) for name, pixels in shown.items()}))


def _fitting(pixels: numpy.ndarray, factor: int) -> numpy.ndarray:
    """The picture without its alpha, and without the few rows and columns that make no whole latent."""
    height, width = (max(side // factor * factor, factor) for side in pixels.shape[:2])
    short = [(0, max(0, side - had)) for side, had in zip((height, width), pixels.shape[:2], strict=True)]
    whole = numpy.pad(pixels[..., :3], (*short, (0, 0)), mode="edge")
    return numpy.ascontiguousarray(whole[:height, :width])

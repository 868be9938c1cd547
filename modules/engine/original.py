"""The picture that a job starts from, as the network sees it. Encoded once, however many pictures are made from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UserError
from ..core.events import Noticed
from ..imaging.scene import Scene, scene_of
from .model import Model
from .resize import resized_latents
from .run import Run


@dataclass(frozen=True)
class Original:
    """`latents` (1, c, h, w) of `scene.image`; `mask` (1, 1, h, w), 1 where it is painted anew, None: everywhere.
    Float32, on the model's device.
    """

    scene: Scene
    latents: Tensor
    mask: Tensor | None


def original_of(run: Run, model: Model) -> Original | None:
    """What the request's picture and mask give; None when it starts from noise alone. Raises UserError."""
    request = run.request
    if not request.init_image:
        return None
    if run.continued is not None:
        pixels, scene = run.continued.backdrop, run.continued
    else:
        pixels = run.inputs(request.init_image)
        scene = scene_of(pixels, run.inputs(request.mask) if request.mask else None, request)
    run.notes["Init image hash"] = hashlib.md5(pixels.tobytes(), usedforsecurity=False).hexdigest()
    if request.has_mask and scene.mask is None:
        run.emit(Noticed(run.job, "The mask is empty, so the whole picture was painted."))
    _, height, width = model.latent_shape(request.width, request.height)
    latents = resized_latents(encoded(as_tensor(scene.image), model), height, width)
    mask = None if scene.mask is None else latent_mask(scene.mask, height, width, soft=request.soft_inpainting)
    return Original(scene, latents, None if mask is None else mask.to(latents.device))


def encoded(pictures: Tensor, model: Model) -> Tensor:
    """Latents (n, c, h, w), float32, of pictures (n, 3, H, W) in -1..1 whose sides are multiples of 8. Raises UserError
    when the VAE gives NaN.
    """
    latents = model.weights.encode_image(pictures)
    if not torch.isfinite(latents).all():
        raise UserError(
            "The VAE made numbers that are not finite (NaN) of the picture.",
            hint="Choose another VAE: this one's numbers are broken, in float32 too.",
        )
    return latents


def as_tensor(image: Image.Image) -> Tensor:
    """An RGB picture as the networks see it: float32 (1, 3, height, width) in -1..1."""
    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def latent_mask(mask: numpy.ndarray, height: int, width: int, *, soft: bool) -> Tensor:
    """A mask, uint8 (H, W), at the size of latents: (1, 1, height, width), 1 where it is painted.

    Without `soft` every latent is painted or not, by A1111's rounding; but one that is too small for that still counts.
    """
    small = Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC)
    shares = torch.from_numpy(numpy.asarray(small, numpy.float32) / 255)[None, None]
    if soft:
        return shares
    rounded = shares.round()
    return rounded if rounded.any() else (shares > 0).float()

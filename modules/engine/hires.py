"""The second pass: latents made larger and painted over, in A1111's order ("hires fix")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UserError
from ..core.request import GenerationRequest
from ..core.sections.hires import LATENT_UPSCALERS, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULE
from ..imaging.resize import covering
from ..imaging.upscale import lanczos
from .channels import extra_channels
from .model import Model
from .original import as_tensor, encoded
from .resize import resized_latents
from .run import Batch, Run
from .start import Start, noise_source


def second_steps(request: GenerationRequest) -> int:
    """How many steps the second pass has; 0 without one."""
    return (request.hr_second_pass_steps or request.steps) if request.enable_hr else 0


def second_size(request: GenerationRequest) -> tuple[int, int]:
    """Width and height of the second pass, multiples of 8: by the factor, or what was said of width and height."""
    width, height, to = request.width, request.height, (request.hr_resize_x, request.hr_resize_y)
    if not request.resizes_hires:
        to = int(width * request.hr_scale), int(height * request.hr_scale)
    elif not to[1]:
        to = to[0], to[0] * height // width
    elif not to[0]:
        to = to[1] * width // height, to[1]
    found = to[0] // 8 * 8, to[1] // 8 * 8
    if min(found) < 64 or max(found) > 16384:
        raise UserError(
            f"The second pass would be {to[0]} x {to[1]} pixels.",
            hint="Both sides must be 64 to 16384: change its size.",
        )
    return found


def second_run(run: Run, batch: Batch) -> tuple[Run, Batch]:
    """What the second pass is: the request with its size, steps, sampler, schedule, prompts and CFG scale."""
    request = run.request
    width, height = second_size(request)
    changes: dict[str, Any] = {"width": width, "height": height, "steps": second_steps(request)}
    if request.hr_sampler_name not in ("", SAME_SAMPLER):
        changes["sampler"] = request.hr_sampler_name
    if request.hr_scheduler not in ("", SAME_SCHEDULE):
        changes["schedule"] = request.hr_scheduler
    if request.hr_cfg:
        changes["cfg_scale"] = request.hr_cfg
    if request.hr_distilled_cfg:
        changes["distilled_cfg_scale"] = request.hr_distilled_cfg
    second = replace(run, request=request.model_copy(update=changes), channels={}, first_pass=request)
    second.pictures, second.steps_before, second.steps_after = run.pictures, request.steps, 0
    if request.firstpass_image:
        second.steps_before = 0
    prompts = [request.hr_prompt] * len(batch) if request.hr_prompt else list(batch.prompts)
    negative = [request.hr_negative_prompt] * len(batch) if request.hr_negative_prompt else list(batch.negative_prompts)
    return second, replace(batch, prompts=prompts, negative_prompts=negative)


def other_checkpoint(request: GenerationRequest) -> str:
    """The second pass's own checkpoint; "" for the first one's."""
    return "" if request.hr_checkpoint_name in ("", SAME_CHECKPOINT) else request.hr_checkpoint_name


@torch.inference_mode()
def second_start(run: Run, batch: Batch, latents: Tensor, first: Model, model: Model) -> Start:
    """Where the second pass starts: the first one's latents (n, c, h, w) made larger, and new noise of the same seeds.

    `run` and `batch` are those of the second pass, `first` the model that made the latents. What is larger than the
    size that was asked for is cropped on both sides alike.
    """
    request = run.request
    width, height = request.width, request.height
    ratio = latents.shape[3], latents.shape[2]
    to = covering(ratio, width, height)
    if request.hr_upscaler in LATENT_UPSCALERS and first.weights.family.id == model.weights.family.id:
        factor = model.weights.latent_factor
        large = resized_latents(latents, to[1] // factor, to[0] // factor, request.hr_upscaler)
        latents = _cropped(large, height // factor, width // factor)
    else:
        name = "Lanczos" if request.hr_upscaler in LATENT_UPSCALERS else request.hr_upscaler
        latents = torch.cat([_enlarged(run, one, name, to, first, model) for one in latents])
    source = noise_source(run, batch, model)
    noise = source.starting(tuple(latents.shape[1:]))
    channels = extra_channels(run, model, *latents.shape[2:])
    return Start(noise, source, latents, request.denoising_strength, exactly=True, channels=channels)


def first_latents(run: Run, batch: Batch, model: Model) -> Tensor:
    """Latents (n, c, h, w) of the picture that takes the place of the first pass, at the first pass's size."""
    request = run.request
    pixels = run.inputs(request.firstpass_image)
    small = lanczos(numpy.ascontiguousarray(pixels[..., :3]), request.width, request.height)
    return encoded(as_tensor(Image.fromarray(small)), model).expand(len(batch), -1, -1, -1)


def _enlarged(run: Run, latents: Tensor, upscaler: str, to: tuple[int, int], first: Model, model: Model) -> Tensor:
    """One picture's latents (c, h, w), enlarged as pixels by an upscaler: (1, c, H, W)."""
    run.stop.check()
    image = ((first.weights.decode(latents[None])[0].float() + 1) / 2).clamp(0, 1)
    pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    large = Image.fromarray(run.upscaled(numpy.ascontiguousarray(pixels), upscaler, *to))
    width, height = run.request.width, run.request.height
    left, top = (to[0] - width) // 2, (to[1] - height) // 2
    return encoded(as_tensor(large.crop((left, top, left + width, top + height))), model)


def _cropped(latents: Tensor, height: int, width: int) -> Tensor:
    top, left = (latents.shape[2] - height) // 2, (latents.shape[3] - width) // 2
    return latents[:, :, top : top + height, left : left + width]

"""What some UNets are given beside the noisy latents: a mask and what it leaves of the picture, or the whole of it."""

from __future__ import annotations

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ..core.errors import UserError
from ..core.request import GenerationRequest
from ..diffusion.channels import with_channels, with_guidance
from ..diffusion.denoiser import Conditioning
from ..diffusion.guidance import Conditional
from ..imaging.resize import lanczos
from .model import EDITING, INPAINTING, Model
from .original import Original, as_tensor, encoded
from .resize import resized_latents
from .run import Run


def extra_channels(run: Run, model: Model, height: int, width: int) -> Tensor | None:
    """What the model sees beside latents of `height` x `width`, (1, channels, height, width), float32; None for most.

    Computed once a job for each size. Raises UserError for a model whose input nobody here knows how to make.
    """
    if not model.extra_channels:
        return None
    if (height, width) not in run.channels:
        if model.purpose == INPAINTING:
            if run.original is not None:
                run.notes["Conditional mask weight"] = run.request.inpainting_mask_weight
            run.channels[height, width] = _masked_picture(run.original, run.request, model, height, width)
        elif model.purpose == EDITING:
            run.channels[height, width] = _whole_picture(run.original, model, height, width)
        else:
            raise UserError(
                f"The UNet of {model.file.name} wants {model.extra_channels} more input channels than a picture has.",
                hint="Models for inpainting (5 more) and for editing by instruction (4 more) can be used.",
            )
    return run.channels[height, width]


def seeing(
    conditionals: list[Conditional], unconditional: Conditioning, channels: Tensor | None, run: Run, model: Model
) -> tuple[list[Conditional], Conditioning]:
    """The conditionings with what the model sees beside the latents, and the guidance scale if it is told one.

    A model that edits by instruction is steered toward the text and toward the picture, each with its own scale:
    Brooks et al. 2022, "InstructPix2Pix", equation 3. In terms of one guidance with scale s that is one more
    conditional, without text but with the picture, and an unconditional that sees nothing.
    """
    if model.weights.distilled_guidance:
        scale = _told_scale(run)
        conditionals = [Conditional(with_guidance(one.conditioning, scale), one.weight) for one in conditionals]
        unconditional = with_guidance(unconditional, scale)
    if channels is None:
        return conditionals, unconditional
    seen = [Conditional(with_channels(one.conditioning, channels), one.weight) for one in conditionals]
    if model.purpose != EDITING:
        return seen, with_channels(unconditional, channels)
    scale, picture_scale = run.request.cfg_scale, run.request.image_cfg_scale
    if scale == 0:
        raise UserError("A model that edits by instruction needs a CFG scale above 0.", hint="Its usual value is 7.")
    run.notes["Image CFG scale"] = picture_scale
    share = picture_scale / scale - sum(one.weight for one in seen)
    picture_alone = Conditional(with_channels(unconditional, channels), share)
    return [*seen, picture_alone], with_channels(unconditional, torch.zeros_like(channels))


def _told_scale(run: Run) -> float:
    """The guidance scale for a distilled model, which is noted; of a second pass, if it has its own."""
    request, second = run.request, run.first_pass is not None
    if not second:
        run.notes["Distilled CFG Scale"] = request.distilled_cfg_scale
    elif request.hr_distilled_cfg:
        run.notes["Hires Distilled CFG Scale"] = request.hr_distilled_cfg
    return request.distilled_cfg_scale


def _masked_picture(
    original: Original | None, request: GenerationRequest, model: Model, height: int, width: int
) -> Tensor:
    """The mask, 1 where it is painted, and the latents of the picture with that part grey: 5 channels.

    Without a mask, or without a picture, all of it is painted and all of it is grey.
    """
    size = width * model.weights.latent_factor, height * model.weights.latent_factor
    mask, picture = torch.ones(1, 1, size[1], size[0]), torch.zeros(1, 3, size[1], size[0])
    if original is not None:
        picture = as_tensor(lanczos(original.scene.image, *size))
    if original is not None and original.scene.mask is not None:
        levels = lanczos(Image.fromarray(original.scene.mask), *size)
        mask = torch.from_numpy(numpy.array(levels))[None, None].float() / 255
        mask = mask if request.soft_inpainting else mask.round()
    hidden = torch.lerp(picture, picture * (1 - mask), request.inpainting_mask_weight)
    latents = encoded(hidden, model)
    return torch.cat([interpolate(mask, size=(height, width)).to(latents.device), latents], dim=1)


def _whole_picture(original: Original | None, model: Model, height: int, width: int) -> Tensor:
    """The picture's latents as the VAE gives them, unscaled: 4 channels. Zeros without a picture."""
    if original is None:
        return torch.zeros(1, model.weights.latent_channels, height, width, device=model.weights.device)
    family = model.weights.family
    return resized_latents(original.latents, height, width) / family.latent_scale + family.latent_shift

"""A cheap look at unfinished latents: one matrix, about a millisecond. The full VAE would cost seconds."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

SMALLEST, LARGEST = 256, 512
QUALITY = 80


def preview_jpeg(latents: Tensor, factors: Tensor, bias: Tensor) -> bytes:
    """JPEG of one picture's latents (channels, h, w); `factors` (channels, 3) and `bias` (3,) give colours in -1..1."""
    colours = torch.einsum("chw,cr->hwr", latents.float().cpu(), factors) + bias
    pixels = ((colours + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy()
    image = Image.fromarray(pixels)
    longest = max(image.size)
    scale = max(SMALLEST, min(LARGEST, longest * 8)) / longest
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()

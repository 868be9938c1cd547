"""A cheap look at unfinished latents: one matrix, about a millisecond. The full VAE would cost seconds."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor, nn

SMALLEST, LARGEST = 256, 512
QUALITY = 80


def preview_jpeg(latents: Tensor, factors: Tensor, bias: Tensor) -> bytes:
    """JPEG of one picture's latents (channels, h, w); `factors` (channels, 3) and `bias` (3,) give colours in -1..1."""
    colours = torch.einsum("chw,cr->hwr", latents.float().cpu(), factors) + bias
    pixels = ((colours + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy()
    longest = max(pixels.shape[:2])
    return _jpeg(Image.fromarray(pixels), max(SMALLEST, min(LARGEST, longest * 8)))


def tiny_jpeg(latents: Tensor, decoder: nn.Module) -> bytes:
    """JPEG of one picture's latents (channels, h, w), made by a tiny decoder."""
    first = next(decoder.parameters())
    colours = decoder(latents[None].to(first))[0].float().clamp(0, 1)
    image = Image.fromarray((colours * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())
    return _jpeg(image, max(SMALLEST, min(LARGEST, max(image.size))))


def _jpeg(image: Image.Image, longest: int) -> bytes:
    """The picture, its longer side so many pixels."""
    scale = longest / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()

"""Latents brought to another size."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import interpolate

MODES = MappingProxyType(
    {
        "Latent": {"mode": "bilinear", "antialias": False},
        "Latent (antialiased)": {"mode": "bilinear", "antialias": True},
        "Latent (bicubic)": {"mode": "bicubic", "antialias": False},
        "Latent (bicubic antialiased)": {"mode": "bicubic", "antialias": True},
        "Latent (nearest)": {"mode": "nearest", "antialias": False},
        "Latent (nearest-exact)": {"mode": "nearest-exact", "antialias": False},
    }
)


def resized_latents(latents: Tensor, height: int, width: int, upscaler: str = "Latent") -> Tensor:
    """Latents (n, c, h, w) at `height` x `width` latent pixels, by one of A1111's latent upscalers."""
    if latents.shape[2:] == (height, width):
        return latents
    return interpolate(latents, size=(height, width), **MODES[upscaler])

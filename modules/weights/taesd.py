"""TAESD: a tiny decoder that shows latents almost as the VAE does, in a hundredth of the time.

Its architecture is read off the shapes in its file, as its author saves it (layers by number) or as diffusers does.
Source: https://github.com/madebyollin/taesd.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..catalog.open import read_tensors
from ..core.errors import UserError
from .tensors import identity, read_all

if TYPE_CHECKING:
    from .weights import Weights

SUFFIXES = (".safetensors", ".pth", ".pt")
STEMS = {"sd1": ("taesd_decoder", "taesd"), "sd2": ("taesd_decoder", "taesd")}
STEMS |= {
    "sdxl": ("taesdxl_decoder", "taesdxl"),
    "sd3": ("taesd3_decoder", "taesd3"),
    "flux": ("taef1_decoder", "taef1"),
}
LAYER = re.compile(r"(?:taesd_decoder\.|decoder\.)?(layers\.)?(\d+)\.(.+)")
BOUND = 3.0  # latents beyond this are bent back


class Block(nn.Module):
    """Three convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class Bend(nn.Module):
    """Holds latents within +-BOUND, smoothly."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / BOUND) * BOUND


class TinyDecoders:
    """The tiny decoders in a folder, the latest kept. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._latest: tuple[tuple, nn.Sequential] | None = None

    def decoder(self, weights: Weights) -> nn.Sequential | None:
        """The one for a model, on its device; None without its file. Raises UserError when that cannot be used."""
        path = tiny_file(self._folder, weights.family.id)
        if path is None:
            return None
        key = path, identity(path), weights.device
        if self._latest is None or self._latest[0] != key:
            self._latest = key, load_tiny(path, weights.device, torch.float32)
        return self._latest[1]

    def close(self) -> None:
        self._latest = None


def tiny_file(folder: Path, family_id: str) -> Path | None:
    """The file of the tiny decoder for a family, if it is in the folder."""
    names = [stem + suffix for stem in STEMS.get(family_id, ()) for suffix in SUFFIXES]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def load_tiny(path: Path, device: torch.device, dtype: torch.dtype) -> nn.Sequential:
    """The decoder: scaled latents (b, c, h, w) to pictures (b, 3, 8 h, 8 w) in about 0..1. Raises UserError."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in read_all(read_tensors(path)).items():
        found = LAYER.fullmatch(name)
        if found and not name.startswith("encoder."):  # diffusers' layers are numbered without the first, the bend
            tensors[f"{int(found[2]) + bool(found[1])}.{found[3]}"] = tensor
    layers = _layers(tensors)
    with torch.device("meta"):
        decoder = nn.Sequential(*layers) if layers else None
    try:
        if decoder is None:
            raise RuntimeError("no layers by number")
        decoder.load_state_dict({name: tensor.to(device, dtype) for name, tensor in tensors.items()}, assign=True)
    except RuntimeError as error:
        raise UserError(f"{path.name} is not a TAESD decoder.", hint="Its layers are not as TAESD's are.") from error
    return decoder.eval().requires_grad_(False)


def _layers(tensors: dict[str, Tensor]) -> list[nn.Module]:
    """The layers by number: a convolution or a block where the file has tensors; between them what needs none."""
    numbers = {int(name.partition(".")[0]) for name in tensors}
    layers: list[nn.Module] = []
    with torch.device("meta"):
        for number in range(max(numbers, default=-1) + 1):
            weight = tensors.get(f"{number}.weight")
            if f"{number}.conv.0.weight" in tensors:
                layers.append(Block(len(tensors[f"{number}.conv.0.weight"])))
            elif weight is not None and weight.ndim == 4:
                layers.append(nn.Conv2d(weight.shape[1], len(weight), 3, padding=1, bias=f"{number}.bias" in tensors))
            elif number == 0:
                layers.append(Bend())
            else:
                layers.append(nn.ReLU() if number == 2 else nn.Upsample(scale_factor=2))
    return layers

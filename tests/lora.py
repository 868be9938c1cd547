"""LoRA files in miniature, as people's are: kohya's names, random numbers, any layers of a loaded model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.weights.weights import Weights


def write_lora(path: Path, weights: Weights, *, unet: str = "attn2", text: str = "q_proj", seed: int = 0) -> Path:
    """A LoRA of rank 2 for the layers whose names contain `unet` and `text`, in kohya's names."""
    tensors: dict[str, Tensor] = {}
    for spelling, layer in (*kohyas_unet(weights, unet), *kohyas_text(weights, text)):
        tensors |= pair(layer, f"lora_{spelling}", seed=seed + len(tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def kohyas_unet(weights: Weights, containing: str) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in layers(weights.unet, containing):
        yield f"unet_{name.replace('.', '_')}", layer


def kohyas_text(weights: Weights, containing: str) -> Iterator[tuple[str, nn.Module]]:
    encoders = {"small.": "te1", "large.clip.": "te2"} if weights.family.id == "sdxl" else {"": "te"}
    for prefix, kohya in encoders.items():
        for name, layer in layers(weights.text_encoder, containing):
            if name.startswith(prefix):
                yield f"{kohya}_text_model_{name.removeprefix(prefix).replace('.', '_')}", layer


def layers(network: nn.Module, containing: str) -> Iterable[tuple[str, nn.Module]]:
    kinds = nn.Linear | nn.Conv2d
    return [(name, one) for name, one in network.named_modules() if containing in name and isinstance(one, kinds)]


def pair(layer: nn.Module, name: str, rank: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Both matrices of one layer and its alpha, half of the rank."""
    generator = torch.Generator().manual_seed(seed)
    out, into, *kernel = layer.weight.shape
    ones = [1] * len(kernel)
    return {
        f"{name}.lora_up.weight": torch.randn(out, rank, *ones, generator=generator) * 0.1,
        f"{name}.lora_down.weight": torch.randn(rank, into, *kernel, generator=generator) * 0.1,
        f"{name}.alpha": torch.tensor(rank / 2),
    }

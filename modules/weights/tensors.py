"""Fills a module that was created on the meta device with the tensors of a file, reading each byte once.

The file is mapped, not read: a parameter whose dtype and device are those of the file *is* the mapped page (no copy at
all); any other is one fresh tensor, cast straight from the mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ..core.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]


def fill(
    module: nn.Module,
    path: Path,
    shapes: Shapes,
    original: Callable[[str], str],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> nn.Module:
    """The module with every parameter taken from the file: `original` gives a parameter's name there.

    `shapes` are the file's, in its order of bytes. Tensors that no parameter asks for are ignored. Raises UserError
    naming the first tensors that are missing or have another shape than the module needs.
    """
    wanted = {original(name): (name, parameter) for name, parameter in module.named_parameters()}
    _check(type(module).__name__, path, wanted, shapes)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for source in (name for name in shapes if name in wanted):
                name, parameter = wanted[source]
                tensor = file.get_tensor(source).view(parameter.shape).to(device=device, dtype=dtype)
                owner, _, leaf = name.rpartition(".")
                setattr(module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path.name} cannot be read: {error}.", hint="Check the file and its disk.") from error
    return module.eval()


def _check(part: str, path: Path, wanted: Mapping[str, tuple[str, nn.Parameter]], shapes: Shapes) -> None:
    missing = [source for source in wanted if source not in shapes]
    if missing:
        raise _unfit(path, part, f"lacks {len(missing)} of its {len(wanted)} tensors", missing)
    other = [
        f"{source} {list(shapes[source])} instead of {list(parameter.shape)}"
        for source, (_, parameter) in wanted.items()
        if not _same_matrix(shapes[source], tuple(parameter.shape))
    ]
    if other:
        raise _unfit(path, part, f"has {len(other)} tensors of another shape than Stable Diffusion's", other)


def _same_matrix(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Equal, or one a 1 x 1 convolution and the other the linear layer that computes the same."""
    return shape == wanted or {shape, wanted} == {shape[:2], (*shape[:2], 1, 1)}


def _unfit(path: Path, part: str, problem: str, examples: list[str]) -> UserError:
    more = ", ..." if len(examples) > 3 else ""
    return UserError(
        f"{path.name} cannot be loaded: its {part} {problem} ({', '.join(examples[:3])}{more}).",
        hint="The file is incomplete, or of a kind that is not supported yet.",
    )

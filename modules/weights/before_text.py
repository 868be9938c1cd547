"""What a UNet computes before it first reads a text is the same for every text: it is computed once a step.

With guidance the same noisy latents go through the UNet beside several texts, one copy of the batch under the other.
Up to the first attention to a text the copies are equal, in Stable Diffusion 1 and 2 through the first residual block
and the first self-attention, which at 512 x 512 is among the dearest of all. Nothing changes in what is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn


def compute_once_before_text(unet: nn.Module) -> None:
    """Has those layers of `unet` read one copy of the batch, if it is diffusers' and is told nothing of a text but by
    attention. Other networks stay as they are.
    """
    first = unet.down_blocks[0] if isinstance(unet, UNet2DConditionModel) else None
    if not hasattr(first, "attentions") or unet.config.addition_embed_type or unet.config.class_embed_type:
        return
    copies = _Copies()
    unet.register_forward_pre_hook(copies.count, with_kwargs=True)
    for layer in _before_text(unet.conv_in, first):
        layer.forward = copies.computed_once(layer.forward)


def _before_text(conv_in: nn.Module, first: nn.Module) -> Iterator[nn.Module]:
    transformer = first.attentions[0]
    block = transformer.transformer_blocks[0]
    yield from (conv_in, first.resnets[0], transformer.norm, transformer.proj_in, block.norm1)
    if not block.only_cross_attention:
        yield block.attn1


class _Copies:
    """How many equal copies the batch of the running call consists of."""

    def __init__(self) -> None:
        self._count = 1

    def count(self, unet: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Hears the UNet's call: latents (rows, c, h, w) and timesteps (rows,), or one for all."""
        given = [*args[:2], *(kwargs[name] for name in ("sample", "timestep") if name in kwargs)]
        rows = len(given[0])
        perhaps = (count for count in range(rows, 1, -1) if rows % count == 0)
        self._count = next((count for count in perhaps if all(_repeats(one, rows, count) for one in given)), 1)

    def computed_once(self, forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The layer's own `forward`, given the first copy alone; what it makes of it stands for every copy."""

        def once(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if self._count == 1:
                return forward(x, *args, **kwargs)
            rows = len(x)

            def first(value: Any) -> Any:
                batched = isinstance(value, Tensor) and len(value) == rows
                return value[: rows // self._count] if batched else value

            given = forward(first(x), *map(first, args), **{name: first(value) for name, value in kwargs.items()})
            return torch.cat([given] * self._count)

        return once


def _repeats(value: Any, rows: int, count: int) -> bool:
    """Whether the rows of a tensor are so many copies of the first ones."""
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != rows:
        return True
    return all(torch.equal(copy, value[: rows // count]) for copy in value.split(rows // count)[1:])

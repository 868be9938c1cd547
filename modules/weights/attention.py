"""The UNet with the attention of its middle blinded, for perturbed attention guidance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Blinded:
    """An attention processor in which every place sees only itself: the attention map is the identity."""

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        residual = hidden_states
        for layer in (attn.to_v, *attn.to_out):
            hidden_states = layer(hidden_states)
        return hidden_states + residual if attn.residual_connection else hidden_states


@contextmanager
def blinded_middle(unet: nn.Module) -> Iterator[None]:
    """Within it, the self-attention of the UNet's middle block relates nothing to anything."""
    layers = [module for name, module in unet.mid_block.named_modules() if name.endswith("attn1")]
    before = [layer.processor for layer in layers]
    try:
        for layer in layers:
            layer.processor = Blinded()
        yield
    finally:
        for layer, processor in zip(layers, before, strict=True):
            layer.processor = processor

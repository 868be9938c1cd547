"""Networks that are given more than the noisy latents: further channels beside them, which no noise is added to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .denoiser import Conditioning, Network
from .stepping import nearest

TEXT, CHANNELS = "text", "channels"
POOLED, SIZES = "pooled", "sizes"  # the whole prompt as one vector, and the numbers that SDXL is told
GUIDANCE = "guidance"  # (rows,) float: the guidance scale that a guidance-distilled network (FLUX dev) is told


def with_channels(conditioning: Conditioning, channels: Tensor) -> Mapping[str, Tensor]:
    """A conditioning that brings `channels` (1 or rows, c, h, w) along."""
    named = conditioning if isinstance(conditioning, Mapping) else {TEXT: conditioning}
    return {**named, CHANNELS: channels}


def with_guidance(conditioning: Conditioning, scale: float) -> Mapping[str, Tensor]:
    """A conditioning that tells the network a guidance scale."""
    named = conditioning if isinstance(conditioning, Mapping) else {TEXT: conditioning}
    return {**named, GUIDANCE: torch.full((1,), scale, device=named[TEXT].device)}


def concatenating(network: Network) -> Network:
    """The network, given the channels of its conditioning after the latents'."""

    def concatenated(x: Tensor, t: Tensor, conditioning: Any) -> Tensor:
        if not isinstance(conditioning, Mapping) or CHANNELS not in conditioning:
            return network(x, t, conditioning)
        text = {name: value for name, value in conditioning.items() if name != CHANNELS}
        channels = nearest(conditioning[CHANNELS].to(x), *x.shape[2:]).expand(len(x), -1, -1, -1)
        return network(torch.cat([x, channels], dim=1), t, text[TEXT] if text.keys() == {TEXT} else text)

    return concatenated

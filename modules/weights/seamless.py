"""Pictures whose edges meet: convolutions that look around the edge instead of at nothing."""

from __future__ import annotations

from torch import nn


def let_edges_meet(meet: bool, *networks: nn.Module) -> None:
    """Has the networks' convolutions take what is beyond an edge from the opposite one; or, as usual, zeros."""
    mode = "circular" if meet else "zeros"
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.padding_mode = mode

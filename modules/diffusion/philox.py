"""Normal random numbers as a CUDA device draws them, on any machine: A1111's noise source "NV".

Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), then Box-Muller.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF_BITS = np.uint64(32)
UNIT = 2.0**-32
TURN = float(np.float32(UNIT * 2 * math.pi))  # CUDA holds this constant in single precision


class PhiloxGenerator:
    """Draws follow on from each other: the n-th draw of a seed is the same whatever the earlier ones' sizes."""

    def __init__(self, seed: int) -> None:
        """`seed`: its lowest 64 bits are the key."""
        self.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.draws = 0

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        """Independent standard normal numbers of that shape, float32, on the CPU."""
        first, second = philox(self.draws, math.prod(shape), self.seed)
        self.draws += 1
        return box_muller(first, second).reshape(shape)


def philox(draw: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first two of the four words of the counters (draw, 0, position, 0), as uint64 (count,) below 2^32.

    CUDA gives each thread its own position and counts the draws. Words that are the same for all positions stay single
    numbers until the rounds have mixed them.
    """
    a, b, c, d = np.uint64(draw), np.uint64(0), np.arange(count, dtype=np.uint64), np.uint64(0)
    key_low, key_high = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(ROUNDS):
        product_a, product_c = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a = product_c >> HALF_BITS
        a ^= b ^ np.uint64(key_low)
        b = product_c & LOW_HALF
        c = product_a >> HALF_BITS
        c ^= d ^ np.uint64(key_high)
        d = product_a & LOW_HALF
        key_low, key_high = (key_low + KEY_STEPS[0]) & 0xFFFFFFFF, (key_high + KEY_STEPS[1]) & 0xFFFFFFFF
    return a, b


def box_muller(first: np.ndarray, second: np.ndarray) -> Tensor:
    """Standard normal numbers (count,) float32 from two words each: the sine half, as CUDA hands it out first."""
    uniform, turned = (torch.from_numpy(words.astype(np.float64)) for words in (first, second))
    radius = uniform.mul_(UNIT).add_(UNIT / 2).log_().mul_(-2).sqrt_()
    return turned.mul_(TURN).add_(TURN / 2).sin_().mul_(radius).float()

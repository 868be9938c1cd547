"""A path of Brownian motion that can be asked anywhere, in any order, and always answers the same.

SDE samplers take their noise from it, so that one seed means one picture whatever the number of steps. The numbers are
those of torchsde's `BrownianTree`: halve the interval, draw the middle given its ends, and go down to the half that
holds the point asked for, until it is met to a millionth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

DIGITS = 6
POOL_SIZE = 24
REMEMBERED = 4

Draw = Callable[[int], Tensor]


@dataclass(frozen=True)
class _Interval:
    """From `low` to `high`, where the path is at `at_low` and rises by `rise`; (`key`, `depth`) is its place."""

    low: float
    high: float
    at_low: Tensor | float
    rise: Tensor
    key: int = 0
    depth: int = 0

    def holds(self, t: float) -> bool:
        return self.low <= t <= self.high


class BrownianTree:
    """W(t) for t between `start` and `end`, with W(start) = 0."""

    def __init__(self, start: float, end: float, entropy: int, draw: Draw) -> None:
        """`entropy`: the seed, at least 0. `draw(seed)` gives standard normal numbers of the path's shape for a seed
        of 32 bits; always the same for the same."""
        self._entropy = entropy
        self._draw = draw
        whole_rise = draw(self._seed()) * math.sqrt(end - start)
        self._path = [_Interval(round(start, DIGITS), round(end, DIGITS), 0.0, whole_rise)]
        self._known: dict[float, Tensor | float] = {}

    def __call__(self, low: float, high: float) -> Tensor:
        """W(high) - W(low). Points outside of the tree count as its ends."""
        return self._at(high) - self._at(low) + self._path[0].rise * 0

    def _at(self, t: float) -> Tensor | float:
        t = round(min(max(t, self._path[0].low), self._path[0].high), DIGITS)
        if t not in self._known:
            value = self._descend(t)
            self._known = dict([*self._known.items(), (t, value)][-REMEMBERED:])
        return self._known[t]

    def _descend(self, t: float) -> Tensor | float:
        """Walks from the smallest interval known to hold `t` down to one that begins or ends there."""
        while not self._path[-1].holds(t):
            self._path.pop()
        while t not in (self._path[-1].low, self._path[-1].high):
            self._path.append(self._half(self._path[-1], t))
        nearest = self._path[-1]
        return nearest.at_low if t == nearest.low else nearest.at_low + nearest.rise

    def _half(self, whole: _Interval, t: float) -> _Interval:
        """The half of `whole` that holds `t`: its middle is drawn as a Brownian bridge between the ends."""
        low, high = whole.low, whole.high
        middle = round(0.5 * (low + high), DIGITS)
        mean = whole.rise * ((middle - low) / (high - low))
        spread = math.sqrt((middle - low) * (high - middle) / (high - low))
        rise = mean.add_(self._draw(self._seed(whole.key, whole.depth)), alpha=spread)
        if t <= middle:
            return _Interval(low, middle, whole.at_low, rise, 2 * whole.key, whole.depth + 1)
        return _Interval(middle, high, whole.at_low + rise, whole.rise - rise, 2 * whole.key + 1, whole.depth + 1)

    def _seed(self, *place: int) -> int:
        return int(np.random.SeedSequence(self._entropy, spawn_key=place, pool_size=POOL_SIZE).generate_state(1)[0])

"""How far two pictures are apart."""

from __future__ import annotations

import numpy
import pytest

from modules.core.errors import UserError
from modules.imaging.difference import Difference, difference

BLACK = numpy.zeros((8, 8, 3), numpy.uint8)


def test_the_distance_is_that_of_all_colour_values() -> None:
    other = BLACK.copy()
    other[:4, :, 0] = 30
    assert difference(BLACK, other) == Difference(mean=5.0, largest=30, equal=0.5)
    assert difference(other, BLACK) == difference(BLACK, other)


def test_transparency_is_left_aside() -> None:
    clear = numpy.zeros((8, 8, 4), numpy.uint8)
    assert difference(BLACK, clear) == Difference(mean=0.0, largest=0, equal=1.0)


def test_pictures_of_two_sizes_are_not_compared() -> None:
    with pytest.raises(UserError, match="8 x 8 and 16 x 8"):
        difference(BLACK, numpy.zeros((8, 16, 3), numpy.uint8))

"""Pictures that grow."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.sections.outpaint import OUTPAINT_FILLS
from modules.imaging.outpaint import extended, extended_mask, sides_in_steps

PIXELS = numpy.random.default_rng(9).integers(0, 256, (6, 9, 3)).astype(numpy.uint8)
SIDES = (4, 20, 0, 3)


@pytest.mark.parametrize("fill", OUTPAINT_FILLS)
def test_the_picture_stays_and_the_sides_are_added(fill: str) -> None:
    result = extended(PIXELS, SIDES, fill)
    assert result.shape == (29, 13, 3)
    assert numpy.array_equal(result[20:26, 4:], PIXELS)


def test_a_mirror_carries_on_at_the_edge_however_far_it_goes() -> None:
    result = extended(PIXELS, (0, 20, 0, 0), "mirror")
    assert numpy.array_equal(result[14:20], PIXELS[::-1])
    assert numpy.array_equal(result[8:14], PIXELS)


def test_an_edge_is_drawn_out() -> None:
    assert (extended(PIXELS, (5, 0, 0, 0), "edge")[:, :5] == PIXELS[:, :1]).all()


def test_noise_has_the_colours_of_the_picture_and_depends_on_the_seed_alone() -> None:
    red = numpy.full((8, 8, 3), (200, 30, 30), numpy.uint8)
    assert (extended(red, (8, 8, 8, 8), "noise") == (200, 30, 30)).all()
    first, again, other = (extended(PIXELS, (64, 0, 0, 0), "noise", seed) for seed in (1, 1, 2))
    assert numpy.array_equal(first, again)
    assert not numpy.array_equal(first, other)
    assert first[:, :64].std() > 10


def test_what_is_added_is_white_in_the_mask() -> None:
    mask = extended_mask(numpy.zeros((6, 9), numpy.uint8), SIDES)
    assert mask.shape == (29, 13)
    assert mask[20:26, 4:].max() == 0
    assert mask.sum() == 255 * (29 * 13 - 6 * 9)


@given(size=st.tuples(st.integers(1, 99), st.integers(1, 99)), sides=st.tuples(*[st.integers(0, 30)] * 4))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_sides_grow_by_less_than_a_step_until_the_whole_can_be_painted(size, sides) -> None:
    grown = sides_in_steps(size, sides)
    left, up, right, down = grown
    whole = size[0] + left + right, size[1] + up + down
    assert whole[0] % 8 == whole[1] % 8 == 0
    assert all(new == old or new - old < 8 or 64 in whole for new, old in zip(grown, sides, strict=True))
    assert min(whole) >= 64
    assert sides_in_steps(size, grown) == grown

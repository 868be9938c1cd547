"""Blur, bounds, crop and fill of masks."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.masks import Rectangle, blurred, bounds, crop_rectangle, filled, mask_levels


def with_square(height: int = 60, width: int = 80, box: tuple[int, int, int, int] = (30, 20, 50, 40)) -> numpy.ndarray:
    mask = numpy.zeros((height, width), numpy.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    return mask


def test_a_blur_is_a_gaussian_cut_off_at_two_and_a_half_sigma() -> None:
    dot = numpy.zeros((41, 41), numpy.uint8)
    dot[20, 20] = 255
    edge = blurred(numpy.tile(numpy.repeat([0, 255], 20).astype(numpy.uint8), (40, 1)), 4, 4)[20]
    places = numpy.arange(-10, 11)
    weights = numpy.exp(-(places**2) / 32)
    expected = numpy.cumsum(weights / weights.sum()) * 255
    assert numpy.abs(edge[10:31] - expected[: len(edge[10:31])]).max() <= 0.51
    assert edge[9] == 0
    assert blurred(dot, 1, 1)[20, 20] == round(255 * (1 / numpy.exp(-(numpy.arange(-3, 4) ** 2) / 2).sum()) ** 2)


def test_a_blur_may_be_another_one_up_and_down() -> None:
    soft = blurred(with_square(), 0, 4)
    assert (soft[30, 30:50] > 250).all() and not soft[30, :30].any()
    assert 0 < soft[17, 40] < 255
    assert numpy.array_equal(blurred(with_square().T, 4, 0), soft.T)


def test_a_blur_at_the_edge_of_the_picture_mirrors_it() -> None:
    mask = with_square(box=(0, 0, 12, 60))
    assert blurred(mask, 4, 4)[30, 0] == 255
    white = numpy.full((5, 7), 255, numpy.uint8)
    assert numpy.array_equal(blurred(white, 30, 30), white)


def test_without_blur_or_without_white_nothing_changes() -> None:
    mask = with_square()
    assert blurred(mask, 0, 0) is mask
    black = numpy.zeros((4, 4), numpy.uint8)
    assert blurred(black, 4, 4) is black


def test_computing_only_the_surroundings_gives_what_the_whole_would() -> None:
    """A speck far away makes the part that is computed larger, and must not change the rest."""
    mask = with_square(200, 300)
    alone = blurred(mask, 3, 3)
    mask[-1, -1] = 1
    assert numpy.array_equal(blurred(mask, 3, 3)[:150, :250], alone[:150, :250])


def test_bounds_hold_all_that_is_not_black() -> None:
    assert bounds(with_square()) == Rectangle(30, 20, 50, 40)
    assert bounds(numpy.zeros((3, 3), numpy.uint8)) is None


def test_the_crop_has_padding_and_the_wanted_shape() -> None:
    mask = with_square(400, 600, (290, 190, 310, 210))
    assert crop_rectangle(mask, 10, 64, 64) == Rectangle(280, 180, 320, 220)
    assert crop_rectangle(mask, 10, 128, 64) == Rectangle(260, 180, 340, 220)
    assert crop_rectangle(mask, 10, 64, 128) == Rectangle(280, 160, 320, 240)


def test_the_crop_is_moved_into_the_picture_and_cut_where_that_is_smaller() -> None:
    corner = with_square(400, 600, (0, 0, 20, 20))
    assert crop_rectangle(corner, 10, 64, 128) == Rectangle(0, 0, 30, 60)
    other = with_square(400, 600, (580, 380, 600, 400))
    assert crop_rectangle(other, 10, 128, 64) == Rectangle(540, 370, 600, 400)
    wide = with_square(40, 600, (0, 0, 600, 40))
    assert crop_rectangle(wide, 0, 64, 64) == Rectangle(0, 0, 600, 40)
    assert crop_rectangle(numpy.zeros((4, 4), numpy.uint8), 4, 64, 64) is None


@given(
    box=st.tuples(*[st.integers(0, 40)] * 4).filter(lambda b: b[0] < b[2] and b[1] < b[3]),
    padding=st.integers(0, 50),
    shape=st.tuples(st.integers(8, 64), st.integers(8, 64)),
)
@settings(derandomize=True, deadline=None, max_examples=150)
def test_the_crop_always_holds_the_mask_and_lies_in_the_picture(box, padding, shape) -> None:
    part = crop_rectangle(with_square(40, 40, box), padding, *shape)
    assert 0 <= part.left <= box[0] < box[2] <= part.right <= 40
    assert 0 <= part.top <= box[1] < box[3] <= part.bottom <= 40


def test_filling_paints_the_colours_around_over_what_is_masked() -> None:
    pixels = numpy.full((80, 80, 3), (200, 40, 40), numpy.uint8)
    pixels[:, 40:] = (40, 40, 200)
    pixels[30:50, 30:50] = (0, 255, 0)
    mask = with_square(80, 80, (28, 28, 52, 52))
    result = numpy.asarray(filled(Image.fromarray(pixels), mask)).astype(int)
    assert numpy.abs(result[mask == 0] - pixels[mask == 0]).max() <= 2
    inside = result[30:50, 30:50]
    assert inside[..., 1].max() < 70
    assert inside[:, 0, 0].mean() > inside[:, -1, 0].mean() + 60


def test_a_mask_of_nothing_but_white_can_be_filled() -> None:
    assert filled(Image.new("RGB", (16, 16), (9, 9, 9)), numpy.full((16, 16), 255, numpy.uint8)).size == (16, 16)


@pytest.mark.parametrize(
    ("pixels", "level"),
    [
        (numpy.full((2, 2, 3), 200, numpy.uint8), 200),
        (numpy.dstack([numpy.full((2, 2, 3), 9, numpy.uint8), numpy.full((2, 2), 129, numpy.uint8)]), 255),
        (numpy.dstack([numpy.full((2, 2, 3), 255, numpy.uint8), numpy.full((2, 2), 128, numpy.uint8)]), 0),
    ],
    ids=["bright", "opaque", "half clear"],
)
def test_the_levels_of_a_mask_are_its_grey_or_its_alpha(pixels: numpy.ndarray, level: int) -> None:
    assert set(mask_levels(pixels, 2, 2).flat) == {level}


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match="The mask has 3 x 2 pixels, but the picture 2 x 2"):
        mask_levels(numpy.zeros((2, 3, 3), numpy.uint8), 2, 2)

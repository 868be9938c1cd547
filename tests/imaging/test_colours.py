"""One picture's colours for another, and its light kept."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageCms

from modules.imaging.colours import corrected, to_lab, to_rgb

NOISE = numpy.random.default_rng(2).integers(0, 256, (48, 48, 3)).astype(numpy.uint8)


def test_lab_is_that_of_the_standard() -> None:
    """Against littlecms, which has a D50 white: compared are greys and the order of lightness."""
    colours = numpy.array([[[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 0, 255]]], numpy.uint8)
    ours = to_lab(colours)[0].astype(int)
    assert ours[0].tolist() == [0, 128, 128]
    assert ours[1].tolist() == [255, 128, 128]
    assert ours[2].tolist() == [137, 128, 128]
    assert ours[3].tolist() == [136, 208, 195]  # OpenCV's numbers for red and blue
    assert ours[4].tolist() == [82, 207, 20]
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    theirs = ImageCms.profileToProfile(Image.fromarray(colours), srgb, lab, outputMode="LAB")
    lightness = numpy.asarray(theirs)[0, :, 0].astype(int)
    assert numpy.abs(lightness - ours[:, 0]).max() < 8


def test_lab_and_back_is_the_same_colour_within_eight_bits() -> None:
    assert numpy.abs(to_rgb(to_lab(NOISE)).astype(int) - NOISE).mean() < 1.5


def test_a_picture_gets_the_others_hue_and_keeps_its_own_light() -> None:
    model = numpy.empty_like(NOISE)
    model[...] = NOISE // 2 + numpy.array([100, 20, 0], numpy.uint8)
    grey = numpy.repeat(NOISE[..., :1], 3, axis=-1)
    result = corrected(grey, model).astype(int)
    assert (result[..., 0] - result[..., 2]).mean() > 40
    light = numpy.array([0.3, 0.59, 0.11])
    assert numpy.abs(result @ light - grey @ light).max() < 2


def test_its_own_colours_change_nothing_to_speak_of() -> None:
    assert numpy.abs(corrected(NOISE, NOISE).astype(int) - NOISE).mean() < 1.5


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_picture_can_give_and_take_colours(level: int) -> None:
    flat = numpy.full((8, 8, 3), level, numpy.uint8)
    assert corrected(NOISE, flat).shape == NOISE.shape
    assert numpy.isfinite(corrected(flat, NOISE)).all()

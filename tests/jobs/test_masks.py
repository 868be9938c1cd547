"""Automatic masks that extensions offer."""

from __future__ import annotations

import numpy
import pytest

from modules.core.errors import UserError
from modules.core.hooks import Hooks, hook
from modules.jobs.masks import made_mask, offered_masks

PIXELS = numpy.zeros((4, 6, 3), numpy.uint8)
PIXELS[:2] = 200


class Offers:
    @hook
    def offering_masks(self, masks):
        masks["Bright"] = lambda pixels: pixels[..., 0] > 100
        masks["Grey"] = lambda pixels: numpy.full(pixels.shape[:2], 90.4)
        masks["Small"] = lambda pixels: numpy.zeros((2, 2))
        masks["Broken"] = lambda pixels: 1 / 0


@pytest.fixture
def hooks() -> Hooks:
    hooks = Hooks()
    hooks.register(Offers(), "finder")
    return hooks


def test_extensions_offer_masks_by_name(hooks):
    assert list(offered_masks(hooks)) == ["Bright", "Grey", "Small", "Broken"]
    assert offered_masks(Hooks()) == {}


def test_a_mask_is_grey_and_of_the_pictures_size(hooks):
    bright = made_mask("Bright", numpy.dstack([PIXELS, PIXELS[..., :1]]), hooks)
    assert (bright.shape, bright.dtype) == ((4, 6, 3), numpy.uint8)
    assert bright[:2].min() == 255
    assert bright[2:].max() == 0
    assert set(made_mask("Grey", PIXELS, hooks).flat) == {90}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Nobody", "There is no automatic mask called 'Nobody'"),
        ("Small", r"has the shape \(2, 2\), but the picture 4 rows of 6 pixels"),
        ("Broken", "Broken failed: ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_is_one_sentence(hooks, name, sentence):
    with pytest.raises(UserError, match=sentence):
        made_mask(name, PIXELS, hooks)

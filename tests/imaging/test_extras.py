from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.core.request import GenerationRequest
from modules.imaging.extras import Sizes, sizes_of

TO = {"upscaling_mode": "Scale to"}


def _sizes(width: int, height: int, **values: object) -> Sizes:
    return sizes_of(GenerationRequest.checked(values), width, height)


def test_a_factor_scales_both_sides_and_cuts_nothing() -> None:
    assert _sizes(301, 200, upscaling_resize=2.5) == Sizes((752, 500), (752, 500))
    assert _sizes(1, 1, upscaling_resize=0.1) == Sizes((1, 1), (1, 1))


def test_a_size_is_covered_and_what_is_too_much_is_cut_off_on_both_sides() -> None:
    sizes = _sizes(300, 200, **TO, upscaling_resize_w=400, upscaling_resize_h=400)
    assert sizes == Sizes((600, 400), (400, 400))
    assert sizes.crop == (slice(0, 400), slice(100, 500))
    whole = _sizes(300, 200, **TO, upscaling_resize_w=400, upscaling_resize_h=400, upscaling_crop=False)
    assert whole == Sizes((600, 400), (600, 400))


def test_one_side_alone_keeps_the_shape() -> None:
    assert _sizes(300, 200, **TO, upscaling_resize_w=0, upscaling_resize_h=100).result == (150, 100)
    assert _sizes(300, 200, **TO, upscaling_resize_w=900, upscaling_resize_h=0).result == (900, 600)


def test_without_an_upscaler_the_size_stays() -> None:
    assert _sizes(300, 200, upscaler_1="None").result == (300, 200)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**TO, "upscaling_resize_w": 0, "upscaling_resize_h": 0}, "Width and height are both 0"),
        ({"upscaling_resize": 64}, r"19200 x 12800|would have"),
        ({**TO, "upscaling_resize_w": 16384, "upscaling_resize_h": 0}, "would have"),
    ],
)
def test_sizes_that_cannot_be_made_are_refused(values: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        _sizes(300, 20_000, **values)

"""What is seen of a picture, what of it is painted, and how the result is joined to the rest."""

from __future__ import annotations

import numpy
import pytest

from modules.core.request import GenerationRequest
from modules.imaging.masks import Rectangle
from modules.imaging.scene import flattened, painted_part, scene_of, size_of_result

PIXELS = numpy.random.default_rng(1).integers(0, 256, (200, 320, 3)).astype(numpy.uint8)
MASK = numpy.zeros((200, 320, 3), numpy.uint8)
MASK[80:120, 100:160] = 255
ID = "0" * 32


def request(**values: object) -> GenerationRequest:
    return GenerationRequest.checked({"width": 64, "height": 64, "init_image": ID, **values})


def masked(**values: object) -> GenerationRequest:
    return request(mask=ID, **values)


def test_a_plain_picture_is_resized_and_the_result_is_all_there_is() -> None:
    scene = scene_of(PIXELS, None, request())
    painted = numpy.full((64, 64, 3), 7, numpy.uint8)
    assert scene.image.size == (64, 64)
    assert (scene.mask, scene.place) == (None, None)
    assert numpy.array_equal(scene.joined(painted), painted)


def test_the_whole_picture_is_seen_and_only_the_mask_painted() -> None:
    scene = scene_of(PIXELS, MASK, masked(width=320, height=200, mask_blur=0))
    painted = numpy.zeros_like(PIXELS)
    joined = scene.joined(painted)
    kept = MASK[..., 0] == 0
    assert numpy.array_equal(joined[kept], PIXELS[kept])
    assert not joined[~kept].any()


def test_only_the_masked_part_is_seen_at_full_size_and_put_back() -> None:
    scene = scene_of(PIXELS, MASK, masked(inpaint_area="Only masked", inpaint_full_res_padding=10, mask_blur=0))
    assert scene.place == Rectangle(90, 60, 170, 140)
    assert scene.image.size == (64, 64)
    assert scene.mask.shape == (64, 64)
    joined = scene.joined(numpy.zeros((64, 64, 3), numpy.uint8))
    kept = MASK[..., 0] == 0
    assert joined.shape == PIXELS.shape
    assert numpy.array_equal(joined[kept], PIXELS[kept])
    assert not joined[~kept].any()


def test_the_part_that_is_asked_for_beforehand_is_the_one_that_is_painted() -> None:
    asked = masked(inpaint_area="Only masked", mask_blur=8, outpaint_left=16)
    part, whole = painted_part(320, 200, MASK, asked)
    assert part == scene_of(PIXELS, MASK, asked).place
    assert whole == Rectangle(0, 0, 336, 200)
    assert painted_part(320, 200, None, request())[0] == Rectangle(0, 0, 320, 200)


def test_a_soft_mask_is_seen_in_full_from_a_quarter_grey_on() -> None:
    grey = MASK // 4 + (MASK > 0)
    soft, hard = (
        scene_of(PIXELS, grey, masked(soft_inpainting=on, mask_blur=0, width=320, height=200)) for on in (1, 0)
    )
    assert soft.overlay.max() == 255
    assert hard.overlay.max() == 128


def test_an_empty_mask_is_none_and_inverted_everything() -> None:
    assert scene_of(PIXELS, MASK * 0, masked()).mask is None
    assert scene_of(PIXELS, MASK * 0, masked(mask_mode="Inpaint not masked")).mask.min() == 255
    assert scene_of(PIXELS, MASK * 0 + 255, masked(mask_mode="Inpaint not masked")).mask is None


def test_outpainting_joins_what_is_new_to_what_was() -> None:
    asked = request(outpaint_right=64, width=384, height=200, mask_blur=0)
    scene = scene_of(PIXELS, None, asked)
    assert scene.image.size == (384, 200)
    joined = scene.joined(numpy.zeros((200, 384, 3), numpy.uint8))
    assert numpy.array_equal(joined[:, :320], PIXELS)
    assert not joined[:, 320:].any()


def test_a_mask_beside_outpainting_is_painted_too_and_only_it_is_inverted() -> None:
    asked = masked(outpaint_right=64, width=384, height=200, mask_blur=0)
    scene = scene_of(PIXELS, MASK, asked)
    assert scene.mask[:, 320:].min() == 255
    assert numpy.array_equal(scene.mask[:, :320], MASK[..., 0])
    inverted = scene_of(PIXELS, MASK, asked.model_copy(update={"mask_mode": "Inpaint not masked"}))
    assert inverted.mask[:, 320:].min() == 255
    assert numpy.array_equal(inverted.mask[:, :320], 255 - MASK[..., 0])


@pytest.mark.parametrize("area", ["Whole picture", "Only masked"])
def test_what_is_painted_on_a_second_time_keeps_its_mask_and_place(area: str) -> None:
    first = scene_of(PIXELS, MASK, masked(inpaint_area=area, mask_blur=2))
    joined = first.joined(numpy.full((64, 64, 3), 9, numpy.uint8))
    second = first.continued(joined)
    assert (second.place, second.image.size) == (first.place, first.image.size)
    assert numpy.array_equal(second.mask, first.mask)
    assert numpy.array_equal(second.joined(numpy.asarray(second.image))[:50], joined[:50])


def test_transparent_parts_show_the_background() -> None:
    clear = numpy.dstack([PIXELS, numpy.full(PIXELS.shape[:2], 0, numpy.uint8)])
    assert (flattened(clear, "#010203") == (1, 2, 3)).all()
    clear[..., 3] = 255
    assert numpy.array_equal(flattened(clear, "#ffffff"), PIXELS)
    clear[..., 3] = 128
    assert abs(int(flattened(clear, "#000000")[0, 0, 0]) - int(PIXELS[0, 0, 0]) * 128 / 255) <= 0.5


def test_the_result_is_as_large_as_the_picture_says() -> None:
    assert size_of_result(request(), 300, 200) == {}
    assert size_of_result(request(resize_scale=0.5), 300, 200) == {"width": 144, "height": 96}
    assert size_of_result(request(resize_scale=0.01), 300, 200) == {"width": 64, "height": 64}
    outpainted = {"outpaint_left": 0, "outpaint_up": 10, "outpaint_right": 4, "outpaint_down": 6}
    asked = request(outpaint_up=10, outpaint_down=0)
    assert size_of_result(asked, 300, 200) == {
        **outpainted,
        "outpaint_up": 16,
        "outpaint_down": 0,
        "width": 304,
        "height": 216,
    }
    masked_only = request(outpaint_up=8, inpaint_area="Only masked", resize_scale=1)
    assert size_of_result(masked_only, 304, 200)["height"] == 208

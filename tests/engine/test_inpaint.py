"""Painting a part of a picture: what is outside of the mask stays, to the bit."""

from __future__ import annotations

import numpy
import pytest
import torch

from modules.core.errors import UserError
from modules.core.events import Noticed, Step
from modules.core.hooks import hook
from modules.core.registry import SAMPLERS
from tests.engine.conftest import pictures, told

PIXELS = numpy.random.default_rng(4).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)
HOLE = (slice(24, 40), slice(24, 40))
NEAR = (slice(14, 50), slice(14, 50))  # the hole and ten pixels around, as far as a blur of 4 reaches


def mask_with(part: tuple[slice, slice], level: int = 255) -> numpy.ndarray:
    mask = numpy.zeros((64, 64, 3), numpy.uint8)
    mask[part] = level
    return mask


@pytest.fixture(scope="session")
def paint(engine, inputs):
    """The picture made of PIXELS with a mask."""
    picture = inputs.add_pixels(PIXELS).id

    def paint(mask=None, **changes):
        mask = mask_with(HOLE) if mask is None else mask
        return pictures(told(engine, init_image=picture, mask=inputs.add_pixels(mask).id, **changes))[0]

    return paint


def outside(part: tuple[slice, slice]) -> numpy.ndarray:
    keep = numpy.ones((64, 64), bool)
    keep[part] = False
    return keep


@pytest.mark.parametrize("area", ["Whole picture", "Only masked"])
@pytest.mark.parametrize("content", ["fill", "original", "latent noise", "latent nothing"])
def test_outside_of_the_blurred_mask_every_pixel_is_the_originals(paint, area, content):
    made = paint(inpaint_area=area, masked_content=content, inpaint_full_res_padding=4)
    assert numpy.array_equal(made.pixels[outside(NEAR)], PIXELS[outside(NEAR)])
    assert numpy.abs(made.pixels[HOLE].astype(int) - PIXELS[HOLE]).mean() > 5


def test_the_blur_decides_how_far_the_change_reaches(paint):
    for blur, reach in ((0, 0), (2, 5), (4, 10)):
        changed = (paint(mask_blur=blur).pixels != PIXELS).any(-1)
        rows = numpy.flatnonzero(changed.any(axis=1))
        assert 24 - reach <= rows[0] <= 24
        assert rows[-1] < 40 + reach


def test_without_the_overlay_the_whole_picture_is_the_models(paint):
    assert (paint(overlay_inpaint=False).pixels != PIXELS).any(-1)[outside(NEAR)].mean() > 0.9
    part = paint(overlay_inpaint=False, inpaint_area="Only masked", inpaint_full_res_padding=0).pixels
    changed = (part != PIXELS).any(-1)
    assert numpy.array_equal(part[outside(NEAR)], PIXELS[outside(NEAR)])
    assert changed[15:49, 15:49].mean() > 0.9


def test_the_mask_can_be_turned_round(paint):
    made = paint(mask_mode="Inpaint not masked", mask_blur=0)
    assert numpy.array_equal(made.pixels[HOLE], PIXELS[HOLE])
    assert (made.pixels != PIXELS).any(-1)[outside(HOLE)].mean() > 0.9


def test_an_empty_mask_is_plain_img2img_and_says_so(engine, inputs):
    picture, mask = inputs.add_pixels(PIXELS).id, inputs.add_pixels(mask_with(HOLE, 0)).id
    events = told(engine, init_image=picture, mask=mask)
    assert [event.message for event in events if isinstance(event, Noticed)] == [
        "The mask is empty, so the whole picture was painted."
    ]
    assert numpy.array_equal(pictures(events)[0].pixels, pictures(told(engine, init_image=picture))[0].pixels)


def test_an_all_white_mask_paints_everything(engine, inputs, paint):
    white = paint(mask_with((slice(None), slice(None))))
    plain = pictures(told(engine, init_image=inputs.add_pixels(PIXELS).id))[0]
    assert numpy.array_equal(white.pixels, plain.pixels)


def test_a_mask_of_another_size_is_refused(paint):
    with pytest.raises(UserError, match="The mask has 32 x 64 pixels, but the picture 64 x 64"):
        paint(mask_with(HOLE)[:, :32])


def test_a_mask_of_a_few_pixels_still_paints_them(paint):
    dot = (slice(30, 32), slice(30, 32))
    assert (paint(mask_with(dot), mask_blur=0).pixels[dot] != PIXELS[dot]).any()


def test_a_mask_with_transparency_is_white_where_it_is_opaque(paint):
    opaque = numpy.zeros((64, 64, 4), numpy.uint8)
    opaque[HOLE] = (0, 0, 0, 200)
    assert numpy.array_equal(paint(opaque).pixels, paint().pixels)


class Steps:
    """Keeps what every step of the sampler starts with."""

    def __init__(self):
        self.seen = []

    @hook
    def sampling_starting(self, run, sampling):
        self.original, self.start = run.original, sampling.x

    @hook
    def guiding(self, step):
        self.seen.append((float(step.sigma), step.x.clone()))


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "Heun", "DDIM", "UniPC"])
def test_outside_of_the_mask_latents_follow_the_original_noised_to_each_steps_level(paint, hooks, sampler):
    steps = Steps()
    hooks.register(steps, "listener")
    paint(sampler=sampler, steps=6, denoising_strength=1, mask_blur=0)
    latents, kept = steps.original.latents, steps.original.mask == 0
    noise = (steps.start - latents) / steps.seen[0][0]
    assert kept.float().mean() > 0.8
    for sigma, x in steps.seen:
        torch.testing.assert_close((x * kept), (latents + noise * sigma) * kept, rtol=1e-4, atol=2e-3)


def test_latents_outside_of_the_mask_come_out_as_they_went_in(paint, hooks):
    class Keeps:
        @hook
        def sampled(self, run, latents):
            self.finished, self.original = latents, run.original

    keeps = Keeps()
    hooks.register(keeps, "listener")
    paint(sampler="Euler a", steps=4)
    kept = (keeps.original.mask == 0).expand_as(keeps.finished)
    assert torch.equal(keeps.finished[kept], keeps.original.latents.expand_as(keeps.finished)[kept])


def test_soft_inpainting_changes_greys_less_than_white(paint):
    grey = mask_with((slice(None), slice(0, 32)))
    grey[:, 32:48] = 90
    made = paint(grey, soft_inpainting=True, mask_blur=0, steps=10, sampler="Euler", denoising_strength=1)
    hard = paint(grey, mask_blur=0, steps=10, sampler="Euler", denoising_strength=1)
    assert numpy.array_equal(made.pixels[:, 48:], PIXELS[:, 48:])
    assert not numpy.array_equal(made.pixels[:, 32:48], hard.pixels[:, 32:48])
    assert "Soft inpainting enabled: True" in made.infotext


def test_soft_inpainting_frees_a_grey_when_its_share_of_the_steps_is_left():
    from modules.diffusion.strength import Keeping

    sigmas = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])
    mask = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]).reshape(1, 1, 1, 5)
    keeping = Keeping(lambda x, sigma: torch.ones_like(x), torch.zeros(1, 1, 1, 5), mask, sigmas, soft=True)
    painted = [keeping(torch.zeros(1, 1, 1, 5), sigma).flatten().tolist() for sigma in sigmas[:-1]]
    assert painted == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_every_sampler_paints_under_a_mask_and_resamples(engine, paint, name):
    made = paint(sampler=name, steps=3, inpaint_resampling=2)
    assert numpy.array_equal(made.pixels[outside(NEAR)], PIXELS[outside(NEAR)])
    assert made.pixels[HOLE].std() > 1


def test_resampling_repeats_every_step_but_the_last(engine, inputs, paint):
    picture, mask = inputs.add_pixels(PIXELS).id, inputs.add_pixels(mask_with(HOLE)).id
    given = {"steps": 4, "denoising_strength": 1, "sampler": "Euler"}
    events = told(engine, init_image=picture, mask=mask, inpaint_resampling=3, **given)
    steps = [event.step for event in events if isinstance(event, Step)]
    assert steps == list(range(1, 3 * 3 + 2))
    assert not numpy.array_equal(paint(**given).pixels, paint(inpaint_resampling=3, **given).pixels)


def test_a_batch_of_four_equals_four_singles_under_a_mask(engine, inputs, paint):
    picture, mask = inputs.add_pixels(PIXELS).id, inputs.add_pixels(mask_with(HOLE)).id
    batch = pictures(told(engine, init_image=picture, mask=mask, batch_size=4, masked_content="latent noise"))
    for index, made in enumerate(batch):
        alone = paint(seed=7 + index, masked_content="latent noise")
        assert numpy.abs(made.pixels.astype(int) - alone.pixels).mean() < 0.02


@pytest.mark.parametrize("fill", ["mirror", "noise", "edge"])
def test_outpainting_keeps_the_picture_and_paints_around_it(engine, inputs, fill):
    picture = inputs.add_pixels(PIXELS).id
    sides = {"outpaint_left": 64, "outpaint_up": 32, "width": 128, "height": 96}
    made = pictures(told(engine, init_image=picture, outpaint_fill=fill, mask_blur=2, **sides))[0]
    assert made.pixels.shape == (96, 128, 3)
    assert numpy.array_equal(made.pixels[32 + 5 :, 64 + 5 :], PIXELS[5:, 5:])
    assert made.pixels[:32].std() > 1
    assert f"Outpaint left: 64, Outpaint up: 32, Outpaint fill: {fill}" in made.infotext


def test_outpainting_only_what_is_added_gives_the_whole_picture_back(engine, inputs):
    picture = inputs.add_pixels(PIXELS).id
    given = {"init_image": picture, "outpaint_right": 40, "inpaint_area": "Only masked", "inpaint_full_res_padding": 16}
    made = pictures(told(engine, mask_blur=0, **given))[0]
    assert made.pixels.shape == (64, 104, 3)
    assert numpy.array_equal(made.pixels[:, :64], PIXELS)


def test_several_extensions_in_a_row_each_start_from_the_last(engine, inputs):
    made, hashes = PIXELS, set()
    for side, width, height in (("outpaint_right", 96, 64), ("outpaint_down", 96, 96), ("outpaint_left", 128, 96)):
        before = made
        picture = inputs.add_pixels(before).id
        out = pictures(told(engine, init_image=picture, width=width, height=height, mask_blur=0, **{side: 32}))[0]
        made = out.pixels
        hashes.add(out.infotext.split("Init image hash: ")[1][:32])
    assert made.shape == (96, 128, 3)
    assert numpy.array_equal(made[:64, 32:96], PIXELS)
    assert len(hashes) == 3

"""Starting from a picture: how much stays, what is counted, and that a batch equals singles."""

from __future__ import annotations

import numpy
import pytest
import torch

from modules.core.errors import UserError
from modules.core.events import Step
from modules.core.hooks import hook
from modules.core.registry import SAMPLERS
from modules.engine.original import as_tensor, encoded
from modules.engine.start import starting_latents
from modules.imaging.scene import scene_of
from tests.engine.conftest import told

PIXELS = numpy.random.default_rng(3).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)


@pytest.fixture(scope="session")
def picture(inputs) -> str:
    """The id of 64 x 64 random pixels."""
    return inputs.add_pixels(PIXELS).id


def far(made, other) -> float:
    """Mean distance of two pictures' pixels, 0 to 255."""
    return float(numpy.abs(made.pixels.astype(int) - other.astype(int)).mean())


def test_the_stronger_the_denoising_the_less_stays(make, engine, picture):
    """The toy's VAE gives back no picture, so distance is measured to what it makes of the original's latents."""
    as_it_is = make(init_image=picture, denoising_strength=0.0, steps=10)[0].pixels
    distances = [
        far(make(init_image=picture, denoising_strength=strength, steps=10)[0], as_it_is) for strength in (0.1, 0.5, 1)
    ]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize(
    ("strength", "exactly", "steps"), [(0.75, False, 16), (1.0, False, 20), (0.0, False, 1), (0.5, True, 20)]
)
def test_steps_are_counted_as_a1111_counts_them(engine, picture, strength, exactly, steps):
    events = told(
        engine,
        init_image=picture,
        denoising_strength=strength,
        img2img_fix_steps=exactly,
        steps=20,
        sampler="Euler",
    )
    told_steps = [event for event in events if isinstance(event, Step)]
    assert len(told_steps) == steps
    assert (told_steps[-1].step, told_steps[-1].steps) == (steps, steps)


class Notes:
    """Keeps what sampling starts with."""

    @hook
    def sampling_starting(self, run, batch, sampling):
        self.run, self.batch, self.x, self.sigmas = run, batch, sampling.x, sampling.sigmas


@pytest.fixture
def started(engine, hooks, picture):
    """What sampling starts with for a request, and the model."""

    def started(**changes):
        notes = Notes()
        hooks.register(notes, "listener")
        told(engine, init_image=picture, **changes)
        hooks.unregister("listener")
        return notes

    return started


def test_sampling_starts_at_the_original_with_the_noise_of_the_first_step(engine, started):
    notes = started(denoising_strength=0.5, steps=10, sampler="Euler")
    model = engine._model
    latents = encoded(as_tensor(scene_of(PIXELS, None, notes.run.request).image), model)
    noise = starting_latents(notes.run, notes.batch, model).noise
    torch.testing.assert_close(notes.x, latents + noise * notes.sigmas[0])
    assert len(notes.sigmas) == 7
    full = started(denoising_strength=1, steps=10, sampler="Euler").sigmas
    assert torch.equal(notes.sigmas, full[-7:])


def test_noise_can_be_multiplied_and_added(started):
    plain, weaker, more = (
        started(denoising_strength=0.5, steps=10, sampler="Euler", **changes)
        for changes in ({}, {"initial_noise_multiplier": 0.5}, {"img2img_extra_noise": 0.25})
    )
    latents = plain.run.original.latents
    sigma = plain.sigmas[0]
    torch.testing.assert_close(weaker.x - latents, (plain.x - latents) * 0.5)
    torch.testing.assert_close(more.x - latents, (plain.x - latents) * (1 + 0.25 / sigma))


def test_doing_exactly_the_steps_takes_a_finer_schedule(started):
    exact, usual = (
        started(denoising_strength=0.5, steps=5, sampler="Euler", img2img_fix_steps=on) for on in (True, False)
    )
    assert (len(exact.sigmas), len(usual.sigmas)) == (6, 4)
    finer = started(denoising_strength=1, steps=10, sampler="Euler").sigmas
    assert torch.equal(exact.sigmas, finer[-6:])


@pytest.mark.parametrize("name", SAMPLERS.names())
@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_every_sampler_starts_from_a_picture(make, picture, name, strength):
    assert make(init_image=picture, sampler=name, steps=4, denoising_strength=strength)[0].pixels.std() > 1


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "DDIM"])
def test_a_batch_of_four_equals_four_singles(make, picture, sampler):
    batch = make(init_image=picture, batch_size=4, sampler=sampler)
    singles = [make(init_image=picture, seed=7 + index, sampler=sampler)[0] for index in range(4)]
    for together, alone in zip(batch, singles, strict=True):
        assert far(together, alone.pixels) < 0.02
    assert far(batch[0], batch[1].pixels) > 1


def test_the_picture_is_encoded_once_per_job(engine, make, picture, monkeypatch):
    make()
    calls = []
    encode = engine._model.weights.vae.encode
    monkeypatch.setattr(
        engine._model.weights.vae, "encode", lambda *given, **more: calls.append(1) or encode(*given, **more)
    )
    make(init_image=picture, batch_size=2, batch_count=3, steps=1)
    assert len(calls) == 1


@pytest.mark.parametrize("mode", ["Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"])
def test_a_picture_of_another_shape_is_brought_to_size(make, inputs, mode):
    wide = inputs.add_pixels(PIXELS[:40].repeat(2, axis=1)).id
    made = make(init_image=wide, resize_mode=mode, width=64, height=96)[0]
    assert made.pixels.shape == (96, 64, 3)
    assert ("Resize mode" in made.infotext) is (mode != "Just resize")


def test_a_latent_upscale_encodes_the_picture_at_its_own_size(engine, make, inputs):
    small = inputs.add_pixels(PIXELS).id
    stretched, latent = (
        make(init_image=small, resize_mode=mode, width=128, height=128)[0].pixels
        for mode in ("Just resize", "Just resize (latent upscale)")
    )
    assert stretched.shape == latent.shape == (128, 128, 3)
    assert not numpy.array_equal(stretched, latent)


def test_transparency_is_laid_on_the_chosen_colour(make, inputs):
    clear = numpy.concatenate([PIXELS, numpy.full((64, 64, 1), 0, numpy.uint8)], axis=-1)
    green = numpy.full((64, 64, 3), (0, 255, 0), numpy.uint8)
    on_green = make(init_image=inputs.add_pixels(clear).id, img2img_background_color="#00ff00")[0]
    assert numpy.array_equal(on_green.pixels, make(init_image=inputs.add_pixels(green).id)[0].pixels)


def test_the_colours_can_be_taken_from_the_original(make, inputs):
    blue = numpy.full((64, 64, 3), (20, 40, 200), numpy.uint8)
    blue[::2] += 20
    picture = inputs.add_pixels(blue).id
    plain, corrected = (make(init_image=picture, img2img_color_correction=on)[0].pixels for on in (False, True))
    assert corrected[..., 2].mean() - corrected[..., 0].mean() > 40
    assert abs(plain[..., 2].mean() - plain[..., 0].mean()) < 40


def test_a_single_pixel_can_be_started_from(make, inputs):
    assert make(init_image=inputs.add_pixels(PIXELS[:1, :1]).id)[0].pixels.shape == (64, 64, 3)


def test_its_text_says_what_it_came_from_and_by_how_much(make, picture):
    made = make(init_image=picture, denoising_strength=0.4)[0]
    assert "Denoising strength: 0.4, " in made.infotext
    assert "Init image hash: " in made.infotext
    assert "Denoising strength" not in make()[0].infotext


def test_an_unknown_picture_is_named(engine):
    with pytest.raises(UserError, match="There is no picture 'nothing' to start from"):
        told(engine, init_image="nothing")


def test_pixels_become_numbers_around_zero():
    from PIL import Image

    assert as_tensor(Image.new("RGB", (2, 3), (0, 255, 0))).shape == (1, 3, 3, 2)
    assert as_tensor(Image.new("RGB", (1, 1), (0, 255, 0))).flatten().tolist() == [-1, 1, -1]

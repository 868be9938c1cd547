"""SD 3 and FLUX in miniature, painted by the real engine: as diffusers' pipelines do it, and in all ways there are."""

from __future__ import annotations

import math
import shutil

import numpy
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, StableDiffusion3Pipeline

from modules.core.errors import UserError
from modules.core.events import Inspected, Preview
from modules.core.hooks import Hooks, hook
from modules.core.infotext import read
from modules.core.request import GenerationRequest
from modules.engine.engine import Engine
from modules.jobs.inputs import InputPictures
from tests import flow_models as made
from tests.conftest import folders_in
from tests.toy import write_random

from .conftest import pictures, told

FILES = {
    "dev": (made.FLUX, ("clip_l", "t5xxl")),
    "schnell": (made.SCHNELL, ("clip_l", "t5xxl")),
    "sd3": (made.SD3_MEDIUM, ("clip_l", "clip_g", "t5xxl")),
}
GIVEN = {"steps": 4, "sampler": "Euler", "noise_source": "CPU", "cfg_scale": 1.0, "seed": 3, "checkpoint": "dev"}
PIXELS = numpy.random.default_rng(8).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)
MASK = numpy.zeros((64, 64, 3), numpy.uint8)
MASK[16:48, 24:56] = 255
CPU = torch.device("cpu")  # prepared layers have no weights of their own, by which pipelines tell the device
SAMPLERS = ("DPM++ 2M", "Euler a", "DPM++ 2M SDE", "DPM fast", "DDIM CFG++", "LCM", "UniPC")


class Seen:
    """What the last sampling started with, and ended with."""

    @hook
    def sampling_starting(self, sampling: object) -> None:
        self.x, self.levels = sampling.x.clone(), sampling.sigmas

    @hook
    def guiding(self, step: object) -> None:
        self.conditionals, self.unconditional = list(step.conditionals), step.unconditional

    @hook
    def sampled(self, latents: torch.Tensor) -> None:
        self.latents = latents


@pytest.fixture(scope="module")
def studio(tmp_path_factory, toy_checkpoint):
    """An engine with a toy of each kind, what it told its listener, and the pictures it can start from."""
    place = tmp_path_factory.mktemp("flow")
    (place / "models").mkdir()
    folders = folders_in(place / "data", shutil.copy(toy_checkpoint, place / "models" / "plain.safetensors"))
    for name, (transformer, encoders) in FILES.items():
        shapes = made.all_in_one(transformer, *encoders)
        write_random(place / "models" / f"{name}.safetensors", shapes, seed=3, metadata=made.ARCHITECTURE)
    made.write_tokenizer(place / "models")
    hooks, seen, inputs = Hooks(), Seen(), InputPictures(place / "inputs")
    hooks.register(seen, "seen")
    engine = Engine(folders, hooks, inputs=inputs.pixels)
    yield engine, seen, inputs
    engine.close()


@pytest.fixture
def paint(studio):
    engine, seen, inputs = studio

    def paint(painted=False, masked=False, **values):
        if painted or masked:
            values["init_image"] = inputs.add_pixels(PIXELS).id
        if masked:
            values |= {"mask": inputs.add_pixels(MASK).id, "mask_blur": 0}
        return pictures(told(engine, **{**GIVEN, **values}))[0], seen

    return paint


@torch.inference_mode()
@pytest.mark.parametrize(("name", "shift"), [("dev", math.exp(1.15)), ("schnell", 1.0)])
def test_flux_ends_where_diffusers_pipeline_ends(studio, paint, monkeypatch, name, shift):
    monkeypatch.setattr(FluxPipeline, "_execution_device", CPU)
    _, seen = paint(checkpoint=name, distilled_cfg_scale=2.5)
    weights = studio[0]._model.weights
    pipeline = FluxPipeline(
        FlowMatchEulerDiscreteScheduler(shift=shift), weights.vae, None, None, None, None, weights.unet
    )
    pipeline.set_progress_bar_config(disable=True)
    told_of = seen.conditionals[0].conditioning
    packed = pipeline(
        prompt_embeds=told_of["text"],
        pooled_prompt_embeds=told_of["pooled"],
        latents=FluxPipeline._pack_latents(seen.x, 1, 16, 8, 8),
        num_inference_steps=4,
        guidance_scale=2.5,
        height=64,
        width=64,
        output_type="latent",
    ).images
    assert ("guidance" in told_of) == (name == "dev")
    theirs = FluxPipeline._unpack_latents(packed, 64, 64, 8)
    torch.testing.assert_close(seen.latents, theirs, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_sd_3_ends_where_diffusers_pipeline_ends(studio, paint, monkeypatch):
    monkeypatch.setattr(StableDiffusion3Pipeline, "_execution_device", CPU)
    _, seen = paint(checkpoint="sd3", cfg_scale=5.0, negative_prompt="fog")
    weights = studio[0]._model.weights
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    pipeline = StableDiffusion3Pipeline(weights.unet, scheduler, weights.vae, *[None] * 6)
    pipeline.set_progress_bar_config(disable=True)
    toward, away = seen.conditionals[0].conditioning, seen.unconditional
    theirs = pipeline(
        prompt_embeds=toward["text"],
        pooled_prompt_embeds=toward["pooled"],
        negative_prompt_embeds=away["text"],
        negative_pooled_prompt_embeds=away["pooled"],
        latents=seen.x,
        num_inference_steps=4,
        guidance_scale=5.0,
        height=64,
        width=64,
        output_type="latent",
    ).images
    torch.testing.assert_close(seen.latents, theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", FILES)
def test_all_ways_of_painting_give_pictures(paint, name):
    drawn = [paint(checkpoint=name, sampler=sampler)[0].pixels for sampler in SAMPLERS]
    drawn += [paint(checkpoint=name, painted=True, denoising_strength=0.6)[0].pixels]
    masked = [paint(checkpoint=name, masked=True, inpaint_resampling=times)[0].pixels for times in (1, 2)]
    kept = MASK[..., 0] == 0
    for pixels in masked:
        assert numpy.array_equal(pixels[kept], PIXELS[kept])
        assert (pixels != PIXELS).any()
    drawn += [paint(checkpoint=name, enable_hr=True, hr_scale=1.5, denoising_strength=0.5)[0].pixels]
    assert drawn[-1].shape == (96, 96, 3)
    assert all(pixels.std() > 1 for pixels in drawn)


OPTIONS = (
    {"guidance_method": "APG"},
    {"guidance_method": "CFG-Zero*"},
    {"cfg_rescale": 0.7},
    {"s_min_uncond": 4.0},
    {"skip_early_cond": 0.3},
    {"prompt": "a red house AND a [dog:cat:0.5]"},
    {"sampler": "Heun", "s_churn": 5.0},
    {"sampler": "Euler a", "eta": 0.5},
    {"sampler": "DPM++ SDE", "schedule": "Karras"},
    {"schedule": "KL Optimal"},
)


def test_what_is_offered_beside_has_its_effect(paint):
    plain, _ = paint(checkpoint="sd3", cfg_scale=4.0)
    for option in OPTIONS:
        changed, _ = paint(**{"checkpoint": "sd3", "cfg_scale": 4.0, **option})
        assert (changed.pixels != plain.pixels).any(), option
        assert changed.pixels.std() > 1


def test_a_picture_is_noised_as_a_flow(studio, paint):
    _, seen = paint(painted=True, denoising_strength=0.5, steps=10)
    picture = torch.from_numpy(PIXELS).permute(2, 0, 1)[None].float() / 127.5 - 1
    latents, share = studio[0]._model.weights.encode_image(picture), seen.levels[0].item()
    noise = torch.randn((1, 16, 8, 8), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(seen.x, (1 - share) * latents + share * noise)
    assert len(seen.levels) == 7


def test_the_distilled_scale_is_told_to_dev_alone_and_written_down_where_it_is(paint):
    low, _ = paint(distilled_cfg_scale=1.0)
    high, seen = paint(distilled_cfg_scale=6.5)
    assert (low.pixels != high.pixels).any()
    assert seen.conditionals[0].conditioning["guidance"].tolist() == [6.5]
    assert "CFG scale: 1, Distilled CFG Scale: 6.5" in high.infotext
    assert read(high.infotext).values["distilled_cfg_scale"] == 6.5
    for name in ("schnell", "sd3", "plain"):
        assert "Distilled" not in paint(checkpoint=name, distilled_cfg_scale=6.5)[0].infotext


def test_the_second_pass_may_be_told_another_scale(paint):
    hires = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5, "distilled_cfg_scale": 2.0}
    same, _ = paint(**hires)
    other, seen = paint(**hires, hr_distilled_cfg=8.0)
    assert (same.pixels != other.pixels).any()
    assert seen.conditionals[0].conditioning["guidance"].tolist() == [8.0]
    values = read(other.infotext).values
    assert (values["distilled_cfg_scale"], values["hr_distilled_cfg"]) == (2.0, 8.0)
    assert "Hires Distilled" not in same.infotext


def test_a_shift_moves_the_levels_and_is_written_down(studio, paint):
    engine = studio[0]
    own, _ = paint()
    picture, seen = paint(flow_shift=6.0)
    even = 1 - torch.arange(5) / 4
    torch.testing.assert_close(seen.levels, 6 * even / (1 + 5 * even), atol=1e-6, rtol=0)
    assert engine.levels(GenerationRequest.checked({**GIVEN, "flow_shift": 6.0})) == seen.levels.tolist()
    assert "Shift: 6" in picture.infotext
    assert read(picture.infotext).values["flow_shift"] == 6.0
    assert "Shift" not in own.infotext
    assert "Shift" not in paint(checkpoint="plain", flow_shift=6.0)[0].infotext


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schedule": "Align Your Steps"}, "Align Your Steps: 14.615 is too high"),
        ({"schedule": "DDIM"}, "DDIM would begin at"),
        ({"custom_sigmas": "14.6, 3, 0"}, "Custom sigmas: 14.6 is too high"),
        ({"sigma_max": 14.6}, "Schedule max sigma: 14.6 is too high"),
        ({"pag_scale": 3.0}, "PAG scale needs a UNet"),
        ({"refiner_checkpoint": "sd3", "refiner_switch_at": 0.5}, "their latents are not alike"),
        ({"refiner_checkpoint": "plain", "refiner_switch_at": 0.5}, "their latents are not alike"),
    ],
)
def test_what_a_flow_model_cannot_do_is_refused_by_name(paint, values, said):
    with pytest.raises(UserError, match=said):
        paint(**values)


def test_a_refiner_of_the_same_family_finishes_the_picture(paint):
    alone = [paint(checkpoint=name)[0].pixels for name in ("dev", "schnell")]
    refined = paint(refiner_checkpoint="schnell", refiner_switch_at=0.5)[0].pixels
    assert all((refined != one).any() for one in alone)


def test_steps_are_previewed_and_can_be_looked_into(studio):
    events = told(studio[0], **{**GIVEN, "cfg_scale": 3.0, "inspect": "every step"})
    looks = [event.facts for event in events if isinstance(event, Inspected)]
    assert any(isinstance(event, Preview) for event in events)
    assert [look["timestep"] for look in looks] == pytest.approx([1000 * look["sigma"] for look in looks])
    assert looks[0]["timestep"] == 1000
    assert looks[0]["noise"]["guided"] == pytest.approx(1.0, abs=0.05)

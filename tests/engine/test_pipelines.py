"""img2img, inpainting and editing give the latents that diffusers' pipelines give, to rounding.

Their schedules and step counts differ from A1111's, so steps are chosen that both know: levels at whole timesteps, and
strengths for which as many steps are done (A1111 does one more).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

from modules.core.hooks import Hooks, hook
from modules.core.registry import SAMPLERS
from modules.diffusion.guidance import Guidance
from modules.engine.channels import seeing
from modules.engine.engine import Engine
from modules.engine.run import Run
from modules.engine.start import starting_latents
from modules.imaging.scene import Scene
from modules.jobs.inputs import InputPictures
from tests.conftest import folders_in
from tests.engine.conftest import pictures, told
from tests.toy import ARCHITECTURE, toy_shapes, write_random

STEPS = 4  # linspace(0, 999, 4) has whole timesteps: 0, 333, 666, 999
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
EULER = {**BETAS, "timestep_spacing": "linspace"}
GIVEN = {"steps": STEPS, "sampler": "Euler", "schedule": "Uniform", "noise_source": "CPU", "cfg_scale": 5.0, "seed": 3}
GIVEN |= {"prompt": "a red house", "negative_prompt": "fog"}
PIXELS = numpy.random.default_rng(8).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)
MASK = numpy.zeros((64, 64, 3), numpy.uint8)
MASK[16:40, 24:56] = 255


class Seen:
    """What one run of ours started with and ended with."""

    @hook
    def sampling_starting(self, run: Run, batch: object, sampling: object) -> None:
        self.run, self.batch, self.sigmas = run, batch, sampling.sigmas

    @hook
    def sampled(self, latents: torch.Tensor) -> None:
        self.latents = latents


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[Engine, Seen]]]:
    """Runs a request on a toy whose UNet has so many input channels."""
    place = tmp_path_factory.mktemp("channels")
    inputs = InputPictures(place / "inputs")
    engines: dict[int, tuple[Engine, Seen]] = {}

    def run(channels: int, *, painted: bool = False, mask: bool = False, **changes: object) -> tuple[Engine, Seen]:
        if channels not in engines:
            seen, hooks = Seen(), Hooks()
            hooks.register(seen, "seen")
            folders = folders_in(place / str(channels), toy_with(place / f"toy{channels}", channels))
            engines[channels] = Engine(folders, hooks, inputs=inputs.pixels), seen
        engine, seen = engines[channels]
        changes |= {"init_image": inputs.add_pixels(PIXELS).id} if painted or mask else {}
        changes |= {"mask": inputs.add_pixels(MASK).id, "mask_blur": 0} if mask else {}
        seen.picture = pictures(told(engine, **{**GIVEN, **changes}))[0]
        return engine, seen

    yield run
    for engine, _ in engines.values():
        engine.close()


def toy_with(place: Path, channels: int) -> Path:
    shapes = {**toy_shapes(), "model.diffusion_model.input_blocks.0.0.weight": (32, channels, 3, 3)}
    metadata = {"webui.architecture": json.dumps(ARCHITECTURE)}
    return write_random(place / "toy.safetensors", shapes, 0, metadata)


def pipeline(kind: str, engine: Engine, scheduler: object) -> object:
    """A pipeline of diffusers around the same networks."""
    from diffusers import (
        StableDiffusionImg2ImgPipeline,
        StableDiffusionInpaintPipeline,
        StableDiffusionInstructPix2PixPipeline,
    )

    kinds = {
        "img2img": StableDiffusionImg2ImgPipeline,
        "inpaint": StableDiffusionInpaintPipeline,
        "edit": StableDiffusionInstructPix2PixPipeline,
    }
    weights = engine._model.weights
    weights.unet.register_to_config(sample_size=64)
    made = kinds[kind](
        vae=weights.vae,
        text_encoder=weights.text_encoder,
        tokenizer=None,
        unet=weights.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def prompts(engine: Engine, seen: Seen) -> dict[str, torch.Tensor]:
    found = engine._encoder.encode(seen.run, seen.batch, engine._model, Hooks())
    return {
        "prompt_embeds": found.conditionals[0].conditioning,
        "negative_prompt_embeds": found.unconditional,
        "guidance_scale": 5.0,
        "num_inference_steps": STEPS,
        "output_type": "latent",
        "generator": torch.Generator().manual_seed(3),
    }


@torch.inference_mode()
def encoded(engine: Engine, pixels: numpy.ndarray, scaled: bool = True) -> torch.Tensor:
    """A picture's latents by the VAE itself."""
    picture = torch.from_numpy(pixels.astype(numpy.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    code = engine._model.weights.vae.encode(picture).latent_dist.mode()
    return code * 0.18215 if scaled else code


@pytest.mark.parametrize("name", ["Euler", "DDIM"])
def test_img2img(toys, name):
    engine, seen = toys(4, painted=True, sampler=name, schedule="Automatic", denoising_strength=0.5)
    scheduler = EulerDiscreteScheduler(**EULER)
    if name == "DDIM":
        scheduler = DDIMScheduler(**BETAS, steps_offset=1, clip_sample=False, set_alpha_to_one=True)
    theirs = pipeline("img2img", engine, scheduler)
    latents = theirs(image=encoded(engine, PIXELS), strength=0.75, **prompts(engine, seen)).images
    scale = latents.abs().mean()
    torch.testing.assert_close(seen.latents / scale, latents / scale, rtol=1e-4, atol=1e-4)


def test_inpainting_with_an_ordinary_model(toys):
    engine, seen = toys(4, mask=True, denoising_strength=0.5)
    theirs = pipeline("inpaint", engine, EulerDiscreteScheduler(**EULER))
    mask = torch.from_numpy(MASK[None, None, ..., 0].astype(numpy.float32) / 255)
    latents = theirs(
        image=encoded(engine, PIXELS),
        mask_image=mask,
        masked_image_latents=encoded(engine, PIXELS),
        strength=0.75,
        height=64,
        width=64,
        **prompts(engine, seen),
    ).images
    torch.testing.assert_close(seen.latents, latents, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def sampled_from_noise(engine: Engine, seen: Seen) -> torch.Tensor:
    """Our latents from noise alone, and without what keeps the original under a mask: so the pipelines begin and go on
    that have a model of their own for it.
    """
    model, run = engine._model, seen.run
    start = starting_latents(run, seen.batch, model)
    found = engine._encoder.encode(run, seen.batch, model, Hooks())
    guidance = Guidance(
        model.denoiser,
        *seeing(found.conditionals, found.unconditional, start.channels, run, model),
        run.request.cfg_scale,
    )
    scale = EulerDiscreteScheduler(**EULER).init_noise_sigma
    x = start.noise * scale
    return SAMPLERS.get("Euler").function(
        guidance, x, seen.sigmas, noise=start.source.ancestral(tuple(x.shape[1:])), step=lambda *_: None
    )


def test_inpainting_with_a_model_made_for_it(toys):
    engine, seen = toys(9, mask=True, denoising_strength=1)
    theirs = pipeline("inpaint", engine, EulerDiscreteScheduler(**EULER))
    grey = numpy.where(MASK == 255, numpy.float32(127.5), PIXELS)
    latents = theirs(
        image=torch.zeros(1, 3, 64, 64),
        mask_image=torch.from_numpy(MASK[None, None, ..., 0].astype(numpy.float32) / 255),
        masked_image_latents=encoded(engine, grey),
        strength=1.0,
        height=64,
        width=64,
        **prompts(engine, seen),
    ).images
    torch.testing.assert_close(sampled_from_noise(engine, seen), latents, rtol=1e-4, atol=1e-4)
    assert "Conditional mask weight: 1, " in seen.picture.infotext
    kept = numpy.ones((64, 64), bool)
    kept[16:40, 24:56] = False
    assert numpy.array_equal(seen.picture.pixels[kept], PIXELS[kept])


@pytest.mark.parametrize("picture_scale", [1.5, 1.0])
def test_editing_by_instruction(toys, picture_scale):
    engine, seen = toys(8, painted=True, denoising_strength=1, image_cfg_scale=picture_scale)
    theirs = pipeline("edit", engine, EulerDiscreteScheduler(**EULER))
    latents = theirs(
        image=encoded(engine, PIXELS, scaled=False), image_guidance_scale=picture_scale, **prompts(engine, seen)
    ).images
    torch.testing.assert_close(sampled_from_noise(engine, seen), latents, rtol=1e-4, atol=1e-4)
    assert f"CFG scale: 5, Image CFG scale: {picture_scale:g}, Seed: 3" in seen.picture.infotext


def test_the_mask_weight_decides_how_much_the_inpainting_model_sees(toys):
    made = {weight: toys(9, mask=True, inpainting_mask_weight=weight)[1].run.channels for weight in (0.0, 0.5, 1.0)}
    channels = {weight: found[8, 8] for weight, found in made.items()}
    assert torch.equal(channels[0.0][:, :1], channels[1.0][:, :1])
    assert channels[1.0][0, 0].unique().tolist() == [0, 1]
    assert not torch.allclose(channels[0.0], channels[1.0], atol=1e-2)
    engine, _ = toys(9)
    torch.testing.assert_close(channels[0.0][:, 1:], encoded(engine, PIXELS))


@pytest.mark.parametrize("channels", [9, 8])
def test_models_with_more_inputs_paint_from_noise_alone_too(toys, channels):
    _, seen = toys(channels, batch_size=2)
    assert seen.picture.pixels.std() > 1
    assert seen.run.channels[8, 8].shape == (1, channels - 4, 8, 8)


def test_a_model_for_editing_needs_guidance(toys):
    from modules.core.errors import UserError

    with pytest.raises(UserError, match="needs a CFG scale above 0"):
        toys(8, painted=True, cfg_scale=0)


def test_a_scene_is_what_the_networks_see(toys):
    _, seen = toys(4, mask=True)
    assert isinstance(seen.run.original.scene, Scene)
    assert seen.run.original.latents.shape == (1, 4, 8, 8)

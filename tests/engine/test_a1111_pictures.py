"""The starter's pictures are those of A1111's loop, written out here as it is published: same noise, same steps.

The loop has nothing of ours but the loaded networks and the tokenizer. Mean difference: at most 1/255, as is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from modules.core.hooks import Hooks
from modules.engine.engine import Engine
from modules.text.tokenizer import BOS, EOS, encode
from tests.conftest import folders_in

from .conftest import pictures, told

STARTER = Path(__file__).parents[2] / "models" / "Stable-diffusion" / "starter.safetensors"
PROMPT, NEGATIVE, CFG, SEED, SIZE = "a red house on the hills at sunset", "moon", 5.0, 12, 128
GIVEN = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "cfg_scale": CFG, "seed": SEED, "noise_source": "CPU"}
SHAPE = (1, 4, SIZE // 8, SIZE // 8)
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
SIGMAS = np.sqrt((1 - np.cumprod(1 - BETAS)) / np.cumprod(1 - BETAS))
Denoise = Callable[[Tensor, float], Tensor]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(folders_in(tmp_path_factory.mktemp("starter"), STARTER), Hooks())
    told(engine, prompt="", steps=1, width=64, height=64)
    yield engine
    engine.close()


@pytest.fixture
def denoise(engine: Engine) -> Denoise:
    return denoiser(engine, PROMPT, NEGATIVE)


def denoiser(engine: Engine, prompt: str, negative: str, last: int = 1) -> Denoise:
    """`CompVisDenoiser` and `CFGDenoiser` for one prompt of at most 75 tokens, all of the same weight."""
    return guided(engine, [(states(engine, encode(prompt), last), 1.0)], states(engine, encode(negative), last))


def states(engine: Engine, tokens: list[int], last: int = 1) -> Tensor:
    """What the text encoder makes of one chunk: (1, 77, width)."""
    encoder = engine._model.weights.text_encoder
    ids = torch.tensor([[BOS, *tokens, *[EOS] * 77][:77]])
    return text_norm(encoder)(encoder(ids, output_hidden_states=True).hidden_states[-last])


def guided(engine: Engine, prompts: list[tuple[Tensor, float]], negative: Tensor) -> Denoise:
    """Eps at the interpolated timestep of sigma, then guidance: every prompt adds as much as it weighs."""
    unet = engine._model.weights.unet

    def denoise(x: Tensor, sigma: float) -> Tensor:
        t = torch.full((1,), np.interp(np.log(sigma), np.log(SIGMAS), np.arange(1000))).float()
        inner = x / (sigma**2 + 1) ** 0.5
        uncond, *conds = (
            x - sigma * unet(inner, t, rows).sample for rows in (negative, *(rows for rows, _ in prompts))
        )
        return uncond + CFG * sum(weight * (cond - uncond) for cond, (_, weight) in zip(conds, prompts, strict=True))

    return denoise


def text_norm(encoder: torch.nn.Module) -> torch.nn.Module:
    return getattr(encoder, "text_model", encoder).final_layer_norm


def uniform(n: int) -> list[float]:
    """`get_sigmas`: timesteps from 999 to 0, log-linear between."""
    return [*np.exp(np.interp(np.linspace(999, 0, n), np.arange(1000), np.log(SIGMAS))), 0.0]


def karras(n: int) -> list[float]:
    ramp, low, high = np.linspace(0, 1, n), SIGMAS[0] ** (1 / 7), SIGMAS[-1] ** (1 / 7)
    return [*((high + ramp * (low - high)) ** 7), 0.0]


def noise(generator: torch.Generator, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape[1:], generator=generator)[None]


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: list[float], generator: torch.Generator) -> Tensor:
    for sigma, after in pairwise(sigmas):
        up = min(after, (after**2 * (sigma**2 - after**2) / sigma**2) ** 0.5)
        down = (after**2 - up**2) ** 0.5
        x = x + (x - denoise(x, sigma)) / sigma * (down - sigma)
        if after > 0:
            x = x + noise(generator, tuple(x.shape)) * up
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: list[float], generator: torch.Generator) -> Tensor:
    old = None
    for i, (sigma, after) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        if old is None or after == 0:
            x = after / sigma * x + (1 - after / sigma) * denoised
        else:
            h, last = np.log(sigma / after), np.log(sigmas[i - 1] / sigma)
            r = last / h
            mixed = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old
            x = after / sigma * x - np.expm1(-h) * mixed
        old = denoised
    return x


def ddim(denoise: Denoise, x: Tensor, steps: int) -> Tensor:
    """A1111's timesteps sampler, in terms of latents of unit variance."""
    timesteps = np.arange(0, 1000, 1000 // steps) + 1
    alphas = np.cumprod(1 - BETAS)
    for i in reversed(range(len(timesteps))):
        a, before = alphas[timesteps[i]], alphas[timesteps[i - 1]] if i else 1.0
        sigma = ((1 - a) / a) ** 0.5
        pred = denoise(x / a**0.5, sigma)
        eps = (x - a**0.5 * pred) / (1 - a) ** 0.5
        x = before**0.5 * pred + (1 - before) ** 0.5 * eps
    return x


@torch.no_grad()
def decoded(engine: Engine, latents: Tensor) -> np.ndarray:
    weights = engine._model.weights
    image = weights.vae.decode(latents / 0.18215).sample[0]
    return ((image + 1) / 2).clamp(0, 1).mul(255).permute(1, 2, 0).numpy()


def apart(engine: Engine, latents: Tensor, **changes: object) -> float:
    """The mean difference of a picture of ours to the one in these latents, in levels of 255."""
    picture = pictures(told(engine, **{**GIVEN, "width": SIZE, "height": SIZE, **changes}))[0]
    return float(np.abs(picture.pixels - decoded(engine, latents)).mean())


@torch.no_grad()
def test_euler_a_on_its_usual_schedule(engine, denoise):
    generator, sigmas = torch.Generator().manual_seed(SEED), uniform(8)
    latents = euler_ancestral(denoise, noise(generator) * sigmas[0], sigmas, generator)
    assert apart(engine, latents, sampler="Euler a", steps=8) < 1


@torch.no_grad()
def test_dpmpp_2m_on_karras_schedule(engine, denoise):
    generator, sigmas = torch.Generator().manual_seed(SEED), karras(8)
    latents = dpmpp_2m(denoise, noise(generator) * sigmas[0], sigmas, generator)
    assert apart(engine, latents, sampler="DPM++ 2M", schedule="Karras", steps=8) < 1


@torch.no_grad()
def test_ddim(engine, denoise):
    latents = ddim(denoise, noise(torch.Generator().manual_seed(SEED)), 10)
    assert apart(engine, latents, sampler="DDIM", steps=10) < 1


@torch.no_grad()
def test_clip_skip_2(engine):
    generator, sigmas = torch.Generator().manual_seed(SEED), uniform(6)
    denoise = denoiser(engine, PROMPT, NEGATIVE, last=2)
    latents = euler_ancestral(denoise, noise(generator) * sigmas[0], sigmas, generator)
    assert apart(engine, latents, sampler="Euler a", steps=6, clip_skip=2) < 1


@torch.no_grad()
def test_an_edited_prompt(engine):
    first, then = (denoiser(engine, f"a {colour} house on the hills at sunset", NEGATIVE) for colour in ("red", "blue"))
    sigmas = uniform(8)
    generator = torch.Generator().manual_seed(SEED)
    switch = sigmas[5]  # calls are counted from 0, and the first text still shows at the one that it names
    latents = euler_ancestral(
        lambda x, sigma: (then if sigma <= switch else first)(x, sigma), noise(generator) * sigmas[0], sigmas, generator
    )
    prompt = "a [red:blue:4] house on the hills at sunset"
    assert apart(engine, latents, prompt=prompt, sampler="Euler a", steps=8) < 1


def euler_a_5(denoise: Denoise) -> Tensor:
    """Latents after five steps of Euler a."""
    generator, sigmas = torch.Generator().manual_seed(SEED), uniform(5)
    return euler_ancestral(denoise, noise(generator) * sigmas[0], sigmas, generator)


@torch.no_grad()
def test_prompts_joined_by_and(engine):
    words = {"a red house on the hills": 1.0, "a full moon": 0.7, "snow": -0.4}
    rows = [(states(engine, encode(text)), weight) for text, weight in words.items()]
    latents = euler_a_5(guided(engine, rows, states(engine, encode(NEGATIVE))))
    prompt = "a red house on the hills AND a full moon :0.7 AND snow :-0.4"
    assert apart(engine, latents, prompt=prompt, sampler="Euler a", steps=5) < 1


@torch.no_grad()
def test_a_prompt_of_120_tokens(engine):
    """The chunk ends at its last comma, which is not more than 20 tokens back; the negative prompt stays one chunk."""
    prompt = PROMPT + ", a tree" * 15 + ", a very very small blue boat on the calm sea" + ", a grey bird" * 14
    tokens = encode(prompt)
    cut = max(at for at, token in enumerate(tokens[:75]) if token == encode(",")[0]) + 1
    assert len(tokens) == 120 and 75 - cut > 1
    rows = torch.cat([states(engine, tokens[:cut]), states(engine, tokens[cut:])], dim=1)
    latents = euler_a_5(guided(engine, [(rows, 1.0)], states(engine, encode(NEGATIVE))))
    assert apart(engine, latents, prompt=prompt, sampler="Euler a", steps=5) < 1


@torch.no_grad()
def test_emphasis(engine):
    """Vectors are multiplied by their tokens' weights, and all of them by what the mean has lost."""
    parts = (("a", 1.0), ("red house", 1.5), ("on the hills at", 1.0), ("sunset", 1 / 1.1))
    plain = states(engine, [token for text, _ in parts for token in encode(text)])
    weights = torch.ones(1, 77, 1)
    spread = [weight for text, weight in parts for _ in encode(text)]
    weights[0, 1 : 1 + len(spread), 0] = torch.tensor(spread)
    rows = plain * weights * (plain.mean() / (plain * weights).mean())
    latents = euler_a_5(guided(engine, [(rows, 1.0)], states(engine, encode(NEGATIVE))))
    prompt = "a (red house:1.5) on the hills at [sunset]"
    assert apart(engine, latents, prompt=prompt, sampler="Euler a", steps=5) < 1


@torch.no_grad()
def test_a_variation_of_the_seed(engine, denoise):
    own, other = (noise(torch.Generator().manual_seed(seed))[0] for seed in (SEED, 99))
    dot = (own / own.norm(dim=1, keepdim=True) * (other / other.norm(dim=1, keepdim=True))).sum(1)
    omega = torch.acos(dot)
    so = torch.sin(omega)
    first = (torch.sin(0.7 * omega) / so).unsqueeze(1) * own + (torch.sin(0.3 * omega) / so).unsqueeze(1) * other
    sigmas = karras(8)
    latents = dpmpp_2m(denoise, first[None] * sigmas[0], sigmas, torch.Generator())
    changes = {"sampler": "DPM++ 2M", "schedule": "Karras", "steps": 8, "subseed": 99, "subseed_strength": 0.3}
    assert apart(engine, latents, **changes) < 1


@torch.no_grad()
def test_hires_fix_with_a_latent_upscaler(engine, denoise):
    generator, sigmas = torch.Generator().manual_seed(SEED), uniform(6)
    latents = euler_ancestral(denoise, noise(generator) * sigmas[0], sigmas, generator)
    latents = interpolate(latents, size=(24, 24), mode="bilinear", antialias=False)
    total = int(5 / 0.6)
    sigmas = uniform(total)[total - (5 - 1) - 1 :]
    generator = torch.Generator().manual_seed(SEED)
    x = latents + noise(generator, tuple(latents.shape)) * sigmas[0]
    latents = euler_ancestral(denoise, x, sigmas, generator)
    hires = {"enable_hr": True, "hr_scale": 1.5, "hr_second_pass_steps": 5, "denoising_strength": 0.6}
    assert apart(engine, latents, sampler="Euler a", steps=6, **hires) < 1

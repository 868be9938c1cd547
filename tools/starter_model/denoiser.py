"""Trains the UNet on cached latents, reading what the trained text encoder says; its running average is what counts."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from .captions import caption
from .latents import LatentPool
from .peers import Peers
from .presets import Preset
from .progress import Checkpoint, clock
from .text import CaptionTokens
from .unet import build_unet
from .vae import quiet_residuals

LARGEST_NOISE_RATIO = 25.0
NOISE_LEANING = 0.75
AVERAGE_DECAY = 0.999
WARM_UP_STEPS = 150
STEPS_PER_NEW_GROUP = 48
DECAY_FROM = 0.7


class Denoiser(nn.Module):
    """Text encoder, which learns no more, and UNet. Text comes as rows of the compact token table."""

    def __init__(self, preset: Preset, text: CLIPTextModel) -> None:
        super().__init__()
        self.text = text
        self.unet = build_unet(preset)
        quiet_residuals(self.unet)

    def forward(self, x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        """Predicted noise of x (n, 4, h, w) at steps t (n,); `rows` (m, 77) are shared by n // m samples each."""
        with torch.no_grad():
            context = self.text(rows).last_hidden_state
        context = context.repeat_interleave(len(x) // len(rows), dim=0)
        return self.unet(x, t, context).sample


def alphas_cumprod() -> Tensor:
    """SD1's scaled-linear schedule, (1000,)."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def spread_steps(count: int) -> Tensor:
    """count step numbers from 0..999, evenly spread but denser towards noise, where captions decide; shuffled."""
    places = (torch.arange(count) + torch.rand(count)) / count
    return (1000 * places**NOISE_LEANING).long().clamp(max=999)[torch.randperm(count)]


def learning_rate(preset: Preset, step: int, share: float) -> float:
    """Warm-up by steps, full until 70 % of the time is spent, then falling to nearly nothing in a straight line."""
    falling = min(1.0, (1 - share) / (1 - DECAY_FROM))
    return preset.unet_rate * min(1, (step + 1) / WARM_UP_STEPS) * (0.02 + 0.98 * falling)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int) -> None:
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)


def train_denoiser(
    preset: Preset,
    pool: LatentPool,
    tokens: CaptionTokens,
    text: CLIPTextModel,
    folder: Path,
    device: str,
    peers: Peers,
    show: Callable[[Denoiser, int], None],
) -> Denoiser:
    """Trains for the preset's minutes, resuming what `folder` holds; gives the averaged networks.

    `show` is called with them and the step number whenever a checkpoint is written, by the first of the peers.
    """
    torch.manual_seed(2)
    model = Denoiser(preset, text).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.unet.parameters(), preset.unet_rate, (0.9, 0.99), weight_decay=1e-3, fused=True)
    checkpoint = Checkpoint(folder / "denoiser.pt", {"model": model, "average": average, "optimizer": optimizer})
    spent, step = checkpoint.resume()
    torch.manual_seed(peers.count * step + peers.rank)
    rng, schedule = Random(peers.count * step + peers.rank), alphas_cumprod().to(device)
    budget, smooth = preset.unet_minutes * 60, None
    while spent < budget:
        started = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(preset, step, spent / budget)
        loss, plain = training_loss(model, *batch(preset, pool, tokens, rng, device), schedule, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        spent = peers.agree(model, spent)
        nn.utils.clip_grad_norm_(model.unet.parameters(), 1.0)
        optimizer.step()
        follow(average.unet, model.unet, step)
        if step % STEPS_PER_NEW_GROUP == 0:
            pool.grow()
        step += 1
        spent += time.monotonic() - started
        if step % 50 == 0 and peers.rank == 0:
            smooth = plain.item() if smooth is None else 0.9 * smooth + 0.1 * plain.item()
            seen = step * preset.captions_per_step * preset.noises_per_caption * peers.count
            print(f"{clock()} step {step}, {spent:.0f}/{budget:.0f} s, {seen} seen, loss {smooth:.4f}", flush=True)
        if peers.rank == 0 and checkpoint.save_now_and_then(spent, step):
            show(average, step)
    if peers.rank == 0:
        checkpoint.save(spent, step)
    return average


def batch(
    preset: Preset, pool: LatentPool, tokens: CaptionTokens, rng: Random, device: str
) -> tuple[Tensor, Tensor, int]:
    latents, scenes = pool.sample(preset.captions_per_step, rng)
    rows = torch.tensor([tokens.rows(caption(scene, rng), rng) for scene in scenes])
    return latents.to(device), rows.to(device), preset.noises_per_caption


def training_loss(
    model: Denoiser, latents: Tensor, rows: Tensor, noises: int, schedule: Tensor, device: str
) -> tuple[Tensor, Tensor]:
    """Squared error of the predicted noise, weighted by noise / signal, and the same without weights.

    The error falls with growing noise about as fast as this weight rises, so every step counts alike; otherwise the
    last steps take most of the gradient, and what a caption decides, the first ones, is learned late.
    """
    x0 = latents.repeat_interleave(noises, dim=0)
    t = spread_steps(len(x0)).to(device)
    signal = schedule[t]
    noise = torch.randn_like(x0)
    x = signal.sqrt()[:, None, None, None] * x0 + (1 - signal).sqrt()[:, None, None, None] * noise
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        predicted = model(x.contiguous(memory_format=torch.channels_last), t, rows)
    error = (predicted.float() - noise).square().mean((1, 2, 3))
    weight = ((1 - signal) / signal).clamp(max=LARGEST_NOISE_RATIO).sqrt()
    return (weight * error).mean(), error.detach().mean()

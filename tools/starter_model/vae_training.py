"""Trains the autoencoder on drawings; later its decoder alone, on latents as blurred as the denoiser leaves them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from .drawing import draw
from .peers import ALONE, Peers
from .presets import Preset
from .progress import Checkpoint, clock
from .vae import as_tensor, build_vae, fold_scale, linear_start, quiet_residuals
from .world import random_scene

LATENT_NOISE = 0.1
SPREAD_WEIGHT = 0.02


def drawn_pool(preset: Preset, count: int, seed: int) -> np.ndarray:
    """count drawings at the native size, uint8 (count, size, size, 3)."""
    rng, size = Random(seed), preset.native_size
    return np.stack([np.asarray(draw(random_scene(rng), size, size)) for _ in range(count)])


def random_crops(pool: np.ndarray, batch: int, crop: int, rng: np.random.Generator) -> np.ndarray:
    top = rng.integers(0, pool.shape[1] - crop + 1, batch)
    left = rng.integers(0, pool.shape[2] - crop + 1, batch)
    chosen = rng.integers(0, len(pool), batch)
    return np.stack([pool[i, y : y + crop, x : x + crop] for i, y, x in zip(chosen, top, left, strict=True)])


def crop_plan(preset: Preset, step: int) -> tuple[int, int]:
    """Batch and crop size of a step: every fourth one sees whole pictures, for the norms' statistics span a picture."""
    if step % 4:
        return preset.vae_batch, preset.vae_crop
    shrink = (preset.native_size // preset.vae_crop) ** 2
    return max(1, preset.vae_batch // shrink), preset.native_size


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 of the pixels, and of their steps to the right and down, which keeps edges crisp."""
    loss = functional.l1_loss(output, target)
    for axis in (2, 3):
        loss = loss + 0.3 * functional.l1_loss(output.diff(dim=axis), target.diff(dim=axis))
    return loss


def train_vae(preset: Preset, folder: Path, device: str) -> AutoencoderKL:
    """The autoencoder after the preset's minutes, resuming what `folder` holds; its latents have unit variance."""
    torch.manual_seed(1)
    vae = build_vae(preset)
    quiet_residuals(vae)
    linear_start(vae)
    vae.to(device, memory_format=torch.channels_last)
    fit(vae, vae.parameters(), preset.vae_minutes, preset, folder / "vae.pt", device)
    fold_scale(vae.eval(), drawn_pool(preset, 64, seed=2), device)
    return vae


def polish_decoder(vae: AutoencoderKL, preset: Preset, folder: Path, device: str, peers: Peers) -> None:
    """Goes on with the decoder, while the encoder keeps the latents that the denoiser knows."""
    decoder = [*vae.post_quant_conv.parameters(), *vae.decoder.parameters()]
    for weight in decoder:
        weight.requires_grad_(True)
    fit(vae, decoder, preset.polish_minutes, preset, folder / "decoder.pt", device, peers)


def fit(
    vae: AutoencoderKL,
    weights: Iterable[nn.Parameter],
    minutes: float,
    preset: Preset,
    path: Path,
    device: str,
    peers: Peers = ALONE,
) -> None:
    """Trains those weights to reproduce drawings from latents with a little noise; keeps its state at `path`."""
    optimizer = torch.optim.AdamW(list(weights), lr=preset.vae_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    checkpoint = Checkpoint(path, {"vae": vae, "optimizer": optimizer})
    spent, step = checkpoint.resume()
    budget, average = minutes * 60, None
    if spent >= budget:
        return
    pool = drawn_pool(preset, preset.vae_pool, seed=1 + peers.rank)
    crops = np.random.default_rng(peers.count * step + peers.rank)
    while spent < budget:
        started = time.monotonic()
        for group in optimizer.param_groups:
            warm_up, decay = min(1, (step + 1) / 50), 0.02 + 0.98 * math.cos(spent / budget * math.pi / 2)
            group["lr"] = preset.vae_rate * warm_up * decay
        x = as_tensor(random_crops(pool, *crop_plan(preset, step), crops), device)
        loss, plain = training_loss(vae, x.contiguous(memory_format=torch.channels_last), device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        spent = peers.agree(vae, spent)
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        average = plain.item() if average is None else 0.98 * average + 0.02 * plain.item()
        spent += time.monotonic() - started
        if peers.rank == 0:
            if step % 50 == 0:
                print(f"{clock()} {path.stem} step {step}, {spent:.0f}/{budget:.0f} s: L1 {average:.4f}", flush=True)
            checkpoint.save_now_and_then(spent, step)
    if peers.rank == 0:
        checkpoint.save(spent, step)


def training_loss(vae: AutoencoderKL, x: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """What is minimised, and the plain L1 of the pixels (range 2).

    Pixels and their steps count, the mean colours of 8x8 blocks, and that latents keep mean 0 and deviation 1.
    Noise on the latents is relative to their deviation, whether the scale is folded in already or not.
    """
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        z = vae.encode(x).latent_dist.mean
        noise = LATENT_NOISE * z.detach().float().std() * torch.randn_like(z)
        y = vae.decode(z + noise).sample
    y = y.float()
    loss = reconstruction_loss(y, x) + functional.mse_loss(functional.avg_pool2d(y, 8), functional.avg_pool2d(x, 8))
    if z.requires_grad:
        mean, deviation = z.float().mean((0, 2, 3)), z.float().std((0, 2, 3))
        loss = loss + SPREAD_WEIGHT * (mean.square().mean() + (deviation - 1).square().mean())
    return loss, functional.l1_loss(y, x).detach()

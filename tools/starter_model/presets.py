"""Sizes and training budgets: one preset for two CPU cores, one for a GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Everything that differs between machines. Budgets are minutes; `sizes` are (width, height, share)."""

    name: str
    native_size: int
    # networks
    vae_channels: tuple[int, ...]
    vae_layers: int
    unet_channels: tuple[int, ...]
    unet_layers: int
    unet_attention: tuple[bool, ...]
    unet_heads: int
    unet_groups: int
    text_width: int
    text_layers: int
    text_heads: int
    # training
    vae_minutes: float
    vae_pool: int
    vae_batch: int
    vae_crop: int
    vae_rate: float
    sizes: tuple[tuple[int, int, float], ...]
    pictures_at_start: int
    pictures_in_all: int
    text_minutes: float
    unet_minutes: float
    captions_per_step: int
    noises_per_caption: int
    unet_rate: float
    polish_minutes: float
    processes: int
    workers: int


CPU_128 = Preset(
    name="cpu128",
    native_size=128,
    vae_channels=(16, 32, 64, 128),
    vae_layers=1,
    unet_channels=(32, 80, 128),
    unet_layers=1,
    unet_attention=(False, True, False),
    unet_heads=4,
    unet_groups=8,
    text_width=128,
    text_layers=3,
    text_heads=4,
    vae_minutes=7,
    vae_pool=3000,
    vae_batch=12,
    vae_crop=64,
    vae_rate=1e-3,
    sizes=((128, 128, 0.8), (192, 128, 0.05), (128, 192, 0.05), (96, 128, 0.03), (128, 96, 0.03), (160, 160, 0.04)),
    pictures_at_start=5_000,
    pictures_in_all=40_000,
    text_minutes=7,
    unet_minutes=140,
    captions_per_step=10,
    noises_per_caption=2,
    unet_rate=8e-4,
    polish_minutes=10,
    processes=2,
    workers=2,
)

GPU_256 = Preset(
    name="gpu256",
    native_size=256,
    vae_channels=(32, 64, 96, 128),
    vae_layers=1,
    unet_channels=(64, 128, 256),
    unet_layers=1,
    unet_attention=(False, True, True),
    unet_heads=4,
    unet_groups=8,
    text_width=128,
    text_layers=4,
    text_heads=4,
    vae_minutes=5,
    vae_pool=8000,
    vae_batch=64,
    vae_crop=128,
    vae_rate=1e-3,
    sizes=((256, 256, 0.8), (384, 256, 0.05), (256, 384, 0.05), (192, 256, 0.03), (256, 192, 0.03), (320, 320, 0.04)),
    pictures_at_start=40_000,
    pictures_in_all=40_000,
    text_minutes=1.5,
    unet_minutes=12,
    captions_per_step=256,
    noises_per_caption=2,
    unet_rate=1e-3,
    polish_minutes=3,
    processes=1,
    workers=16,
)

PRESETS = {preset.name: preset for preset in (CPU_128, GPU_256)}

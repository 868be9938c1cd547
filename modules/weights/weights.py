"""A loaded model: its networks, and the facts that computing with them needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from ..catalog.declared import Declared
from ..catalog.families import Family
from ..text.chunks import Chunk
from .prepared import held_bytes


@dataclass
class Weights:
    """The networks of one checkpoint, on one device. Made by `load_checkpoint`; owned by whoever opened it.

    `rules` is the family's module in weights/families. `vae_path` is None when the VAE is the checkpoint's own.
    """

    path: Path
    vae_path: Path | None
    family: Family
    declared: Declared
    rules: ModuleType
    unet: nn.Module
    vae: nn.Module
    text_encoder: nn.Module
    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype

    @property
    def native_size(self) -> int:
        """The picture size, in pixels, that the model was trained for."""
        return self.declared.native_size or self.family.native_size

    @property
    def prediction(self) -> str:
        """What the UNet gives: "epsilon" or "v_prediction"."""
        return self.declared.prediction_type or self.family.prediction

    @property
    def latent_channels(self) -> int:
        return self.vae.config.latent_channels

    @property
    def latent_factor(self) -> int:
        """Pixels per latent, each way: every level of the VAE but one halves the picture."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def preview_colours(self) -> tuple[Tensor, Tensor]:
        """A matrix (channels, 3) and a bias (3,) that turn latents into colours in [-1, 1]; float32 on the CPU."""
        preview = self.declared.preview
        factors, bias = (
            (preview.factors, preview.bias) if preview else (self.family.preview_factors, self.family.preview_bias)
        )
        return torch.tensor(factors), torch.tensor(bias)

    @property
    def nbytes(self) -> int:
        """Bytes that the parameters take on the device."""
        networks = (self.unet, self.vae, self.text_encoder)
        return sum(held_bytes(network) for network in networks)

    @torch.inference_mode()
    def encode(self, chunks: Sequence[Chunk], clip_skip: int = 1) -> Tensor:
        """One prompt as the UNet reads it: (1, 77 * len(chunks), width), in the UNet's dtype on its device."""
        return self.rules.encode(self, chunks, clip_skip)

    @torch.inference_mode()
    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Tensor) -> Tensor:
        """The UNet's output (b, c, h, w), float32, for scaled latents (b, c, h, w), timesteps (b,) in [0, 999], which
        may be fractional, and conditioning (b, tokens, width).
        """
        latents = latents.to(self.device, self.dtype)
        timesteps = timesteps.to(self.device)
        conditioning = conditioning.to(self.device, self.dtype)
        return self.unet(latents, timesteps, encoder_hidden_states=conditioning, return_dict=False)[0].float()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (b, 3, h * factor, w * factor), float32, about [-1, 1] but not clamped, for latents (b, c, h, w)."""
        plain = latents.to(self.device, torch.float32) / self.family.latent_scale + self.family.latent_shift
        return self.vae.decode(plain.to(self.vae_dtype), return_dict=False)[0].float()

    @torch.inference_mode()
    def encode_image(self, pictures: Tensor) -> Tensor:
        """Latents (b, c, h / factor, w / factor), float32, for pictures (b, 3, h, w) in [-1, 1]: the code's mean."""
        code = self.vae.encode(pictures.to(self.device, self.vae_dtype), return_dict=False)[0].mode().float()
        return (code - self.family.latent_shift) * self.family.latent_scale

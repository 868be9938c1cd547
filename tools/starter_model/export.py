"""Writes the trained networks as one Stable Diffusion 1 file, and reads that file back for scoring."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch.nn import functional

from modules.weights.load import load_checkpoint

from .denoiser import Denoiser
from .layout import single_file
from .presets import Preset
from .sampling import Modules
from .text import CaptionTokens, full_table
from .vae import LATENT_SCALE, as_tensor
from .vae_training import drawn_pool

TOKEN_TABLE = "embeddings.token_embedding.weight"
PREVIEW_DRAWINGS = 48
RECOMMENDED = {"steps": 20, "cfg_scale": 5.0, "sampler": "DDIM"}


def architecture(preset: Preset, vae: AutoencoderKL) -> dict:
    """What tensor shapes cannot tell, how latents look, and which settings suit the model."""
    return {
        "native_size": preset.native_size,
        "unet": {"num_attention_heads": preset.unet_heads, "norm_num_groups": preset.unet_groups},
        "vae": {"norm_num_groups": 1},
        "text_encoder": {"num_attention_heads": preset.text_heads, "hidden_act": "quick_gelu"},
        "prediction_type": "epsilon",
        "preview": preview_matrix(preset, vae),
        "recommended": RECOMMENDED,
    }


def export(preset: Preset, denoiser: Denoiser, tokens: CaptionTokens, vae: AutoencoderKL, path: Path) -> None:
    """Saves everything in fp16 under SD1's names; the file appears complete or not at all."""
    text = denoiser.text.state_dict()
    text[TOKEN_TABLE] = full_table(text[TOKEN_TABLE].cpu(), tokens.known)
    weights = single_file(preset, denoiser.unet.state_dict(), vae.state_dict(), text)
    weights = {name: value.detach().cpu().half().contiguous().clone() for name, value in sorted(weights.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    metadata = {"format": "pt", "webui.architecture": json.dumps(architecture(preset, vae))}
    save_file(weights, unfinished, metadata=metadata)
    os.replace(unfinished, path)


def load_exported(path: Path, device: str = "cpu") -> Modules:
    """The file's networks in fp32, through the application's own loader."""
    weights = load_checkpoint(path, device=device)
    return Modules(weights.text_encoder, weights.unet, weights.vae, CaptionTokens().ids, device)


@torch.no_grad()
def preview_matrix(preset: Preset, vae: AutoencoderKL) -> dict[str, list]:
    """The least-squares map from latents (unit variance) to the colours, -1 to 1, of their 8x8 blocks."""
    pictures = as_tensor(drawn_pool(preset, PREVIEW_DRAWINGS, seed=3), "cpu")
    z = vae.cpu().encode(pictures).latent_dist.mean * LATENT_SCALE
    latents = z.permute(0, 2, 3, 1).reshape(-1, 4)
    colours = functional.avg_pool2d(pictures, 8).permute(0, 2, 3, 1).reshape(-1, 3)
    inputs = torch.cat((latents, torch.ones(len(latents), 1)), 1)
    rows = torch.linalg.lstsq(inputs, colours).solution
    return {"factors": rows[:4].round(decimals=4).tolist(), "bias": rows[4].round(decimals=4).tolist()}

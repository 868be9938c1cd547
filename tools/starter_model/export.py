"""Writes the trained networks as one Stable Diffusion 1 file, and reads that file back for scoring."""

from __future__ import annotations

import json
import os
from pathlib import Path

from diffusers import AutoencoderKL
from safetensors import safe_open
from safetensors.torch import save_file

from .denoiser import Denoiser
from .layout import single_file
from .presets import Preset
from .sampling import Modules
from .text import VOCABULARY, CaptionTokens, build_text_encoder, full_table
from .unet import build_unet
from .vae import build_vae

TOKEN_TABLE = "embeddings.token_embedding.weight"
RECOMMENDED = {"steps": 20, "cfg_scale": 4.0, "sampler": "DDIM"}


def architecture(preset: Preset) -> dict:
    """What tensor shapes cannot tell, and what the model is good at."""
    return {
        "native_size": preset.native_size,
        "unet": {"num_attention_heads": preset.unet_heads, "norm_num_groups": preset.unet_groups},
        "vae": {"norm_num_groups": 1},
        "text_encoder": {"num_attention_heads": preset.text_heads, "hidden_act": "quick_gelu"},
        "prediction_type": "epsilon",
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
    metadata = {"format": "pt", "webui.architecture": json.dumps(architecture(preset))}
    save_file(weights, unfinished, metadata=metadata)
    os.replace(unfinished, path)


def load_exported(preset: Preset, path: Path, device: str = "cpu") -> Modules:
    """The file's networks in fp32, each tensor found under the name that `export` gave it."""
    unet, vae, text = build_unet(preset), build_vae(preset), build_text_encoder(preset, VOCABULARY)
    names = {
        part: single_file(preset, *(placeholder if part == k else {} for k in ("unet", "vae", "text")))
        for part, placeholder in (
            ("unet", unet.state_dict()),
            ("vae", vae.state_dict()),
            ("text", text.state_dict()),
        )
    }
    with safe_open(path, framework="pt") as file:
        for part, network in (("unet", unet), ("vae", vae), ("text", text)):
            own = network.state_dict()
            stored = {
                key: file.get_tensor(name).reshape(own[key].shape).float()
                for key, name in zip(own, names[part], strict=True)
            }
            network.load_state_dict(stored)
            network.to(device).eval().requires_grad_(False)
    return Modules(text, unet, vae, CaptionTokens().ids, device)

"""What one process finds out about one file: `python -m benchmarks.families.checks CHECK FOLDER NAME`, JSON on stdout.

The network is out of reach: whoever asks for an address or a connection is refused.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modules import flags
from modules.app import folders_for
from modules.catalog.open import read_tensors
from modules.catalog.scan import scan_vaes, vae_for
from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.engine.engine import Engine
from modules.plugins.api import hook
from modules.studio import Studio
from modules.text.chunks import Chunk
from modules.text.tokenizer import BOS, EOS, encode
from modules.weights.load import load_checkpoint
from modules.weights.tensors import DTYPES
from modules.weights.weights import Situation, Weights

from . import official
from .compared import Found, compared, noise
from .every import FILES
from .files import Made
from .flow_checks import compare_flow

WORDS = (BOS, *encode("a red house on a green hill, by day"), EOS)
PADDED, ZERO_PADDED = ((*WORDS, *[pad] * (77 - len(WORDS))) for pad in (EOS, 0))
SIZES = {"sdxl": [512, 768, 0, 0, 512, 768], "refiner": [512, 768, 0, 0, 6.0]}  # as diffusers' pipelines put them


def loaded(path: Path) -> Weights:
    """The file by the normal path, its numbers as they are stored: they are mapped, and take no memory."""
    entry = next(iter(read_tensors(path).tensors.values()))
    vae = vae_for(path, scan_vaes([], [path.parent]))
    return load_checkpoint(path, dtype=DTYPES[entry.dtype], vae=vae.path if vae else None)


@torch.inference_mode()
def compare(path: Path, made: Made) -> Found:
    """The three networks beside diffusers' and transformers', one after another."""
    if made.official not in official.UNETS:
        return compare_flow(path, made, made.models(path.parent))
    weights = loaded(path)
    return {"unet": _unet(weights, made), "text": _text(weights, made), "vae": _vae(weights)}


def _unet(weights: Weights, made: Made) -> Found:
    """One call of the UNet, in float32. It is let go afterwards."""
    config = official.UNETS[made.official]
    latents, text = noise(1, config.get("in_channels", 4), 16, 8), noise(1, 77, config["cross_attention_dim"])
    timesteps, told, added = torch.tensor([501.0]), text, None
    if made.official in SIZES:
        pooled = noise(1, 1280)
        told = weights.situated({"text": text, "pooled": pooled}, Situation(width=768, height=512))
        added = {"text_embeds": pooled, "time_ids": torch.tensor([SIZES[made.official]])}
    weights.unet.float()
    ours = replace(weights, dtype=torch.float32).predict(latents, timesteps, told)
    weights.unet = None
    theirs = official.unet(weights.path, config)(latents, timesteps, text, added_cond_kwargs=added).sample
    return compared((ours, theirs))


def _text(weights: Weights, made: Made) -> Found:
    """The text encoders on one prompt, in float32. They are let go afterwards."""
    weights.text_encoder.float()
    reader, chunk = replace(weights, dtype=torch.float32), Chunk(PADDED, (1.0,) * 77)
    given = reader.encode([chunk])
    skipped = reader.encode([chunk], clip_skip=2) if weights.family.id == "sd1" else given
    reader.text_encoder = weights.text_encoder = None
    return compared(*_READ[made.official.split()[0]](weights.path, given, skipped))


def _read_by_sd1(path: Path, given: Tensor, skipped: Tensor) -> list[tuple[Tensor, Tensor]]:
    prefix = "cond_stage_model.transformer."
    names = read_tensors(path).tensors
    encoder = official.clip(path, prefix + ("text_model." if any(".text_model." in name for name in names) else ""))
    output = encoder(torch.tensor([PADDED]), output_hidden_states=True)
    earlier = encoder.final_layer_norm(output.hidden_states[-2])
    return [(given, output.last_hidden_state), (skipped, earlier)]


def _read_by_sd2(path: Path, given: Tensor, skipped: Tensor) -> list[tuple[Tensor, Tensor]]:
    encoder = official.open_clip(path, "cond_stage_model.model.", official.OPEN_CLIP_H, projected=False)
    return [(given, encoder(torch.tensor([ZERO_PADDED])).last_hidden_state)]


def _read_by_sdxl(path: Path, given: dict[str, Tensor], skipped: Any) -> list[tuple[Tensor, Tensor]]:
    small = official.clip(path, "conditioner.embedders.0.transformer.text_model.")
    first = small(torch.tensor([PADDED]), output_hidden_states=True).hidden_states[-2]
    second = _by_big_g(path, "conditioner.embedders.1.model.")
    both = torch.cat([first, second.hidden_states[-2]], dim=-1)
    return [(given["text"], both), (given["pooled"], second.text_embeds)]


def _read_by_refiner(path: Path, given: dict[str, Tensor], skipped: Any) -> list[tuple[Tensor, Tensor]]:
    output = _by_big_g(path, "conditioner.embedders.0.model.")
    return [(given["text"], output.hidden_states[-2]), (given["pooled"], output.text_embeds)]


def _by_big_g(path: Path, prefix: str) -> Any:
    encoder = official.open_clip(path, prefix, official.OPEN_CLIP_BIG_G, projected=True)
    return encoder(torch.tensor([ZERO_PADDED]), output_hidden_states=True)


_READ: dict[str, Callable[..., list[tuple[Tensor, Tensor]]]] = {
    "sd1": _read_by_sd1,
    "sd2": _read_by_sd2,
    "sdxl": _read_by_sdxl,
    "refiner": _read_by_refiner,
}


def _vae(weights: Weights) -> Found:
    """Latents to a picture and a picture to latents, in float32."""
    latents, picture = noise(1, 4, 8, 16), noise(1, 3, 64, 128)
    weights.vae.float()
    coder, scale = replace(weights, vae_dtype=torch.float32), weights.family.latent_scale
    ours = coder.decode(latents), coder.encode_image(picture)
    network = official.vae(weights.vae_path or weights.path, scale)
    theirs = network.decode(latents / scale).sample, network.encode(picture).latent_dist.mean * scale
    return compared(*zip(ours, theirs, strict=True))


class Seen:
    """Keeps what was loaded, to be asked afterwards."""

    weights: Weights

    @hook
    def model_loaded(self, weights: Weights) -> None:
        self.weights = weights


def render(path: Path, made: Made) -> Found:
    """A picture of 64 x 64 in 2 steps as a person asks for it: through the list of models, the queue, the engine."""
    options = flags.parse(["--data-dir", str(path.parent / "data"), "--ckpt-dir", str(path.parent)])
    folders, hooks, seen = folders_for(options), Hooks(), Seen()
    hooks.register(seen, "seen")
    studio = Studio(folders, Settings(folders.settings), hooks, lambda: Engine(folders, hooks))
    studio.start("")
    try:
        model = next(model for model in studio.models() if model.path == path)
        pixels = _painted(studio, model.name)
        weights = seen.weights
        return {
            "recognised": f"{weights.family.name}: {model.variant}",
            "reason": model.reason,
            "predicts": weights.prediction,
            "vae": weights.vae_path.name if weights.vae_path else "",
            "colours": float(pixels.std()),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
    finally:
        studio.close()


def _painted(studio: Studio, checkpoint: str) -> np.ndarray:
    """The pixels of the picture. CFG 1 keeps the rows of a call, and so the memory, at one."""
    asked = {"prompt": "a red house", "steps": 2, "width": 64, "height": 64, "cfg_scale": 1.0, "seed": 1}
    job = studio.submit({**asked, "checkpoint": checkpoint})
    while (job := studio.job(job.id)).state in ("waiting", "running"):
        time.sleep(0.01)
    if job.state != "finished":
        raise SystemExit(f"The job {job.state}: {job.message}")
    (record,) = studio.pictures_of(job)
    return np.asarray(Image.open(record.path).convert("RGB"), dtype=np.float32)


def _offline(event: str, arguments: tuple) -> None:
    asked = event in ("socket.getaddrinfo", "socket.gethostbyname")
    if asked or (event == "socket.connect" and arguments[0].family != socket.AF_UNIX):
        raise OSError(f"{event}: there is no network in this process")


def main() -> None:
    sys.addaudithook(_offline)
    check, folder, name = sys.argv[1:]
    made = next(one for one in FILES if one.name == name)
    if check == "write":
        made.write(Path(folder))
        found: Found = {}
    else:
        found = {"compare": compare, "render": render}[check](Path(folder, name), made)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

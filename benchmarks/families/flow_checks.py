"""What is compared of SD 3, SD 3.5 and FLUX: transformer, text and VAE, in float32, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from modules.catalog.companions import Places
from modules.text.grammar import attention
from modules.text.tokenizer import BOS, EOS, encode
from modules.weights.load import load_checkpoint
from modules.weights.weights import Weights

from . import flow_official
from .compared import Found, compared, noise
from .files import Made

PROMPT = "a red house on a green hill, by day"
LENGTHS = {"flux dev": 512, "flux schnell": 256}
T5_OF_SD3 = 256
ROWS, COLUMNS = 16, 8


def places_of(models: Path) -> Places:
    return Places((models / "text_encoder",), (models / "VAE",))


@torch.inference_mode()
def compare_flow(path: Path, made: Made, models: Path) -> Found:
    """The networks beside diffusers' and transformers'. Ours are let go as they are done with."""
    weights = load_checkpoint(path, places=places_of(models))
    text = _text(weights, made, models)
    weights.text_encoder = None
    vae = _vae(weights, models)
    return {"unet": _transformer(weights, made), "text": text, "vae": vae}


def _transformer(weights: Weights, made: Made) -> Found:
    config = flow_official.TRANSFORMERS[made.official]
    latents, text = noise(1, 16, ROWS, COLUMNS), noise(1, 77, config["joint_attention_dim"])
    pooled, moment, guidance = noise(1, config["pooled_projection_dim"]), torch.tensor([501.0]), torch.tensor([3.5])
    ours = weights.predict(latents, moment, {"text": text, "pooled": pooled, "guidance": guidance})
    weights.unet = None
    network = flow_official.transformer(weights.path, made.official)
    if made.official.startswith("sd3"):
        return compared((ours, network(latents, text, pooled, moment).sample))
    given = network(
        FluxPipeline._pack_latents(latents, 1, 16, ROWS, COLUMNS),
        encoder_hidden_states=text,
        pooled_projections=pooled,
        timestep=moment / 1000,
        guidance=guidance if config["guidance_embeds"] else None,
        txt_ids=torch.zeros(77, 3),
        img_ids=FluxPipeline._prepare_latent_image_ids(1, ROWS // 2, COLUMNS // 2, "cpu", torch.float32),
    ).sample
    return compared((ours, FluxPipeline._unpack_latents(given, ROWS * 8, COLUMNS * 8, 8)))


def _text(weights: Weights, made: Made, models: Path) -> Found:
    """One prompt, as diffusers' pipelines put it together."""
    ours, path = weights.read(attention(PROMPT)), weights.path
    if made.official in LENGTHS:
        sentences = flow_official.t5(path, models, _t5_tokens(weights, LENGTHS[made.official]))
        pooled = flow_official.clip_l(path, models, projected=False)(_clip_tokens(EOS)).pooler_output
        return compared((ours["text"], sentences), (ours["pooled"], pooled))
    small = flow_official.clip_l(path, models, projected=True)(_clip_tokens(EOS), output_hidden_states=True)
    large = flow_official.clip_g(path, models)(_clip_tokens(0), output_hidden_states=True)
    both = torch.cat([small.hidden_states[-2], large.hidden_states[-2]], dim=-1)
    both = functional.pad(both, (0, 4096 - both.shape[-1]))
    sentences = torch.zeros(1, T5_OF_SD3, 4096)
    if weights.sentences:
        sentences = flow_official.t5(path, models, _t5_tokens(weights, T5_OF_SD3))
    expected = torch.cat([both, sentences], dim=1)
    pooled = torch.cat([small.text_embeds, large.text_embeds], dim=-1)
    return compared((ours["text"], expected), (ours["pooled"], pooled))


def _clip_tokens(pad: int) -> Tensor:
    words = [BOS, *encode(PROMPT), EOS]
    return torch.tensor([[*words, *[pad] * (77 - len(words))]])


def _t5_tokens(weights: Weights, length: int) -> list[int]:
    tokenizer = Tokenizer.from_file(str(weights.sentences.path))
    tokenizer.no_truncation()
    tokens = tokenizer.encode(PROMPT).ids
    return [*tokens, 1, *[0] * (length - len(tokens) - 1)]


def _vae(weights: Weights, models: Path) -> Found:
    latents, picture = noise(1, 16, 8, 16), noise(1, 3, 64, 128)
    ours = weights.decode(latents), weights.encode_image(picture)
    scale, shift = weights.family.latent_scale, weights.family.latent_shift
    weights.vae = None
    network: Any = flow_official.vae(weights.path, models)
    decoded = network.decode(latents / scale + shift).sample
    encoded = (network.encode(picture).latent_dist.mean - shift) * scale
    return compared(*zip(ours, (decoded, encoded), strict=True))

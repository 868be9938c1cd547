"""SD 3 and FLUX in miniature with random weights, under their authors' names: all in one file, or each part in its own.

T5's tokenizer is made here of a few words: no package carries the real one.
"""

from __future__ import annotations

from pathlib import Path

from tests.catalog.architectures import UNET, VAE, clip_g, clip_l, flux, sd3, t5
from tests.toy import Shapes, under, vae_shapes, write_random

TEXT_WIDTH = 160  # of T5, and so of the text that the transformers read
SMALL, LARGE = 48, 80  # of CLIP-L and CLIP-G: three and five eighths of SD 3's vector
CLIP_L, CLIP_G, T5 = (f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl"))
WORDS = ("a", "red", "green", "house", "on", "hill", "by", "day", "cat", "dog", "boat", "far", "away", "fog")
LETTERS = "abcdefghijklmnopqrstuvwxyz,.()"

FLUX = flux(width=64, head=32, double=2, single=2, context=TEXT_WIDTH, pooled=SMALL)
SCHNELL = flux(guided=False, width=64, head=32, double=1, single=2, context=TEXT_WIDTH, pooled=SMALL)
_SD3 = {"width": 128, "places": 24, "context": TEXT_WIDTH, "pooled": SMALL + LARGE}
SD3_MEDIUM = sd3(blocks=3, **_SD3)
SD35_LARGE = sd3(blocks=2, normed=True, **_SD3)
SD35_MEDIUM = sd3(blocks=3, normed=True, twice=2, **_SD3)
ENCODERS = {
    "clip_l": clip_l(width=SMALL, layers=3),
    "clip_g": clip_g(width=LARGE, layers=3),
    "t5xxl": t5(width=TEXT_WIDTH, inner=64, wide=128, layers=2, heads=4),
}
VAE_OF_16 = vae_shapes(widths=(8, 8, 16, 16), blocks=1, latents=16)
ARCHITECTURE = {"webui.architecture": '{"native_size": 64, "vae": {"norm_num_groups": 4}}'}


def all_in_one(transformer: Shapes, *encoders: str) -> Shapes:
    """A checkpoint with everything inside, as Stability AI and ComfyUI write it."""
    inner = {name.removeprefix(UNET): shape for name, shape in transformer.items()}
    shapes = under(UNET, inner) | under(VAE, VAE_OF_16)
    for name in encoders:
        shapes |= under(f"text_encoders.{name}.transformer.", ENCODERS[name])
    return shapes


def write_parts(folder: Path, *names: str, seed: int = 1) -> Path:
    """Text encoders, each in a file of its own whose name says nothing, and "vae" in the folder VAE."""
    for number, name in enumerate(names):
        if name == "vae":
            write_random(folder / "VAE" / "16.safetensors", VAE_OF_16, seed, ARCHITECTURE)
        else:
            write_random(folder / "text_encoder" / f"file {number}.safetensors", ENCODERS[name], seed)
    return folder


def write_tokenizer(folder: Path) -> Path:
    """A tokenizer as T5's: the likeliest pieces of words, <pad> 0 and </s> 1. It knows some words and all letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"\u2581{word}", -4.0) for word in WORDS] + [(letter, -9.0) for letter in "\u2581" + LETTERS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.enable_truncation(7)  # what a file says of lengths is not heeded
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"

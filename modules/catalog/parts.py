"""What SD 3 and FLUX need beside their transformer, and how a file of its own that holds such a part is known.

Files are known by what they hold. Only the VAEs of these two families, which are built alike, are told apart by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from .checkpoint_tensors import UNET, VAE, original_vae
from .detection import size
from .header import Header, TensorEntry
from .layout import PROJECTION

CLIP_L, CLIP_G, T5 = (f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl"))
TEXT_MODEL = "text_model."
CLIP_PARTS = ("embeddings.", "encoder.", "final_layer_norm.")
TOKENS = "embeddings.token_embedding.weight"
T5_BIAS = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
T5_WORDS = ("shared.weight", "encoder.embed_tokens.weight")  # the same table under two names
T5_NORM = "encoder.final_layer_norm.weight"
VAE_CHANNELS = 16
VAE_MARKS = tuple(prefix + "decoder.conv_in.weight" for prefix in (VAE, "vae."))
# Tensors of the transformers that tell how wide the text is that they read, and the one vector for all of it.
TOLD = {
    "sd3": ("context_embedder.weight", "y_embedder.mlp.0.weight"),
    "flux": ("txt_in.weight", "vector_in.in_layer.weight"),
}

Tensors = dict[str, TensorEntry]


class Widths(NamedTuple):
    """What a transformer reads: so many numbers for each token of a text, and in one vector for all of it."""

    text: int
    pooled: int


@dataclass(frozen=True)
class Part:
    """Something that a checkpoint may lack, and the name and address of a file to fetch.

    `marks`: a checkpoint with one of these tensors has it inside. `found(file, widths)`: the tensors in a file that
    holds it for a transformer of these widths, by their names in a checkpoint; none where it holds something else.
    """

    name: str
    file: str
    address: str
    marks: tuple[str, ...] = ()
    found: Callable[[Header, Widths], Tensors] | None = None
    is_vae: bool = False


def widths_of(header: Header, family_id: str) -> Widths:
    """Those of a checkpoint's transformer; 0 for what is not there."""
    shapes = header.shapes
    return Widths(*(size(shapes, UNET + name, 1) or size(shapes, name, 1) for name in TOLD[family_id]))


def _clip(prefix: str, share: tuple[int, int]) -> Callable[[Header, Widths], Tensors]:
    """For a CLIP text encoder that makes up this share of the pooled vector."""

    def found(file: Header, widths: Widths) -> Tensors:
        level = TEXT_MODEL if TEXT_MODEL + TOKENS in file.tensors else ""
        width = size(file.shapes, level + TOKENS, 1)
        if not width or width * share[1] != widths.pooled * share[0]:
            return {}
        inner = {name.removeprefix(level): entry for name, entry in file.tensors.items() if name.startswith(level)}
        tensors = {prefix + TEXT_MODEL + name: entry for name, entry in inner.items() if name.startswith(CLIP_PARTS)}
        projection = {name: entry for name, entry in file.tensors.items() if name == PROJECTION}
        return tensors | {prefix + name: entry for name, entry in projection.items()}

    return found


def _t5(file: Header, widths: Widths) -> Tensors:
    """T5 has position biases in its first layer alone; its kin of many languages has them in all."""
    if T5_BIAS.format(0) not in file.tensors or T5_BIAS.format(1) in file.tensors:
        return {}
    if size(file.shapes, T5_NORM, 0) != widths.text:
        return {}
    return {T5 + name: entry for name, entry in file.tensors.items() if name.startswith(("encoder.", "shared."))}


def _vae_unless_named(*others: str) -> Callable[[Header, Widths], Tensors]:
    """For a VAE of 16 channels in either layout, whose file does not bear the other family's name."""

    def found(file: Header, widths: Widths) -> Tensors:
        alone = (
            size(file.shapes, "decoder.conv_in.weight", 1) == VAE_CHANNELS and "decoder.conv_out.weight" in file.tensors
        )
        if not alone or file.path.stem.casefold().startswith(others):
            return {}
        return original_vae(dict(file.tensors))

    return found


ENCODERS = "https://huggingface.co/comfyanonymous/flux_text_encoders"
ENCODERS_OF_SD3 = "https://huggingface.co/Comfy-Org/stable-diffusion-3.5-fp8 (text_encoders)"
T5_PART = Part(
    "the T5 text encoder",
    "t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors",
    ENCODERS,
    (T5 + T5_NORM,),
    _t5,
)
# T5's tokenizer is no network. Every T5 knows the same words.
TOKENIZER_PART = Part("T5's tokenizer", "tokenizer.json", "https://huggingface.co/google-t5/t5-small")
OPTIONAL = (T5_PART, TOKENIZER_PART)  # for SD 3, which was trained to do without at times
PARTS: Mapping[str, tuple[Part, ...]] = MappingProxyType(
    {
        "sd3": (
            Part(
                "CLIP-L", "clip_l.safetensors", ENCODERS_OF_SD3, (CLIP_L + TEXT_MODEL + TOKENS,), _clip(CLIP_L, (3, 8))
            ),
            Part(
                "CLIP-G", "clip_g.safetensors", ENCODERS_OF_SD3, (CLIP_G + TEXT_MODEL + TOKENS,), _clip(CLIP_G, (5, 8))
            ),
            T5_PART,
            Part(
                "the VAE",
                "diffusion_pytorch_model.safetensors",
                "https://huggingface.co/stabilityai/stable-diffusion-3.5-medium (vae)",
                VAE_MARKS,
                _vae_unless_named("ae", "flux"),
                is_vae=True,
            ),
        ),
        "flux": (
            Part("CLIP-L", "clip_l.safetensors", ENCODERS, (CLIP_L + TEXT_MODEL + TOKENS,), _clip(CLIP_L, (1, 1))),
            T5_PART,
            Part(
                "the VAE",
                "ae.safetensors",
                "https://huggingface.co/black-forest-labs/FLUX.1-schnell",
                VAE_MARKS,
                _vae_unless_named("sd3"),
                is_vae=True,
            ),
        ),
    }
)

"""What the layers of a model are called in LoRA files: by kohya's scripts, diffusers and PEFT, in both layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from torch import nn

from ..tensors import Original, Source
from .merged import Layer, Place

if TYPE_CHECKING:
    from ..weights import Weights

UNET = "model.diffusion_model."
PEFTS_PREFIX = "base_model.model."
# The text encoders of each family: where they stand in our network, kohya's name and diffusers' name.
BOTH_CLIPS = (("small.", "te1", "text_encoder"), ("large.clip.", "te2", "text_encoder_2"))
ENCODERS = {"sdxl": BOTH_CLIPS, "sd3": BOTH_CLIPS, "flux": BOTH_CLIPS[:1]}
ENCODER = (("", "te", "text_encoder"),)
PROJECTION = {"large.text_projection": ("te2", "text_encoder_2")}
OLD_ATTENTION = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}  # diffusers before 0.20


def layers_by_spelling(weights: Weights) -> Mapping[str, tuple[Place, ...]]:
    """Every spelling of every layer that has a weight; where two layers share one, the first counts. What is one layer
    in the checkpoint and several in the network means all of these.
    """
    found: dict[str, tuple[Place, ...]] = {}
    fused: dict[str, tuple[Place, ...]] = {}
    for network, spellings in (("unet", _unet_spellings), ("text_encoder", _encoder_spellings)):
        for path, module in getattr(weights, network).named_modules():
            if isinstance(getattr(module, "weight", None), nn.Parameter):
                layer = Layer(network, path)
                for spelling in spellings(path, weights):
                    found.setdefault(spelling, (Place(layer),))
                for spelling, place in _fused_spellings(layer, weights) if network == "unet" else ():
                    fused[spelling] = (*fused.get(spelling, ()), place)
    return fused | found


def spelt_plainly(name: str) -> str:
    """A layer's name in a file without what says nothing about the layer."""
    return name.removeprefix(PEFTS_PREFIX).replace(".processor", "")


def _unet_spellings(path: str, weights: Weights) -> Iterator[str]:
    original = _original(path, weights.stored["unet"].original).removeprefix(UNET)
    short = path.removesuffix(".0") if path.endswith(".to_out.0") else path
    yield from (path, *(f"{name}.{one}" for name in ("unet", "transformer") for one in (path, short)))
    yield from _of_original(original)
    yield from (f"{kind}_{path.replace('.', '_')}" for kind in ("lora_unet", "lycoris", "lora_transformer"))


def _of_original(name: str) -> Iterator[str]:
    """The spellings of a layer of the UNet that the checkpoint has under this name."""
    flat = name.replace(".", "_")
    yield from (f"diffusion_model.{name}", UNET + name, f"lora_unet_{flat}", f"lycoris_{flat}")


def _fused_spellings(layer: Layer, weights: Weights) -> Iterator[tuple[str, Place]]:
    """The spellings of what the checkpoint has in one layer with others, and which rows of that are this layer's."""
    source = weights.stored[layer.network].original(f"{layer.path}.weight")
    if isinstance(source, Source) and source.parts != source.span:
        name = source.name.removeprefix(UNET).removesuffix(".weight")
        for spelling in _of_original(name):
            yield spelling, Place(layer, source.part, source.parts, source.span)


def _encoder_spellings(path: str, weights: Weights) -> Iterator[str]:
    if path in PROJECTION:
        kohyas, diffusers = PROJECTION[path]
        yield from (f"lora_{kohyas}_text_projection", f"{diffusers}.text_projection")
        return
    for prefix, kohyas, diffusers in ENCODERS.get(weights.family.id, ENCODER):
        if not path.startswith(prefix):
            continue
        plain = path.removeprefix(prefix)
        yield f"lora_{kohyas}_text_model_{plain.replace('.', '_')}"
        yield from (f"{diffusers}.text_model.{plain}", f"{diffusers}.{plain}")
        owner, _, leaf = plain.rpartition(".")
        if leaf in OLD_ATTENTION:
            yield f"{diffusers}.text_model.{owner}.{OLD_ATTENTION[leaf]}"
        if kohyas in ("te", "te1"):
            yield from (f"text_model.{plain}", plain)


def _original(path: str, original: Original) -> str:
    """The layer's own name in the checkpoint; "" where it is a part of a larger tensor there, or lies otherwise."""
    found = original(f"{path}.weight")
    name = found if isinstance(found, str) else found.name if found.parts == 1 and not found.swapped else ""
    return name.removesuffix(".weight")

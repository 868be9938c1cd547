"""Says what a model file is, and why, from tensor names and shapes alone.

Each rule below looks for the names that only its kind of file has. The order matters where one kind contains another:
a LoRA for a UNet bears UNet-like names, a ControlNet holds half a UNet, a checkpoint holds a VAE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .header import Header

Shapes = Mapping[str, tuple[int, ...]]

UNET = "model.diffusion_model."
CONTEXT_FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl"}  # width of the text that the UNet attends to
LORA_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", "_lora.down.weight", ".lora.down.weight")
LORA_DOWN += (".lora_linear_layer.down.weight",)
LORA_FORMS = {
    "LoRA": LORA_DOWN,
    "LoHa": (".hada_w1_a",),
    "LoKr": (".lokr_w1", ".lokr_w1_a"),
    "OFT": (".oft_blocks", ".oft_diag"),
    "IA3": (".on_input",),
    "GLoRA": (".a1.weight",),
    "full difference": (".diff",),
}
REFINERS_TEXT = "conditioner.embedders.0.model."  # only the refiner's first encoder is OpenCLIP
SOUGHT = "no UNet, VAE, text encoder, LoRA, embedding, ControlNet or upscaler keys"
INPUT_VARIANTS = {4: "base", 5: "depth", 8: "pix2pix", 9: "inpainting"}  # channels that the UNet is given
PAINTING = ("base", "inpainting", "pix2pix", "refiner")  # those that the engine knows what to give to


@dataclass(frozen=True)
class Detection:
    """`kind` in plain words ("checkpoint", "LoRA", "VAE", ... or "unknown"); `family_id` "" where none can be told."""

    kind: str
    family_id: str
    variant: str
    reason: str


def detect(header: Header) -> Detection:
    """What the file is. Never raises: a file that no rule knows is "unknown", and the reason lists what was sought."""
    shapes = header.shapes
    for rule in RULES:
        found = rule(shapes)
        if found is not None:
            return found
    some = ", ".join(list(shapes)[:3]) or "nothing"
    more = ", ..." if len(shapes) > 3 else ""
    return Detection("unknown", "", "", f"{SOUGHT} among {len(shapes)} tensors ({some}{more})")


def _lora(shapes: Shapes) -> Detection | None:
    for variant, endings in LORA_FORMS.items():
        name = next((name for name in shapes if name.endswith(endings)), None)
        if name is not None:
            return Detection("LoRA", _lora_family(shapes), variant, f"{variant} pairs such as {name}")
    return None


def _lora_family(shapes: Shapes) -> str:
    if any("double_blocks" in name or "single_transformer_blocks" in name for name in shapes):
        return "flux"
    if any("joint_blocks" in name for name in shapes):
        return "sd3"
    if any(name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.")) for name in shapes):
        return "sdxl"
    for name, shape in shapes.items():
        if "attn2" in name and "to_k" in name and name.endswith(LORA_DOWN):
            return CONTEXT_FAMILIES.get(shape[1], "") if len(shape) > 1 else ""
    return ""


def _control_lora(shapes: Shapes) -> Detection | None:
    if "lora_controlnet" not in shapes:
        return None
    return Detection("ControlNet", _context_family(shapes), "Control-LoRA", "the marker tensor lora_controlnet")


def _controlnet(shapes: Shapes) -> Detection | None:
    marks = ("control_model.input_hint_block.", "input_hint_block.", "controlnet_cond_embedding.", "controlnet_blocks.")
    name = _first(shapes, marks)
    if name is None:
        return None
    return Detection("ControlNet", _context_family(shapes), "", f"hint layers such as {name}")


def _adapters(shapes: Shapes) -> Detection | None:
    if _first(shapes, ("ip_adapter.",)):
        return Detection("IP-Adapter", _context_family(shapes), "", "ip_adapter keys")
    name = _first(shapes, ("adapter.body.", "body.0.resnets.")) or _exact(shapes, "body.0.block1.weight")
    return Detection("T2I-Adapter", "", "", f"adapter blocks such as {name}") if name else None


def _transformer_checkpoint(shapes: Shapes) -> Detection | None:
    for prefix in (UNET, ""):
        if prefix + "joint_blocks.0.x_block.attn.qkv.weight" in shapes:
            return Detection("checkpoint", "sd3", "base", f"joint transformer blocks under {prefix or 'the top'}")
        if prefix + "double_blocks.0.img_attn.qkv.weight" in shapes:
            guided = prefix + "guidance_in.in_layer.weight" in shapes
            variant, why = ("dev", "with") if guided else ("schnell", "without")
            return Detection("checkpoint", "flux", variant, f"double transformer blocks, {why} guidance input")
    return None


def _checkpoint(shapes: Shapes) -> Detection | None:
    if UNET + "input_blocks.0.0.weight" not in shapes:
        return None
    context = _context_width(shapes, UNET)
    channels = _dimension(shapes, UNET + "input_blocks.0.0.weight", 1)
    variant = INPUT_VARIANTS.get(channels, f"{channels} input channels")
    family, why = _text_family(shapes)
    if family == "sdxl" and (context == 1280 or _first(shapes, (REFINERS_TEXT,))):
        variant = "refiner"
    if not family:
        family = CONTEXT_FAMILIES.get(context, "")
        return Detection("UNet", family, variant, f"a UNet with text width {context}, but no text encoder")
    return Detection("checkpoint", family, variant, f"{why}; text width {context}, {channels} input channels")


def _text_family(shapes: Shapes) -> tuple[str, str]:
    """The family by the text encoder it carries, which holds at any size: ("", "") when it carries none."""
    encoders = {
        "conditioner.embedders.": "sdxl",
        "cond_stage_model.model.": "sd2",
        "cond_stage_model.transformer.": "sd1",
    }
    for prefix, family in encoders.items():
        if _first(shapes, (prefix,)):
            return family, f"a UNet and the text encoder {prefix}*"
    return "", ""


def _diffusers_unet(shapes: Shapes) -> Detection | None:
    if "down_blocks.0.resnets.0.conv1.weight" not in shapes or "time_embedding.linear_1.weight" not in shapes:
        return None
    channels = _dimension(shapes, "conv_in.weight", 1)
    variant = INPUT_VARIANTS.get(channels, f"{channels} input channels")
    return Detection("UNet", _context_family(shapes), variant, "a UNet alone, in diffusers' layout")


def _vae(shapes: Shapes) -> Detection | None:
    for prefix in ("first_stage_model.", ""):
        if prefix + "decoder.conv_in.weight" not in shapes:
            continue
        if prefix + "decoder.up.0.block.0.conv1.weight" in shapes:
            channels = _dimension(shapes, prefix + "decoder.conv_in.weight", 1)
            return Detection("VAE", "", "", f"a decoder of {channels} latent channels and no UNet")
        if prefix + "decoder.up_blocks.0.resnets.0.conv1.weight" in shapes:
            return Detection("VAE", "", "diffusers", "a decoder in diffusers' layout and no UNet")
    if "decoder.layers.0.weight" in shapes or {"1.weight", "3.conv.0.weight"} <= shapes.keys():
        return Detection("VAE", "", "TAESD", "the layers of a tiny autoencoder")
    return None


def _text_encoder(shapes: Shapes) -> Detection | None:
    if _first(shapes, ("encoder.block.0.layer.0.SelfAttention.",)):
        return Detection("text encoder", "", "T5", "T5 encoder blocks and no UNet")
    if _first(shapes, ("text_model.encoder.layers.0.", "cond_stage_model.")):
        return Detection("text encoder", "", "CLIP", "CLIP text layers and no UNet")
    return None


def _embedding(shapes: Shapes) -> Detection | None:
    widths = {768: "sd1", 1024: "sd2", 1280: "sdxl"}
    if {"clip_l", "clip_g"} <= shapes.keys():
        return Detection("embedding", "sdxl", "", "a pair of embeddings, clip_l and clip_g")
    name = _exact(shapes, "emb_params") or (next(iter(shapes)) if len(shapes) == 1 else None)
    if name is None or len(shapes[name]) not in (1, 2) or shapes[name][-1] not in widths:
        return None
    return Detection("embedding", widths[shapes[name][-1]], "", f"vectors of width {shapes[name][-1]} called {name}")


def _upscaler(shapes: Shapes) -> Detection | None:
    marks = ("model.1.sub.0.RDB1.", "body.0.rdb1.", "RRDB_trunk.0.RDB1.", "layers.0.residual_group.blocks.0.")
    name = _first(shapes, marks)
    return Detection("upscaler", "", "", f"super-resolution blocks such as {name}") if name else None


RULES: tuple[Callable[[Shapes], Detection | None], ...] = (
    _control_lora,
    _lora,
    _controlnet,
    _adapters,
    _transformer_checkpoint,
    _checkpoint,
    _diffusers_unet,
    _vae,
    _text_encoder,
    _embedding,
    _upscaler,
)


def _first(shapes: Shapes, prefixes: tuple[str, ...]) -> str | None:
    return next((name for name in shapes if name.startswith(prefixes)), None)


def _exact(shapes: Shapes, name: str) -> str | None:
    return name if name in shapes else None


def _dimension(shapes: Shapes, name: str, axis: int) -> int:
    """One size of one tensor; 0 when the tensor is absent or has fewer axes."""
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def _context_width(shapes: Shapes, prefix: str = "") -> int:
    for name, shape in shapes.items():
        if name.startswith(prefix) and name.endswith("attn2.to_k.weight") and len(shape) == 2:
            return shape[1]
    return 0


def _context_family(shapes: Shapes) -> str:
    return CONTEXT_FAMILIES.get(_context_width(shapes), "")

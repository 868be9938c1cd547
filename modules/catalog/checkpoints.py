"""Tells checkpoints, and the networks of checkpoints that come alone, by their tensors' names and shapes."""

from __future__ import annotations

from .detection import CONTEXT_FAMILIES, Detection, Shapes, below, context_family, context_width, first, size

UNET = "model.diffusion_model."
REFINERS_TEXT = "conditioner.embedders.0.model."  # only the refiner's first encoder is OpenCLIP
INPUT_VARIANTS = {
    4: "base",
    5: "depth",
    7: "x4 upscaler",
    8: "pix2pix",
    9: "inpainting",
}  # channels that the UNet reads
# Those that the engine knows what to give to. Kontext paints from words like dev: reference pictures are not given.
PAINTING = (
    "base",
    "inpainting",
    "pix2pix",
    "refiner",
    "3 medium",
    "3.5 medium",
    "3.5 large",
    "dev",
    "schnell",
    "kontext",
)

# Tensors that mark a UNet of the usual shape as one of another kind.
MARKED = (
    ("edm_mean", "EDM", "the marker tensor edm_mean, as Playground 2.5 has it"),
    ("edm_vpred.sigma_max", "EDM v prediction", "the marker tensor edm_vpred.sigma_max, as CosXL has it"),
    (UNET + "time_embed.cond_proj.weight", "LCM", "an input for the guidance scale, as latent consistency models have"),
)

# What tells transformers apart that are no family here: kind of model, tensor that only it has.
OTHER_TRANSFORMERS = (
    ("Stable Cascade", ("clip_txt_mapper.weight", "clip_txt_pooled_mapper.weight")),
    ("PixArt", ("t_block.1.weight",)),
    ("Hunyuan DiT", ("mlp_t5.0.weight",)),
    ("AuraFlow", ("double_layers.0.attn.w1q.weight", "joint_transformer_blocks.0.attn.add_q_proj.weight")),
    ("Lumina 2", ("cap_embedder.1.weight",)),
    ("Qwen Image", ("transformer_blocks.0.txt_mod.1.weight",)),
    ("Wan", ("blocks.0.cross_attn.norm_k.weight",)),
)


def transformer_checkpoint(shapes: Shapes) -> Detection | None:
    """SD 3 and FLUX in their authors' layout or in diffusers', with or without their encoders; and their kin."""
    prefix = UNET if first(shapes, (UNET,)) else ""
    inner = below(shapes, prefix)
    place = f"under {prefix}*" if prefix else "at the top"
    if "joint_blocks.0.x_block.attn.qkv.weight" in inner:
        return Detection("checkpoint", "sd3", _sd3_variant(inner), f"joint transformer blocks {place}")
    if "double_blocks.0.img_attn.qkv.weight" in inner:
        return _flux(inner, place)
    if "transformer_blocks.0.attn.add_k_proj.weight" in inner and "controlnet_blocks.0.weight" not in inner:
        return _diffusers_transformer(inner)
    for name, marks in OTHER_TRANSFORMERS:
        if mark := next((mark for mark in marks if mark in inner), None):
            return Detection("checkpoint", "", name, f"{name}'s tensor {prefix}{mark}")
    return None


def _sd3_variant(shapes: Shapes) -> str:
    """By width, attention norms and second attention: 3 medium has neither norm, 3.5 medium attends twice."""
    if "joint_blocks.0.x_block.attn2.qkv.weight" in shapes:
        return "3.5 medium"
    normed = "joint_blocks.0.x_block.attn.ln_q.weight" in shapes
    return "3.5 large" if normed else "3 medium"


def _flux(shapes: Shapes, place: str) -> Detection:
    """By the guidance input, which schnell lacks, and by what is read beside the noisy latents."""
    patches = size(shapes, "img_in.weight", 1)
    if first(shapes, ("distilled_guidance_layer.",)):
        return Detection("checkpoint", "", "Chroma", f"FLUX's blocks {place}, and a distilled guidance layer")
    if patches == 384:
        return Detection("checkpoint", "flux", "fill", f"double transformer blocks {place}; a mask among the inputs")
    if patches == 128:
        return Detection("checkpoint", "flux", "control", f"double transformer blocks {place}; a picture is an input")
    guided = "guidance_in.in_layer.weight" in shapes
    variant, why = ("dev", "with") if guided else ("schnell", "without")
    return Detection("checkpoint", "flux", variant, f"double transformer blocks {place}, {why} guidance input")


def _diffusers_transformer(shapes: Shapes) -> Detection:
    if "single_transformer_blocks.0.attn.to_q.weight" in shapes:
        guided = "time_text_embed.guidance_embedder.linear_1.weight" in shapes
        variant, why = ("dev", "with") if guided else ("schnell", "without")
        return Detection("transformer", "flux", variant, f"FLUX's blocks in diffusers' layout, {why} guidance input")
    normed = "transformer_blocks.0.attn.norm_q.weight" in shapes
    twice = "transformer_blocks.0.attn2.to_q.weight" in shapes
    variant = "3.5 medium" if twice else "3.5 large" if normed else "3 medium"
    return Detection("transformer", "sd3", variant, "joint transformer blocks in diffusers' layout")


def checkpoint(shapes: Shapes) -> Detection | None:
    """A UNet in the original layout: a checkpoint with a text encoder, else a network alone."""
    if UNET + "input_blocks.0.0.weight" not in shapes:
        return None
    context = context_width(shapes, UNET)
    channels = size(shapes, UNET + "input_blocks.0.0.weight", 1)
    variant = INPUT_VARIANTS.get(channels, f"{channels} input channels")
    family, why = _text_family(shapes)
    reason = f"{why}; text width {context}, {channels} input channels"
    if family == "sdxl" and (context == 1280 or first(shapes, (REFINERS_TEXT,))):
        variant = "refiner"
    for name, marked, mark in MARKED:
        if name in shapes:
            variant, reason = marked, f"{reason}; {mark}"
    if odd := _otherwise_told(shapes):
        return Detection("checkpoint", "", *odd)
    if not family:
        family = CONTEXT_FAMILIES.get(context, "")
        return Detection("UNet", family, variant, f"a UNet with text width {context}, but no text encoder")
    return Detection("checkpoint", family, variant, reason)


def _otherwise_told(shapes: Shapes) -> tuple[str, str] | None:
    """Models with a UNet that is told something else than a text: the name and the reason."""
    if first(shapes, (UNET + "input_blocks.1.0.time_stack.",)):
        return "Stable Video Diffusion", "layers over time in the UNet (time_stack)"
    if first(shapes, ("embedder.model.visual.", "noise_augmentor.")):
        return "unCLIP", "an encoder of pictures instead of texts (embedder.*, noise_augmentor.*)"
    if first(shapes, ("cc_projection.",)):
        return "Zero123", "a UNet that is told camera angles (cc_projection.*)"
    return None


def _text_family(shapes: Shapes) -> tuple[str, str]:
    """The family by the text encoder it carries, which holds at any size: ("", "") when it carries none."""
    encoders = {
        "conditioner.embedders.": "sdxl",
        "cond_stage_model.model.": "sd2",
        "cond_stage_model.transformer.": "sd1",
    }
    for prefix, family in encoders.items():
        if first(shapes, (prefix,)):
            return family, f"a UNet and the text encoder {prefix}*"
    return "", ""


def diffusers_unet(shapes: Shapes) -> Detection | None:
    if "down_blocks.0.resnets.0.conv1.weight" not in shapes or "time_embedding.linear_1.weight" not in shapes:
        return None
    channels = size(shapes, "conv_in.weight", 1)
    variant = INPUT_VARIANTS.get(channels, f"{channels} input channels")
    if "time_embedding.cond_proj.weight" in shapes:
        variant = "LCM"
    elif context_width(shapes) == 1280:
        variant = "refiner"
    return Detection("UNet", context_family(shapes), variant, "a UNet alone, in diffusers' layout")


def vae(shapes: Shapes) -> Detection | None:
    for prefix in ("first_stage_model.", "vae.", ""):
        channels = size(shapes, prefix + "decoder.conv_in.weight", 1)
        if not channels:
            continue
        family = "" if channels == 4 else "of SD 3 or FLUX, "
        if prefix + "decoder.up.0.block.0.conv1.weight" in shapes:
            return Detection("VAE", "", "", f"a decoder {family}of {channels} latent channels, and no UNet")
        if prefix + "decoder.up_blocks.0.resnets.0.conv1.weight" in shapes:
            reason = f"a decoder {family}of {channels} latent channels in diffusers' layout, and no UNet"
            return Detection("VAE", "", "diffusers", reason)
    return _tiny_autoencoder(shapes)


def _tiny_autoencoder(shapes: Shapes) -> Detection | None:
    """TAESD as its author saves it (two files, layers by number) and as diffusers does (one)."""
    decoder = ("1.weight", "3.conv.0.weight")
    for prefix in ("", "decoder.", "taesd_decoder.", "decoder.layers."):
        if all(prefix + name in shapes for name in decoder):
            return Detection("VAE", "", "TAESD", f"the numbered layers of a tiny decoder ({prefix}3.conv.0.weight)")
    encoder = ("0.weight", "1.conv.0.weight", "1.conv.2.weight")
    for prefix in ("", "encoder.", "taesd_encoder.", "encoder.layers."):
        if all(prefix + name in shapes for name in encoder) and size(shapes, prefix + "0.weight", 1) == 3:
            return Detection("VAE", "", "TAESD encoder", f"the layers of a tiny encoder ({prefix}1.conv.0.weight)")
    return None


def text_encoder(shapes: Shapes) -> Detection | None:
    if first(shapes, ("encoder.block.0.layer.0.SelfAttention.",)):
        return Detection("text encoder", "", "T5", "T5 encoder blocks and no UNet")
    if first(shapes, ("vision_model.encoder.layers.0.", "visual.transformer.resblocks.0.")):
        return Detection("image encoder", "", "CLIP", "CLIP's layers for pictures")
    if first(shapes, ("text_model.encoder.layers.0.", "cond_stage_model.")):
        return Detection("text encoder", "", "CLIP", "CLIP text layers and no UNet")
    if first(shapes, ("transformer.resblocks.0.",)):
        return Detection("text encoder", "", "OpenCLIP", "OpenCLIP text layers and no UNet")
    return None

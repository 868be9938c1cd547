"""Reads a network's architecture off the shapes of its tensors, in the original (CompVis) layout.

Each `*_config` gives the arguments of the diffusers or transformers class that computes the same function, by the block
structure that `catalog/layout.py` walks for the names; nothing here reads weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from typing import Any

from ..catalog.declared import TextEncoderFacts, UnetFacts, VaeFacts
from ..catalog.layout import Shapes, length, unet_levels
from ..core.errors import UserError

HEAD_WIDTH = 64  # channels of one attention head, in every UNet since SD 2 and every published CLIP
SIZE_WIDTH = 256  # numbers that each size becomes before SDXL's UNet reads it


def unet_config(shapes: Shapes, facts: UnetFacts, heads: int) -> dict[str, Any]:
    """Arguments for diffusers' UNet2DConditionModel. `heads`: the family's number, 0 for one per 64 channels."""
    levels = unet_levels(shapes)
    if not levels:
        raise UserError("The UNet has no residual blocks where Stable Diffusion has them (input_blocks.1.0).")
    widths = [level.channels for level in levels]
    _check_divides("UNet", "norm groups", facts.norm_num_groups, widths)
    attending = [level.channels for level in levels if level.transformers] + widths[-1:]
    heads = facts.num_attention_heads or heads
    _check_divides("UNet", "attention heads", heads or HEAD_WIDTH, attending)
    middle = length(shapes, "middle_block.1.transformer_blocks", "norm1.weight")
    attended = next((key for key in shapes if key.endswith("attn2.to_k.weight")), None)
    down = tuple("CrossAttnDownBlock2D" if level.transformers else "DownBlock2D" for level in levels)
    up = tuple("CrossAttnUpBlock2D" if level.transformers else "UpBlock2D" for level in reversed(levels))
    return {
        "in_channels": _size(shapes, "input_blocks.0.0.weight", 1),
        "out_channels": _size(shapes, "out.2.weight", 0),
        "down_block_types": down,
        "up_block_types": up,
        "block_out_channels": tuple(widths),
        "layers_per_block": tuple(level.blocks for level in levels),
        "transformer_layers_per_block": tuple(level.transformers or max(1, middle) for level in levels),
        "cross_attention_dim": _size(shapes, attended, 1) if attended else 1,
        "use_linear_projection": len(shapes.get("middle_block.1.proj_in.weight", ())) == 2,
        "time_embedding_dim": _size(shapes, "time_embed.0.weight", 0),
        "attention_head_dim": tuple(heads or max(1, width // HEAD_WIDTH) for width in widths),  # really: how many heads
        "norm_num_groups": facts.norm_num_groups,
        **_added_conditioning(shapes),
    }


def _added_conditioning(shapes: Shapes) -> dict[str, Any]:
    """What a UNet needs that is also told the whole prompt as one vector, and sizes as numbers: SDXL's."""
    if "label_emb.0.0.weight" not in shapes:
        return {}
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": SIZE_WIDTH,
        "projection_class_embeddings_input_dim": _size(shapes, "label_emb.0.0.weight", 1),
    }


def vae_config(shapes: Shapes, facts: VaeFacts, latent_scale: float) -> dict[str, Any]:
    """Arguments for diffusers' AutoencoderKL."""
    levels = length(shapes, "encoder.down", "block.0.conv1.weight")
    if not levels:
        raise UserError("The VAE has no encoder levels where Stable Diffusion has them (encoder.down.0).")
    widths = tuple(_size(shapes, f"encoder.down.{level}.block.0.conv1.weight", 0) for level in range(levels))
    _check_divides("VAE", "norm groups", facts.norm_num_groups, widths)
    return {
        "in_channels": _size(shapes, "encoder.conv_in.weight", 1),
        "out_channels": _size(shapes, "decoder.conv_out.weight", 0),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": widths,
        "layers_per_block": length(shapes, "encoder.down.0.block", "conv1.weight"),
        "latent_channels": _size(shapes, "decoder.conv_in.weight", 1),
        "norm_num_groups": facts.norm_num_groups,
        "mid_block_add_attention": "decoder.mid.attn_1.norm.weight" in shapes,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "scaling_factor": latent_scale,
    }


def clip_config(shapes: Shapes, facts: TextEncoderFacts, hidden_act: str = "quick_gelu") -> dict[str, Any]:
    """Arguments for transformers' CLIPTextConfig; `hidden_act` where the file declares none."""
    width = _size(shapes, "embeddings.token_embedding.weight", 1)
    heads = facts.num_attention_heads or max(1, width // HEAD_WIDTH)
    _check_divides("text encoder", "attention heads", heads, [width])
    return {
        "vocab_size": _size(shapes, "embeddings.token_embedding.weight", 0),
        "hidden_size": width,
        "intermediate_size": _size(shapes, "encoder.layers.0.mlp.fc1.weight", 0),
        "num_hidden_layers": length(shapes, "encoder.layers", "self_attn.q_proj.weight"),
        "num_attention_heads": heads,
        "max_position_embeddings": _size(shapes, "embeddings.position_embedding.weight", 0),
        "hidden_act": facts.hidden_act or hidden_act,
        "projection_dim": width,
    }


def flux_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments for diffusers' FluxTransformer2DModel. Its places in a picture turn heads by two axes and one spare."""
    width, inputs = (_size(shapes, "img_in.weight", axis) for axis in (0, 1))
    head = _size(shapes, "double_blocks.0.img_attn.norm.query_norm.scale", 0)
    _check_divides("transformer", "channels to a head", head, [width])
    side = head * 7 // 16  # of 128 channels 56 for rows and 56 for columns
    return {
        "in_channels": inputs,
        "out_channels": _size(shapes, "final_layer.linear.weight", 0),
        "num_layers": length(shapes, "double_blocks", "img_attn.qkv.weight"),
        "num_single_layers": length(shapes, "single_blocks", "linear1.weight"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": _size(shapes, "txt_in.weight", 1),
        "pooled_projection_dim": _size(shapes, "vector_in.in_layer.weight", 1),
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
        "axes_dims_rope": (head - 2 * side, side, side),
    }


def sd3_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments for diffusers' SD3Transformer2DModel."""
    width, channels, patch = (_size(shapes, "x_embedder.proj.weight", axis) for axis in (0, 1, 2))
    layers = length(shapes, "joint_blocks", "x_block.attn.qkv.weight")
    norm = "joint_blocks.0.x_block.attn.ln_q.weight"
    head = _size(shapes, norm, 0) if norm in shapes else HEAD_WIDTH
    _check_divides("transformer", "channels to a head", head, [width])
    return {
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": _size(shapes, "final_layer.linear.weight", 0) // patch**2,
        "num_layers": layers,
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": _size(shapes, "context_embedder.weight", 1),
        "caption_projection_dim": width,
        "pooled_projection_dim": _size(shapes, "y_embedder.mlp.0.weight", 1),
        "pos_embed_max_size": isqrt(_size(shapes, "pos_embed", 1)),
        "dual_attention_layers": tuple(
            number for number in range(layers) if f"joint_blocks.{number}.x_block.attn2.qkv.weight" in shapes
        ),
        "qk_norm": "rms_norm" if norm in shapes else None,
    }


def t5_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments for transformers' T5Config, for the encoder. Since version 1.1 its layers are gated."""
    attention, gated = "encoder.block.0.layer.0.SelfAttention", "layer.1.DenseReluDense.wi_0.weight"
    buckets, heads = (_size(shapes, f"{attention}.relative_attention_bias.weight", axis) for axis in (0, 1))
    inner, width = (_size(shapes, f"{attention}.q.weight", axis) for axis in (0, 1))
    _check_divides("text encoder", "attention heads", heads, [inner])
    is_gated = f"encoder.block.0.{gated}" in shapes
    wide = f"encoder.block.0.{gated if is_gated else 'layer.1.DenseReluDense.wi.weight'}"
    words = "shared.weight" if "shared.weight" in shapes else "encoder.embed_tokens.weight"
    return {
        "vocab_size": _size(shapes, words, 0),
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": _size(shapes, wide, 0),
        "num_layers": length(shapes, "encoder.block", "layer.0.SelfAttention.q.weight"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if is_gated else "relu",
    }


def _check_divides(network: str, what: str, number: int, widths: Iterable[int]) -> None:
    """Raises UserError when heads or groups, by the family's rule or the file's own word, cannot share a width."""
    odd = next((width for width in widths if width % number), None)
    if odd is not None:
        raise UserError(
            f"The {network} has layers {odd} wide, which {number} {what} cannot share.",
            hint="The file's metadata must declare how many it has, where that differs from Stable Diffusion 1.",
        )


def _size(shapes: Shapes, name: str, axis: int) -> int:
    """One size of a tensor that the architecture cannot be told without. Raises UserError when there is none."""
    shape = shapes.get(name)
    if shape is None or len(shape) <= axis or shape[axis] == 0:
        seen = "is missing" if shape is None else f"has the shape {list(shape)}"
        raise UserError(f"The tensor {name}, which tells the architecture, {seen}.")
    return shape[axis]

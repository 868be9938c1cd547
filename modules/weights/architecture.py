"""Reads a network's architecture off the shapes of its tensors, in the original (CompVis) layout.

Each `*_config` gives the arguments of the diffusers or transformers class that computes the same function; each
`*_names` gives a table from that class's module paths to the original ones, so that a parameter's original name is
found by its longest known prefix (`original_name`). Both walk the same block structure; nothing here reads weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..catalog.declared import TextEncoderFacts, UnetFacts, VaeFacts
from ..core.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]
Names = dict[str, str]

HEAD_WIDTH = 64  # channels of one attention head, in every UNet since SD 2 and every published CLIP
SIZE_WIDTH = 256  # numbers that each size becomes before SDXL's UNet reads it

UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_RESNET = {"conv_shortcut": "nin_shortcut"}  # the rest has equal names
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_name(name: str, names: Names) -> str:
    """The original name of a parameter: its longest prefix in `names`, replaced."""
    prefix, rest = name, ""
    while prefix not in names:
        prefix, _, last = prefix.rpartition(".")
        if not prefix:
            return name
        rest = f".{last}{rest}"
    return names[prefix] + rest


@dataclass(frozen=True)
class UnetLevel:
    """One resolution of a UNet: width, number of residual blocks on the way down, transformer layers each (0: none)."""

    channels: int
    blocks: int
    transformers: int


def unet_levels(shapes: Shapes) -> list[UnetLevel]:
    """The levels from fine to coarse. Input block 0 is a convolution; then come each level's blocks and downsampler."""
    levels = []
    channels = blocks = transformers = 0
    for index in count(1):
        block = f"input_blocks.{index}"
        if f"{block}.0.out_layers.3.weight" in shapes:
            channels, blocks = shapes[f"{block}.0.out_layers.3.weight"][0], blocks + 1
            transformers = length(shapes, f"{block}.1.transformer_blocks", "norm1.weight")
            continue
        if blocks:
            levels.append(UnetLevel(channels, blocks, transformers))
        blocks = 0
        if f"{block}.0.op.weight" not in shapes:
            return levels
    return levels


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


def unet_names(shapes: Shapes) -> Names:
    """Module paths of UNet2DConditionModel to the original ones, relative to `model.diffusion_model.`."""
    return unet_names_of(unet_levels(shapes))


def unet_names_of(levels: list[UnetLevel]) -> Names:
    """The same for a UNet with these levels."""
    names = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.attentions.0": "middle_block.1",
        **_unet_resnet("mid_block.resnets.0", "middle_block.0"),
        **_unet_resnet("mid_block.resnets.1", "middle_block.2"),
    }
    number = count(1)
    for index, level in enumerate(levels):
        for block in range(level.blocks):
            names |= _unet_block(f"down_blocks.{index}", block, f"input_blocks.{next(number)}")
        if index < len(levels) - 1:
            names[f"down_blocks.{index}.downsamplers.0.conv"] = f"input_blocks.{next(number)}.0.op"
    number = count(0)
    for index, level in enumerate(reversed(levels)):
        for block in range(level.blocks + 1):
            original = f"output_blocks.{next(number)}"
            names |= _unet_block(f"up_blocks.{index}", block, original)
        # the upsampler is the last part of a level's last block, after its attention where it has one
        names[f"up_blocks.{index}.upsamplers.0.conv"] = f"{original}.{2 if level.transformers else 1}.conv"
    return names


def _unet_block(level: str, block: int, original: str) -> Names:
    return {
        f"{level}.attentions.{block}": f"{original}.1",
        **_unet_resnet(f"{level}.resnets.{block}", f"{original}.0"),
    }


def _unet_resnet(path: str, original: str) -> Names:
    return {f"{path}.{ours}": f"{original}.{theirs}" for ours, theirs in UNET_RESNET.items()}


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


def vae_names(shapes: Shapes) -> Names:
    """Module paths of AutoencoderKL to the original ones, relative to `first_stage_model.`."""
    levels = length(shapes, "encoder.down", "block.0.conv1.weight")
    return vae_names_of(levels, length(shapes, "encoder.down.0.block", "conv1.weight"))


def vae_names_of(levels: int, blocks: int) -> Names:
    """The same for a VAE of so many levels with so many blocks each."""
    names: Names = {}
    for half in ("encoder", "decoder"):
        names[f"{half}.conv_norm_out"] = f"{half}.norm_out"
        for ours, theirs in VAE_ATTENTION.items():
            names[f"{half}.mid_block.attentions.0.{ours}"] = f"{half}.mid.attn_1.{theirs}"
        for block in (0, 1):
            names |= _vae_resnet(f"{half}.mid_block.resnets.{block}", f"{half}.mid.block_{block + 1}")
    for level in range(levels):
        mirrored = levels - 1 - level  # the original counts the decoder's levels from fine to coarse, diffusers as run
        names[f"encoder.down_blocks.{level}.downsamplers.0"] = f"encoder.down.{level}.downsample"
        names[f"decoder.up_blocks.{level}.upsamplers.0"] = f"decoder.up.{mirrored}.upsample"
        for block in range(blocks):
            names |= _vae_resnet(f"encoder.down_blocks.{level}.resnets.{block}", f"encoder.down.{level}.block.{block}")
        for block in range(blocks + 1):
            names |= _vae_resnet(f"decoder.up_blocks.{level}.resnets.{block}", f"decoder.up.{mirrored}.block.{block}")
    return names


def _vae_resnet(path: str, original: str) -> Names:
    return {path: original, **{f"{path}.{ours}": f"{original}.{theirs}" for ours, theirs in VAE_RESNET.items()}}


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


def _check_divides(network: str, what: str, number: int, widths: Iterable[int]) -> None:
    """Raises UserError when heads or groups, by the family's rule or the file's own word, cannot share a width."""
    odd = next((width for width in widths if width % number), None)
    if odd is not None:
        raise UserError(
            f"The {network} has layers {odd} wide, which {number} {what} cannot share.",
            hint="The file's metadata must declare how many it has, where that differs from Stable Diffusion 1.",
        )


def length(shapes: Shapes, sequence: str, member: str) -> int:
    """How many members `{sequence}.{i}.{member}` follow each other, from i = 0."""
    return next(index for index in count() if f"{sequence}.{index}.{member}" not in shapes)


def _size(shapes: Shapes, name: str, axis: int) -> int:
    """One size of a tensor that the architecture cannot be told without. Raises UserError when there is none."""
    shape = shapes.get(name)
    if shape is None or len(shape) <= axis or shape[axis] == 0:
        seen = "is missing" if shape is None else f"has the shape {list(shape)}"
        raise UserError(f"The tensor {name}, which tells the architecture, {seen}.")
    return shape[axis]

"""What the tensors of Stable Diffusion's networks are called: in the original (CompVis) layout, and in diffusers'.

Each `*_names` gives a table from module paths of the diffusers or transformers class to the original ones, so that a
parameter's original name is found by its longest known prefix (`original_name`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

Shapes = Mapping[str, tuple[int, ...]]
Names = dict[str, str]

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


# OpenCLIP's names for what transformers' CLIPTextModel has. Query, key and value are one matrix there.
LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
WHOLE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
PROJECTION, OPEN_CLIPS_PROJECTION = "text_projection.weight", "text_projection"  # each the other transposed
THIRDS = {"self_attn.q_proj": 0, "self_attn.k_proj": 1, "self_attn.v_proj": 2}


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


def open_clip_name(name: str) -> str:
    """OpenCLIP's name for a tensor of transformers' CLIPTextModel; "" when it has none. The three parts that are one
    matrix there keep names of their own.
    """
    layer = LAYER.fullmatch(name)
    if layer is None:
        return WHOLE.get(name, "")
    part, _, kind = layer[2].rpartition(".")
    theirs = PARTS.get(part) or (part.replace("self_attn", "attn") if part in THIRDS else "")
    return f"transformer.resblocks.{layer[1]}.{theirs}.{kind}" if theirs else ""


def length(shapes: Shapes, sequence: str, member: str) -> int:
    """How many members `{sequence}.{i}.{member}` follow each other, from i = 0."""
    return next(index for index in count() if f"{sequence}.{index}.{member}" not in shapes)

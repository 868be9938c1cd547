"""SD1's single-file names for the weights of diffusers' and transformers' modules."""

from __future__ import annotations

import re

from torch import Tensor

from .presets import Preset

RESNET_PARTS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def single_file(
    preset: Preset, unet: dict[str, Tensor], vae: dict[str, Tensor], text: dict[str, Tensor]
) -> dict[str, Tensor]:
    """All weights under the names of an original Stable Diffusion 1 checkpoint."""
    named = {f"model.diffusion_model.{unet_name(preset, key)}": value for key, value in unet.items()}
    for key, value in vae.items():
        name = vae_name(len(preset.vae_channels), key)
        if ".mid.attn_1." in name and value.ndim == 2:
            value = value[:, :, None, None]  # SD1 stores the VAE's attention as 1x1 convolutions
        named[f"first_stage_model.{name}"] = value
    named |= {f"cond_stage_model.transformer.text_model.{key}": value for key, value in text.items()}
    return named


def unet_name(preset: Preset, key: str) -> str:
    """`down_blocks.1.resnets.0.conv1.weight` becomes `input_blocks.3.0.in_layers.2.weight`, and so on."""
    for ours, theirs in UNET_ENDS.items():
        if key.startswith(ours + "."):
            return key.replace(ours, theirs, 1)
    layers, levels = preset.unet_layers, len(preset.unet_channels)
    section, rest = re.fullmatch(r"(down_blocks\.\d+|up_blocks\.\d+|mid_block)\.(.+)", key).groups()
    part, index, tail = re.fullmatch(r"(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", rest).groups()
    level, index = int(section.rpartition(".")[2]) if section != "mid_block" else 0, int(index)
    if part == "resnets":
        tail = resnet_tail(tail)
    if section == "mid_block":
        return f"middle_block.{1 if part == 'attentions' else 2 * index}.{tail}"
    if section.startswith("down"):
        first = 1 + level * (layers + 1)
        if part == "downsamplers":
            return f"input_blocks.{first + layers}.0.{tail.replace('conv.', 'op.')}"
        return f"input_blocks.{first + index}.{int(part == 'attentions')}.{tail}"
    first = level * (layers + 1)
    if part == "upsamplers":
        attends = preset.unet_attention[levels - 1 - level]
        return f"output_blocks.{first + layers}.{2 if attends else 1}.{tail}"
    return f"output_blocks.{first + index}.{int(part == 'attentions')}.{tail}"


def resnet_tail(tail: str) -> str:
    part, _, leaf = tail.partition(".")
    return f"{RESNET_PARTS[part]}.{leaf}"


def vae_name(levels: int, key: str) -> str:
    """Encoder and decoder number their levels from the full size on, so the decoder's count runs backwards."""
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." in key:
        head, _, tail = key.partition("mid_block.attentions.0.")
        part, _, leaf = tail.rpartition(".")
        return f"{head}mid.attn_1.{VAE_ATTENTION[part]}.{leaf}"
    key = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    return key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")

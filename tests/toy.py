"""A Stable Diffusion 1 in miniature with random weights, written as people's checkpoints are: one safetensors file, the
original names, fp16. It means nothing, but every part of it computes, so tests load it through the real loader.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Shapes = dict[str, tuple[int, ...]]

ARCHITECTURE = {
    "native_size": 64,
    "prediction_type": "epsilon",
    "unet": {"num_attention_heads": 2, "norm_num_groups": 8},
    "vae": {"norm_num_groups": 4},
    "text_encoder": {"num_attention_heads": 2, "hidden_act": "quick_gelu"},
    "recommended": {"steps": 4, "cfg_scale": 5.0, "sampler": "Euler"},
}


def write_toy_checkpoint(path: Path, seed: int = 0, *, architecture: dict | None = ARCHITECTURE) -> Path:
    """Writes the toy (6 MB) to `path` and gives the path back. One seed, one file, to the byte.

    UNet: widths 32, 64 and 64 (the coarsest without attention). VAE: factor 8, 4 channels. Text: 49,408 tokens, width
    32, 2 layers. `architecture` goes into the metadata; None leaves it out, so that SD 1's own rules apply.
    """
    metadata = {"format": "pt"} if architecture is None else {"webui.architecture": json.dumps(architecture)}
    return write_random(path, toy_shapes(), seed, metadata)


def write_random(path: Path, shapes: Shapes, seed: int = 0, metadata: dict[str, str] | None = None) -> Path:
    """A file with these fp16 tensors, random at a scale that keeps activations near 1."""
    generator = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: _random(generator, name, shape) for name, shape in shapes.items()}, path, metadata)
    return path


def _random(generator: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 and "embedding" not in name else 1
    values = generator.standard_normal(shape, dtype=np.float32) / np.sqrt(fan_in)
    if len(shape) == 1:
        values = values * 0.1 + (
            1.0 if name.endswith(("weight", "scale")) else 0.0
        )  # norms multiply by about 1; biases are small
    return values.astype(np.float16)


def toy_shapes() -> Shapes:
    """Every tensor of the toy: three networks under the names that the original code gives them."""
    return {
        **under(
            "model.diffusion_model.",
            unet_shapes(widths=(32, 64, 64), attended=(True, True, False), blocks=1, context=32),
        ),
        **under("first_stage_model.", vae_shapes(widths=(8, 8, 16, 16), blocks=1)),
        **under("cond_stage_model.transformer.text_model.", clip_shapes(width=32, layers=2)),
    }


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def unet_shapes(
    *,
    widths: tuple[int, ...],
    attended: tuple[bool, ...],
    blocks: int,
    context: int,
    inputs: int = 4,
    linear: bool = False,
) -> Shapes:
    """The original UNet: `blocks` residual blocks per level on the way down, one more on the way up."""
    first, time = widths[0], widths[0] * 4
    shapes = layer("time_embed.0", time, first) | layer("time_embed.2", time, time)
    shapes |= conv("input_blocks.0.0", first, inputs)
    channels, skips, number = first, [first], 1
    for level, width in enumerate(widths):
        for _ in range(blocks):
            shapes |= resnet(f"input_blocks.{number}.0", channels, width, time)
            if attended[level]:
                shapes |= transformer(f"input_blocks.{number}.1", width, context, linear)
            channels, number = width, number + 1
            skips.append(channels)
        if level < len(widths) - 1:
            shapes |= conv(f"input_blocks.{number}.0.op", channels, channels)
            number += 1
            skips.append(channels)
    shapes |= resnet("middle_block.0", channels, channels, time) | resnet("middle_block.2", channels, channels, time)
    shapes |= transformer("middle_block.1", channels, context, linear)
    number = 0
    for level, width in reversed(list(enumerate(widths))):
        for block in range(blocks + 1):
            shapes |= resnet(f"output_blocks.{number}.0", channels + skips.pop(), width, time)
            if attended[level]:
                shapes |= transformer(f"output_blocks.{number}.1", width, context, linear)
            if block == blocks and level > 0:
                shapes |= conv(f"output_blocks.{number}.{2 if attended[level] else 1}.conv", width, width)
            channels, number = width, number + 1
    return shapes | norm("out.0", channels) | conv("out.2", 4, channels)


def resnet(name: str, channels: int, width: int, time: int) -> Shapes:
    shapes = norm(f"{name}.in_layers.0", channels) | conv(f"{name}.in_layers.2", width, channels)
    shapes |= layer(f"{name}.emb_layers.1", width, time)
    shapes |= norm(f"{name}.out_layers.0", width) | conv(f"{name}.out_layers.3", width, width)
    return shapes if channels == width else shapes | conv(f"{name}.skip_connection", width, channels, 1)


def transformer(name: str, width: int, context: int, linear: bool) -> Shapes:
    project = layer if linear else lambda name, outputs, inputs: conv(name, outputs, inputs, 1)
    block = f"{name}.transformer_blocks.0"
    shapes = (
        norm(f"{name}.norm", width)
        | project(f"{name}.proj_in", width, width)
        | project(f"{name}.proj_out", width, width)
    )
    for attention, source in (("attn1", width), ("attn2", context)):
        shapes[f"{block}.{attention}.to_q.weight"] = (width, width)
        shapes[f"{block}.{attention}.to_k.weight"] = shapes[f"{block}.{attention}.to_v.weight"] = (width, source)
        shapes |= layer(f"{block}.{attention}.to_out.0", width, width)
    shapes |= layer(f"{block}.ff.net.0.proj", width * 8, width) | layer(f"{block}.ff.net.2", width, width * 4)
    return shapes | norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width) | norm(f"{block}.norm3", width)


def vae_shapes(*, widths: tuple[int, ...], blocks: int, latents: int = 4) -> Shapes:
    """The original autoencoder: `blocks` residual blocks per level, one more in the decoder. Those of 16 channels have
    no convolutions around the latents.
    """
    quant = conv("quant_conv", 2 * latents, 2 * latents, 1) | conv("post_quant_conv", latents, latents, 1)
    shapes = quant if latents == 4 else {}
    shapes |= conv("encoder.conv_in", widths[0], 3) | conv("decoder.conv_in", widths[-1], latents)
    channels = widths[0]
    for level, width in enumerate(widths):
        for block in range(blocks):
            shapes |= vae_resnet(f"encoder.down.{level}.block.{block}", channels, width)
            channels = width
        if level < len(widths) - 1:
            shapes |= conv(f"encoder.down.{level}.downsample.conv", width, width)
    for half in ("encoder", "decoder"):
        shapes |= vae_resnet(f"{half}.mid.block_1", channels, channels) | vae_resnet(
            f"{half}.mid.block_2", channels, channels
        )
        shapes |= norm(f"{half}.mid.attn_1.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            shapes |= conv(f"{half}.mid.attn_1.{part}", channels, channels, 1)
    shapes |= norm("encoder.norm_out", channels) | conv("encoder.conv_out", 2 * latents, channels)
    for level, width in reversed(list(enumerate(widths))):
        for block in range(blocks + 1):
            shapes |= vae_resnet(f"decoder.up.{level}.block.{block}", channels, width)
            channels = width
        if level > 0:
            shapes |= conv(f"decoder.up.{level}.upsample.conv", width, width)
    return shapes | norm("decoder.norm_out", channels) | conv("decoder.conv_out", 3, channels)


def vae_resnet(name: str, channels: int, width: int) -> Shapes:
    shapes = norm(f"{name}.norm1", channels) | conv(f"{name}.conv1", width, channels)
    shapes |= norm(f"{name}.norm2", width) | conv(f"{name}.conv2", width, width)
    return shapes if channels == width else shapes | conv(f"{name}.nin_shortcut", width, channels, 1)


def clip_shapes(*, width: int, layers: int) -> Shapes:
    """CLIP's text transformer with its own vocabulary and 77 positions."""
    shapes: Shapes = {
        "embeddings.token_embedding.weight": (49408, width),
        "embeddings.position_embedding.weight": (77, width),
    }
    for number in range(layers):
        block = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= layer(f"{block}.self_attn.{part}", width, width)
        shapes |= layer(f"{block}.mlp.fc1", width * 4, width) | layer(f"{block}.mlp.fc2", width, width * 4)
        shapes |= norm(f"{block}.layer_norm1", width) | norm(f"{block}.layer_norm2", width)
    return shapes | norm("final_layer_norm", width)


def conv(name: str, outputs: int, inputs: int, size: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, size, size), f"{name}.bias": (outputs,)}


def layer(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def write_toy_upscaler(path: Path, seed: int = 0, *, scale: int = 2, old_names: bool = False) -> Path:
    """An ESRGAN of one block with random weights, under the names of today or of its first release."""
    shapes = upscaler_shapes(width=8, scale=scale)
    return write_random(path, old_upscaler_names(shapes) if old_names else shapes, seed)


def upscaler_shapes(*, width: int, scale: int) -> Shapes:
    """RRDBNet with one block, as Real-ESRGAN names its layers; `scale` is 2 or 4. It looks 23 pixels far at 2."""
    shapes, grown = conv("conv_first", width, 3), 32
    for dense in (1, 2, 3):
        for number in range(5):
            outputs = grown if number < 4 else width
            shapes |= conv(f"body.0.rdb{dense}.conv{number + 1}", outputs, width + number * grown)
    shapes |= conv("conv_body", width, width)
    for doubling in range(1, scale.bit_length()):
        shapes |= conv(f"conv_up{doubling}", width, width)
    return shapes | conv("conv_hr", width, width) | conv("conv_last", 3, width)


def old_upscaler_names(shapes: Shapes) -> Shapes:
    """The same tensors as ESRGAN's first release called them: layers by number."""
    doublings = sum(name.startswith("conv_up") and name.endswith("weight") for name in shapes)
    numbers = {"conv_first": "0", "conv_body": "1.sub.1", "conv_up1": "3", "conv_up2": "6"}
    numbers |= {"conv_hr": str(3 * doublings + 2), "conv_last": str(3 * doublings + 4)}
    renamed = {}
    for name, shape in shapes.items():
        layer, _, kind = name.rpartition(".")
        if layer.startswith("body."):
            layer = "1.sub." + layer.removeprefix("body.").replace("rdb", "RDB") + ".0"
        renamed[f"model.{numbers.get(layer, layer)}.{kind}"] = shape
    return renamed

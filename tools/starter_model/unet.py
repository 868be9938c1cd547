"""The denoiser: SD1's UNet in miniature."""

from __future__ import annotations

from diffusers import UNet2DConditionModel

from .presets import Preset


def build_unet(preset: Preset) -> UNet2DConditionModel:
    """Down, middle and up as in SD1, with 1x1 convolutions around one transformer block per attention layer."""
    with_text = zip(preset.unet_channels, preset.unet_attention, strict=True)
    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for _, attends in with_text)
    up = tuple(name.replace("Down", "Up") for name in reversed(down))
    return UNet2DConditionModel(
        sample_size=preset.native_size // 8,
        in_channels=4,
        out_channels=4,
        block_out_channels=preset.unet_channels,
        layers_per_block=preset.unet_layers,
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=preset.text_width,
        attention_head_dim=preset.unet_heads,  # in diffusers this argument counts the heads
        norm_num_groups=preset.unet_groups,
        use_linear_projection=False,
    )

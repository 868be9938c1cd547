"""The autoencoder: builds it, starts it as a linear map, and folds the latent scale into its weights."""

from __future__ import annotations

import math

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from .presets import Preset

LATENT_SCALE = 0.18215
STEADY = 4.0


def build_vae(preset: Preset) -> AutoencoderKL:
    """An SD1 autoencoder in miniature: factor 8, 4 channels, one norm group, which keeps flat colours flat."""
    levels = len(preset.vae_channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=preset.vae_channels,
        layers_per_block=preset.vae_layers,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=1,
        sample_size=preset.native_size,
        scaling_factor=LATENT_SCALE,
    )


def quiet_residuals(network: nn.Module) -> None:
    """Zeroes the last layer of every residual branch, so that training starts from a nearly linear network."""
    for name, module in network.named_modules():
        if name.endswith((".conv2", ".to_out.0", ".ff.net.2", ".proj_out")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def as_tensor(pictures: np.ndarray, device: str) -> Tensor:
    """uint8 (n, height, width, 3) as float (n, 3, height, width) from -1 to 1."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


@torch.no_grad()
def linear_start(vae: AutoencoderKL) -> None:
    """Sets the trunk so that training starts from "average each 8x8 block" and "repeat each latent 8 times".

    Red, green and blue travel through both halves as pairs of channels (x and -x), for which the closing norm and SiLU
    give silu(x) - silu(-x) = x. A constant pair keeps that norm's scale nearly independent of the picture. Colours are
    then right from the first step, where a random start spends ten minutes finding them.
    """
    encoder, decoder = vae.encoder, vae.decoder
    mix = torch.tensor([[0.7, 0.7, 0.7], [3.0, -3.0, 0.0], [-1.0, -1.0, 2.0]])
    for module in vae.modules():
        if isinstance(module, Downsample2D):
            carry(module.conv, ((0, 0), (0, 1), (1, 0), (1, 1)))
        elif isinstance(module, Upsample2D):
            carry(module.conv, ((1, 1),))
        elif isinstance(module, ResnetBlock2D) and module.conv_shortcut is not None:
            carry(module.conv_shortcut, ((0, 0),))
    into_pairs(encoder.conv_in, torch.eye(3))
    out_of_pairs(encoder.conv_out, mix)
    into_pairs(decoder.conv_in, torch.linalg.inv(mix))
    out_of_pairs(decoder.conv_out, torch.eye(3))
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight.copy_(torch.eye(len(conv.weight))[:, :, None, None])
        conv.bias.zero_()


def carry(conv: nn.Conv2d, taps: tuple[tuple[int, int], ...]) -> None:
    """Passes the first eight channels on, as the mean of those taps; the others keep a weak random start."""
    conv.weight.mul_(0.3)
    conv.weight[:8] = 0
    conv.bias[:8] = 0
    for channel in range(8):
        for row, column in taps:
            conv.weight[channel, channel, row, column] = 1 / len(taps)


def into_pairs(conv: nn.Conv2d, mix: Tensor) -> None:
    conv.weight.mul_(0.3)
    conv.weight[:8] = 0
    conv.bias[:8] = 0
    conv.weight[0:6:2, :3, 1, 1] = mix
    conv.weight[1:6:2, :3, 1, 1] = -mix
    conv.bias[6], conv.bias[7] = STEADY, -STEADY


def out_of_pairs(conv: nn.Conv2d, mix: Tensor) -> None:
    scale = STEADY * math.sqrt(2 / conv.in_channels)
    conv.weight[:3] = 0
    conv.bias[:3] = 0
    conv.weight[:3, 0:6:2, 1, 1] = mix * scale
    conv.weight[:3, 1:6:2, 1, 1] = -mix * scale


@torch.no_grad()
def fold_scale(vae: AutoencoderKL, pictures: np.ndarray, device: str) -> None:
    """Folds scale and mean into the 1x1 convolutions: `encode(x) * 0.18215` then has mean 0 and deviation 1.

    The log-variance half of the encoder's output becomes a constant, since training used the mean alone.
    """
    z = vae.encode(as_tensor(pictures, device)).latent_dist.mean
    mean, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3)) * LATENT_SCALE
    into, out = vae.quant_conv, vae.post_quant_conv
    out.bias += torch.einsum("oc,c->o", out.weight[:, :, 0, 0], mean)
    out.weight *= deviation[None, :, None, None]
    into.weight[:4] /= deviation[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / deviation
    into.weight[4:] = 0
    into.bias[4:] = -20

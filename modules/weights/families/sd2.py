"""Stable Diffusion 2: as 1, but with OpenCLIP's text encoder, of which the last layer but one is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import Shapes
from ...text.chunks import Chunk
from ..emphasis import Reading, States
from ..openclip import lies_apart, open_clip_original, open_clip_text_config, zero_padded
from ..tensors import Original
from .latent import below, complete, joined, predict, readers, unet, vae
from .sd1 import situated

if TYPE_CHECKING:
    from ..weights import Weights

TEXT = "cond_stage_model.model."
WIDTH, LAYERS = 1024, 24  # of the text encoder
NOISE_PREDICTORS_SIZE = 512  # pixels; Stability trained those for inpainting, depth and the "base" there


class TextEncoder(CLIPTextModel):
    """OpenCLIP's ViT-H. `layer`: which of its layers is read, from the end."""

    layer = 2


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The text encoder without weights. Diffusers' folders, and files that its scripts made of them, end with the layer
    that is read.
    """
    inner = below(shapes, TEXT)
    config = open_clip_text_config(inner, declared.text_encoder)
    encoder = TextEncoder(config)
    if lies_apart(inner) or (config.hidden_size, config.num_hidden_layers) == (WIDTH, LAYERS - 1):
        encoder.layer = 1
    return encoder, open_clip_original(TEXT, shapes)


NETWORKS = {"unet": unet, "text_encoder": text_encoder, "vae": vae}


def states(weights: Weights, chunk: Chunk, reading: Reading) -> States:
    """What the text encoder makes of a chunk: always the last layer but one, as in A1111, then the final layer norm."""
    encoder = weights.text_encoder
    hidden = encoder(zero_padded(chunk, weights.device), output_hidden_states=True).hidden_states[-encoder.layer]
    return States((encoder.final_layer_norm(hidden)[0],))


def observed(unet: nn.Module, declared: Declared) -> Declared:
    """What the file declares, with what the UNet was found to predict where it declares nothing about that. Those that
    predict noise are trained on smaller pictures.
    """
    if declared.prediction_type is not None:
        return declared
    prediction = "epsilon" if unet.config.in_channels > unet.config.out_channels else _measured_prediction(unet)
    size = declared.native_size or (NOISE_PREDICTORS_SIZE if prediction == "epsilon" else None)
    return declared.model_copy(update={"prediction_type": prediction, "native_size": size})


@torch.inference_mode()
def _measured_prediction(unet: nn.Module) -> str:
    """What the UNet gives, "epsilon" or "v_prediction", which nothing in an SD 2 file says.

    Given almost pure noise, a network that predicts noise gives its input back; one that predicts v gives the negative
    of the latents, which are unrelated to it. A1111 asks the same question of the same numbers.
    """
    weight = next(unet.parameters())
    noise = torch.full((1, unet.config.in_channels, 8, 8), 0.5, dtype=weight.dtype, device=weight.device)
    text = torch.full((1, 2, unet.config.cross_attention_dim), 0.5, dtype=weight.dtype, device=weight.device)
    moment = torch.tensor([999.0], device=weight.device)
    given = unet(noise, moment, encoder_hidden_states=text, return_dict=False)[0].float()
    return "v_prediction" if (given - noise[:, : given.shape[1]].float()).mean().item() < -1 else "epsilon"


__all__ = ["NETWORKS", "complete", "joined", "observed", "predict", "readers", "situated", "states"]

"""Networks loaded by us compute what diffusers' and transformers' own conversion of the same file computes.

The reference side shares nothing with ours but the file: its key maps are diffusers', its configs are SD 1.5's official
ones with smaller widths. One architecture has SD 1.5's own levels and blocks, so the whole key map is covered.
"""

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.weights.load import load_checkpoint
from tests.toy import clip_shapes, under, unet_shapes, vae_shapes, write_random

WIDTHS, CONTEXT = (32, 64, 128, 128), 64
UNET = {  # runwayml/stable-diffusion-v1-5 unet/config.json at a tenth of its widths
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": list(WIDTHS),
    "center_input_sample": False,
    "cross_attention_dim": CONTEXT,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE = {  # vae/config.json at a quarter of its widths
    "act_fn": "silu",
    "block_out_channels": [32, 64, 128, 128],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
CLIP = {  # text_encoder/config.json at a twelfth of its width
    "attention_dropout": 0.0,
    "hidden_act": "quick_gelu",
    "hidden_size": 64,
    "intermediate_size": 256,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "num_attention_heads": 1,
    "num_hidden_layers": 3,
    "vocab_size": 49408,
}
TEXT = "cond_stage_model.transformer.text_model."


@pytest.fixture(scope="module", params=[False, True], ids=["convolutions", "linear layers"])
def file(request, tmp_path_factory):
    """SD 1.5 with thin layers; the transformers' projections are 1 x 1 convolutions, or linear layers."""
    attended = (True, True, True, False)
    unet = unet_shapes(widths=WIDTHS, attended=attended, blocks=2, context=CONTEXT, linear=request.param)
    shapes = {
        **under("model.diffusion_model.", unet),
        **under("first_stage_model.", vae_shapes(widths=(32, 64, 128, 128), blocks=2)),
        **under(TEXT, clip_shapes(width=64, layers=3)),
    }
    return write_random(tmp_path_factory.mktemp("parity") / "thin.safetensors", shapes, seed=7)


@pytest.fixture(scope="module")
def stored(file):
    return {name: tensor.float() for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def ours(file):
    return load_checkpoint(file)


def test_the_unet_computes_what_diffusers_unet_does(file, stored, ours, noise):
    linear = stored["model.diffusion_model.middle_block.1.proj_in.weight"].ndim == 2
    reference = UNet2DConditionModel(**UNET, use_linear_projection=linear).eval()
    reference.load_state_dict(convert_ldm_unet_checkpoint(dict(stored), reference.config))
    latents, text, timesteps = noise(2, 4, 16, 8), noise(2, 154, CONTEXT), torch.tensor([999.0, 12.5])
    with torch.inference_mode():
        expected = reference(latents, timesteps, text).sample
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.predict(latents, timesteps, text), expected, rtol=0, atol=1e-5)


def test_the_vae_computes_what_diffusers_vae_does(file, stored, ours, noise):
    reference = AutoencoderKL(**VAE).eval()
    reference.load_state_dict(convert_ldm_vae_checkpoint(dict(stored), reference.config))
    latents, pictures = noise(1, 4, 8, 16), noise(1, 3, 64, 128)
    with torch.inference_mode():
        decoded = reference.decode(latents / 0.18215).sample
        encoded = reference.encode(pictures).latent_dist.mean * 0.18215
    assert decoded.std() > 0.01
    torch.testing.assert_close(ours.decode(latents), decoded, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.encode_image(pictures), encoded, rtol=0, atol=1e-5)


def test_the_text_encoder_computes_what_transformers_does(file, stored, ours, prompt_chunk):
    reference = CLIPTextModel(CLIPTextConfig(**CLIP)).eval()
    own = {name.removeprefix(TEXT): tensor for name, tensor in stored.items() if name.startswith(TEXT)}
    reference.load_state_dict(own)
    chunk = prompt_chunk(320, 1125, 539, 320, 2368)
    with torch.inference_mode():
        output = reference(torch.tensor([chunk.tokens]), output_hidden_states=True)
        skipped = reference.final_layer_norm(output.hidden_states[-2])
    torch.testing.assert_close(ours.encode([chunk]), output.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.encode([chunk], clip_skip=2), skipped, rtol=0, atol=1e-5)
    assert not torch.allclose(output.last_hidden_state, skipped, atol=1e-2)

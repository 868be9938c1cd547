"""SD 3 and FLUX loaded by us compute what diffusers' and transformers' classes do with the same file.

The reference side shares nothing with ours but the file: its configurations are the official ones with smaller widths,
its names are converted by diffusers, its latents packed and its prompts put together as diffusers' pipelines do it.
"""

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_ldm_clip_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_sd3_t5_checkpoint_to_diffusers,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from modules.text.grammar import attention
from modules.text.tokenizer import encode
from modules.weights.load import load_checkpoint
from tests import flow_models as made
from tests.toy import write_random

FLUX = {  # black-forest-labs/FLUX.1-dev transformer/config.json with smaller widths
    "attention_head_dim": 32,
    "axes_dims_rope": (4, 14, 14),
    "guidance_embeds": True,
    "in_channels": 64,
    "joint_attention_dim": made.TEXT_WIDTH,
    "num_attention_heads": 2,
    "num_layers": 2,
    "num_single_layers": 2,
    "pooled_projection_dim": made.SMALL,
}
SCHNELL = FLUX | {"guidance_embeds": False, "num_layers": 1}
SD3 = {  # stabilityai/stable-diffusion-3-medium-diffusers, likewise
    "attention_head_dim": 64,
    "caption_projection_dim": 128,
    "joint_attention_dim": made.TEXT_WIDTH,
    "num_attention_heads": 2,
    "num_layers": 3,
    "pooled_projection_dim": made.SMALL + made.LARGE,
    "pos_embed_max_size": 24,
}
SD35_LARGE = SD3 | {"num_layers": 2, "qk_norm": "rms_norm"}
SD35_MEDIUM = SD3 | {"qk_norm": "rms_norm", "dual_attention_layers": (0, 1)}
VAE = {
    "block_out_channels": [8, 8, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "latent_channels": 16,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "use_post_quant_conv": False,
    "use_quant_conv": False,
}
FILES = {
    "flux dev": (made.FLUX, ("clip_l", "t5xxl"), FLUX),
    "flux schnell": (made.SCHNELL, ("clip_l", "t5xxl"), SCHNELL),
    "sd3 medium": (made.SD3_MEDIUM, ("clip_l", "clip_g", "t5xxl"), SD3),
    "sd3.5 large": (made.SD35_LARGE, ("clip_l", "clip_g", "t5xxl"), SD35_LARGE),
    "sd3.5 medium": (made.SD35_MEDIUM, ("clip_l", "clip_g", "t5xxl"), SD35_MEDIUM),
}
PROMPT = "a (red:1.4) house on a hill, far away"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A file with everything inside, loaded by us, its tensors in float32, and the official configuration."""
    folder, known = tmp_path_factory.mktemp("flow"), {}
    made.write_tokenizer(folder)

    def open_(name):
        if name not in known:
            transformer, encoders, config = FILES[name]
            shapes = made.all_in_one(transformer, *encoders)
            path = write_random(folder / f"{name}.safetensors", shapes, seed=3, metadata=made.ARCHITECTURE)
            stored = {key: tensor.float() for key, tensor in load_file(path).items()}
            known[name] = load_checkpoint(path), stored, config
        return known[name]

    return open_


def reference_flux(config, stored, monkeypatch):
    reference = FluxTransformer2DModel(**config).eval()
    own = {key: tensor for key, tensor in stored.items() if key.startswith("model.diffusion_model.")}
    monkeypatch.setattr(torch, "split", splitting_by_width(own))
    reference.load_state_dict(convert_flux_transformer_checkpoint_to_diffusers(own))
    return reference


def splitting_by_width(own):
    """Diffusers' conversion knows FLUX's width by heart."""
    width, split = own["model.diffusion_model.img_in.weight"].shape[0], torch.split

    def by_width(tensor, sizes, dim=0):
        return split(tensor, [size * width // 3072 for size in sizes], dim=dim)

    return by_width


@pytest.mark.parametrize("name", ["flux dev", "flux schnell"])
def test_fluxs_transformer_computes_what_diffusers_does(opened, name, noise, monkeypatch):
    ours, stored, config = opened(name)
    reference = reference_flux(config, stored, monkeypatch)
    latents, text, pooled = noise(2, 16, 6, 10), noise(2, 19, made.TEXT_WIDTH), noise(2, made.SMALL)
    timesteps, guidance = torch.tensor([731.5, 20.0]), torch.tensor([3.5, 1.25])
    with torch.inference_mode():
        given = reference(
            FluxPipeline._pack_latents(latents, 2, 16, 6, 10),
            encoder_hidden_states=text,
            pooled_projections=pooled,
            timestep=timesteps / 1000,
            guidance=guidance if config["guidance_embeds"] else None,
            txt_ids=torch.zeros(19, 3),
            img_ids=FluxPipeline._prepare_latent_image_ids(2, 3, 5, "cpu", torch.float32),
        ).sample
        expected = FluxPipeline._unpack_latents(given, 48, 80, 8)
    assert expected.std() > 0.1
    found = ours.predict(latents, timesteps, {"text": text, "pooled": pooled, "guidance": guidance})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (ours.distilled_guidance, ours.prediction) == (config["guidance_embeds"], "flow")


@pytest.mark.parametrize("name", ["sd3 medium", "sd3.5 large", "sd3.5 medium"])
def test_sd_3s_transformer_computes_what_diffusers_does(opened, name, noise):
    ours, stored, config = opened(name)
    reference = SD3Transformer2DModel(**config).eval()
    own = {key: tensor for key, tensor in stored.items() if key.startswith("model.diffusion_model.")}
    reference.load_state_dict(convert_sd3_transformer_checkpoint_to_diffusers(own))
    latents, text, pooled = noise(2, 16, 6, 10), noise(2, 19, made.TEXT_WIDTH), noise(2, made.SMALL + made.LARGE)
    timesteps = torch.tensor([731.5, 20.0])
    with torch.inference_mode():
        expected = reference(latents, text, pooled, timesteps).sample
    assert expected.std() > 0.1
    found = ours.predict(latents, timesteps, {"text": text, "pooled": pooled})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert not ours.distilled_guidance


@pytest.mark.parametrize("name", ["flux dev", "sd3 medium"])
def test_a_size_that_patches_do_not_cover_is_filled_up_and_cut(opened, name, noise):
    ours, _, config = opened(name)
    told = {"text": noise(1, 5, made.TEXT_WIDTH), "pooled": noise(1, config["pooled_projection_dim"])}
    latents, moment = noise(1, 16, 5, 7), torch.tensor([500.0])
    filled = torch.cat([latents, latents[..., :1]], dim=3)
    filled = torch.cat([filled, filled[:, :, :1]], dim=2)
    found = ours.predict(latents, moment, told)
    torch.testing.assert_close(found, ours.predict(filled, moment, told)[:, :, :5, :7], rtol=0, atol=0)


def test_the_vae_of_16_channels_computes_what_diffusers_does(opened, noise):
    ours, stored, _ = opened("flux dev")
    reference = AutoencoderKL(**VAE).eval()
    reference.load_state_dict(convert_ldm_vae_checkpoint(dict(stored), reference.config))
    latents, picture = noise(1, 16, 4, 6), noise(1, 3, 32, 48)
    with torch.inference_mode():
        decoded = reference.decode(latents / 0.3611 + 0.1159).sample
        encoded = (reference.encode(picture).latent_dist.mean - 0.1159) * 0.3611
    torch.testing.assert_close(ours.decode(latents), decoded, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.encode_image(picture), encoded, rtol=0, atol=1e-4)


def reference_clip(stored, part, kind, width, **config):
    settings = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": 1, "num_hidden_layers": 3}
    reference = kind(CLIPTextConfig(**settings, projection_dim=width, vocab_size=49408, **config)).eval()
    prefix = f"text_encoders.{part}.transformer."
    names = convert_ldm_clip_checkpoint({key: one for key, one in stored.items() if key.startswith(prefix)}, prefix)
    if kind is CLIPTextModel:
        names = {name.removeprefix("text_model."): one for name, one in names.items()}
    if part == "clip_l" and kind is CLIPTextModelWithProjection:
        names["text_projection.weight"] = torch.eye(width)  # as diffusers does for single files
    reference.load_state_dict(names)
    return reference


def reference_t5(stored, tokens):
    settings = {"d_ff": 128, "d_kv": 16, "d_model": made.TEXT_WIDTH, "num_heads": 4, "num_layers": 2}
    reference = T5EncoderModel(T5Config(feed_forward_proj="gated-gelu", vocab_size=32128, **settings)).eval()
    own = convert_sd3_t5_checkpoint_to_diffusers(stored)
    reference.load_state_dict(own | {"encoder.embed_tokens.weight": own["shared.weight"]})
    return reference(torch.tensor([tokens])).last_hidden_state


def t5_tokens(path, text, length):
    tokenizer = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
    tokenizer.no_truncation()
    tokens = tokenizer.encode(text).ids
    return [*tokens, 1, *[0] * (length - len(tokens) - 1)], tokenizer


def clip_tokens(text, pad):
    return torch.tensor([([49406, *encode(text), 49407] + [pad] * 77)[:77]])


@pytest.mark.parametrize(("name", "length"), [("flux dev", 512), ("flux schnell", 256)])
@torch.inference_mode()
def test_flux_reads_t5s_states_and_clips_vector(opened, name, length):
    ours, stored, _ = opened(name)
    plain = PROMPT.replace("(red:1.4)", "red")
    found = ours.read(attention(plain))
    tokens, _ = t5_tokens(ours.path, plain, length)
    torch.testing.assert_close(found["text"], reference_t5(stored, tokens), rtol=0, atol=1e-4)
    clip = reference_clip(stored, "clip_l", CLIPTextModel, made.SMALL, hidden_act="quick_gelu")
    pooled = clip(clip_tokens(plain, 49407)).pooler_output
    torch.testing.assert_close(found["pooled"], pooled, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_sd_3_reads_both_clips_beside_each_other_and_t5_after_them(opened):
    ours, stored, _ = opened("sd3.5 medium")
    plain = PROMPT.replace("(red:1.4)", "red")
    found = ours.read(attention(plain))
    small = reference_clip(stored, "clip_l", CLIPTextModelWithProjection, made.SMALL, hidden_act="quick_gelu")
    large = reference_clip(stored, "clip_g", CLIPTextModelWithProjection, made.LARGE, hidden_act="gelu")
    first = small(clip_tokens(plain, 49407), output_hidden_states=True)
    second = large(clip_tokens(plain, 0), output_hidden_states=True)
    both = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    both = torch.nn.functional.pad(both, (0, made.TEXT_WIDTH - both.shape[-1]))
    tokens, _ = t5_tokens(ours.path, plain, 256)
    expected = torch.cat([both, reference_t5(stored, tokens)], dim=1)
    torch.testing.assert_close(found["text"], expected, rtol=0, atol=1e-4)
    vectors = torch.cat([first.text_embeds, second.text_embeds], dim=-1)
    torch.testing.assert_close(found["pooled"], vectors, rtol=0, atol=1e-4)


def test_emphasis_multiplies_t5s_states_and_keeps_their_mean(opened):
    ours, _, _ = opened("flux dev")
    plain, strong = ours.read(attention(PROMPT.replace("(red:1.4)", "red"))), ours.read(attention(PROMPT))
    _, tokenizer = t5_tokens(ours.path, PROMPT, 512)
    red = [place for place, (begin, end) in enumerate(tokenizer.encode("a red house").offsets) if 2 < end <= 5]
    weights = torch.ones(512)
    weights[red] = 1.4
    expected = plain["text"] * weights[:, None]
    expected = expected * (plain["text"].mean() / expected.mean())
    torch.testing.assert_close(strong["text"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(strong["pooled"], plain["pooled"], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_files_of_fewer_digits_are_read_as_they_are_meant(tmp_path, noise, dtype):
    """fp8 matrices may have a scale beside them, by which they are multiplied."""
    made.write_tokenizer(tmp_path)
    shapes = made.all_in_one(made.FLUX, "clip_l", "t5xxl")
    fine = load_file(write_random(tmp_path / "fine.safetensors", shapes, seed=3))
    cast = {name: one.to(dtype) for name, one in fine.items()}
    scaled = "model.diffusion_model.double_blocks.0.img_attn.qkv.weight"
    save_file(cast, tmp_path / "plain.safetensors", made.ARCHITECTURE)
    told = {"text": noise(1, 5, made.TEXT_WIDTH), "pooled": noise(1, made.SMALL)}
    latents, moment = noise(1, 16, 4, 4), torch.tensor([500.0])
    plain = load_checkpoint(tmp_path / "plain.safetensors").predict(latents, moment, told)
    save_file({name: one.float() for name, one in cast.items()}, tmp_path / "again.safetensors", made.ARCHITECTURE)
    torch.testing.assert_close(plain, load_checkpoint(tmp_path / "again.safetensors").predict(latents, moment, told))
    if dtype == torch.float8_e4m3fn:
        scale = {scaled.replace("weight", "scale_weight"): torch.tensor(2.0)}
        halved = cast | {scaled: (cast[scaled].float() / 2).to(dtype)} | scale
        save_file(halved, tmp_path / "scaled.safetensors", made.ARCHITECTURE)
        found = load_checkpoint(tmp_path / "scaled.safetensors").predict(latents, moment, told)
        torch.testing.assert_close(found, plain, rtol=0, atol=2e-2)

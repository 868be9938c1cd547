"""SD 2 and SDXL loaded by us compute what diffusers' and transformers' own conversion of the same file computes.

The reference side shares nothing with ours but the file: configs are the official ones with smaller widths, and the
inputs of SDXL's UNet are put together as diffusers' pipeline does.
"""

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_open_clip_checkpoint
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from modules.weights.emphasis import Reading
from modules.weights.load import load_checkpoint
from modules.weights.weights import Situation
from tests.open_clip import CLIP_G, CLIP_L, refiner_shapes, sd2_shapes, sdxl_shapes
from tests.toy import write_random

COMMON = {"norm_num_groups": 32, "use_linear_projection": True, "layers_per_block": 2}
SD2 = COMMON | {  # stabilityai/stable-diffusion-2-1 unet/config.json with smaller widths; heads of 64 channels
    "attention_head_dim": [1, 1, 2, 2],
    "block_out_channels": [64, 64, 128, 128],
    "cross_attention_dim": 64,
}
ADDED = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
SDXL = (
    COMMON
    | ADDED
    | {  # stable-diffusion-xl-base-1.0, likewise, with 1 and 2 transformer layers for 2 and 10
        "attention_head_dim": [1, 1, 2],
        "block_out_channels": [64, 64, 128],
        "cross_attention_dim": 192,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 1, 2],
        "projection_class_embeddings_input_dim": 128 + 6 * 256,
    }
)
REFINER = (
    COMMON
    | ADDED
    | {  # stable-diffusion-xl-refiner-1.0, likewise, with 1 transformer layer for 4
        "attention_head_dim": [1, 1, 2, 2],
        "block_out_channels": [64, 64, 128, 128],
        "cross_attention_dim": 128,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "projection_class_embeddings_input_dim": 128 + 5 * 256,
    }
)
CLIP = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 1, "vocab_size": 49408}
PROMPT = (49406, 320, 1125, 539, 320, 2368, 49407)
ZERO_PADDED = torch.tensor([[*PROMPT, *[0] * 70]])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file with these shapes, loaded by us, and its tensors in float32."""
    folder = tmp_path_factory.mktemp("open_clip")

    def write(name, shapes):
        path = write_random(folder / f"{name}.safetensors", shapes, seed=5)
        return load_checkpoint(path), {key: tensor.float() for key, tensor in load_file(path).items()}

    return write


def reference_unet(config, stored):
    unet = UNet2DConditionModel(**config).eval()
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(stored), unet.config))
    return unet


def reference_open_clip(stored, prefix, layers, width, *, projected):
    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    heads = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 64}
    config = CLIPTextConfig(**CLIP | heads, num_hidden_layers=layers, hidden_act="gelu", projection_dim=width)
    encoder = kind(config).eval()
    state = convert_open_clip_checkpoint(encoder, stored, prefix)
    own = encoder.state_dict().keys()
    trimmed = {name if name in own else name.removeprefix("text_model."): value for name, value in state.items()}
    encoder.load_state_dict({name: value for name, value in trimmed.items() if name in own})
    return encoder


@torch.inference_mode()
def test_sd2s_text_encoder_equals_transformers_without_its_last_layer(written, prompt_chunk):
    ours, stored = written("sd2", sd2_shapes())
    reference = reference_open_clip(stored, "cond_stage_model.model.", 2, 64, projected=False)  # official: 23 of 24
    expected = reference(ZERO_PADDED).last_hidden_state
    torch.testing.assert_close(ours.encode([prompt_chunk(*PROMPT[1:-1])]), expected, rtol=0, atol=1e-5)
    assert ours.family.id == "sd2"


@torch.inference_mode()
@pytest.mark.parametrize("inputs", [4, 9])
def test_sd2s_unet_equals_diffusers(written, noise, inputs):
    ours, stored = written(f"sd2-{inputs}", sd2_shapes(inputs=inputs))
    latents, text, timesteps = noise(2, inputs, 8, 16), noise(2, 77, 64), torch.tensor([999.0, 12.5])
    expected = reference_unet(SD2 | {"in_channels": inputs}, stored)(latents, timesteps, text).sample
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.predict(latents, timesteps, text), expected, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_sdxls_two_text_encoders_and_pooled_vector_equal_transformers(written, prompt_chunk):
    ours, stored = written("sdxl", sdxl_shapes())
    small = CLIPTextModel(CLIPTextConfig(**CLIP, num_hidden_layers=3, hidden_act="quick_gelu")).eval()
    small.load_state_dict({name.removeprefix(CLIP_L): value for name, value in stored.items() if CLIP_L in name})
    large = reference_open_clip(stored, CLIP_G, 3, 128, projected=True)
    chunk = prompt_chunk(*PROMPT[1:-1])
    first = small(torch.tensor([chunk.tokens]), output_hidden_states=True).hidden_states[-2]
    second = large(ZERO_PADDED, output_hidden_states=True)
    told = ours.encode([chunk])
    expected = torch.cat([first, second.hidden_states[-2]], dim=-1)
    torch.testing.assert_close(told["text"], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(told["pooled"], second.text_embeds, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_clip_skip_counts_in_sdxls_small_encoder_alone_and_only_when_asked(written, prompt_chunk):
    ours, stored = written("sdxl", sdxl_shapes())
    small = CLIPTextModel(CLIPTextConfig(**CLIP, num_hidden_layers=3, hidden_act="quick_gelu")).eval()
    small.load_state_dict({name.removeprefix(CLIP_L): value for name, value in stored.items() if CLIP_L in name})
    chunk = prompt_chunk(320, 1125)
    usual = ours.states(chunk, Reading())
    layers = small(torch.tensor([chunk.tokens]), output_hidden_states=True).hidden_states
    for skip in (1, 3):
        plain, skipped = ours.states(chunk, Reading(skip)), ours.states(chunk, Reading(skip, sdxl_clip_l_skip=True))
        assert torch.equal(plain.hidden[0], usual.hidden[0])
        torch.testing.assert_close(skipped.hidden[0], layers[-skip][0], rtol=0, atol=1e-5)
        assert torch.equal(skipped.hidden[1], usual.hidden[1])


@torch.inference_mode()
def test_clip_skip_does_nothing_for_sd2(written, prompt_chunk):
    ours, _ = written("sd2", sd2_shapes())
    assert torch.equal(ours.encode([prompt_chunk(320)], clip_skip=12), ours.encode([prompt_chunk(320)]))


@torch.inference_mode()
def test_emphasis_restores_the_mean_of_each_of_sdxls_encoders(written, prompt_chunk):
    ours, _ = written("sdxl", sdxl_shapes())
    emphasis = [1.0, 1.5, *[1.0] * 75]
    plain, strong = ours.encode([prompt_chunk(320)]), ours.encode([prompt_chunk(320, weights=emphasis)])
    for part in (slice(0, 64), slice(64, 192)):
        before, multiplied = plain["text"][..., part], plain["text"][..., part] * torch.tensor(emphasis)[:, None]
        torch.testing.assert_close(strong["text"][..., part], multiplied * (before.mean() / multiplied.mean()))
    assert torch.equal(strong["pooled"], plain["pooled"])


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "shapes", "config", "sizes"),
    [
        ("sdxl", sdxl_shapes(), SDXL, [512, 768, 0, 0, 512, 768]),
        ("sdxl-inpainting", sdxl_shapes(inputs=9), SDXL | {"in_channels": 9}, [512, 768, 0, 0, 512, 768]),
        ("refiner", refiner_shapes(), REFINER, [512, 768, 0, 0, 6.0]),
    ],
)
def test_sdxls_unet_is_told_prompt_vector_and_sizes_as_diffusers_is(
    written, noise, prompt_chunk, name, shapes, config, sizes
):
    ours, stored = written(name, shapes)
    told = ours.situated(ours.encode([prompt_chunk(320, 1125)]), Situation(width=768, height=512))
    latents, timesteps = noise(1, config.get("in_channels", 4), 8, 16), torch.tensor([500.0])
    expected = reference_unet(config, stored)(
        latents,
        timesteps,
        told["text"],
        added_cond_kwargs={"text_embeds": told["pooled"], "time_ids": torch.tensor([sizes])},
    ).sample
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.predict(latents, timesteps, told), expected, rtol=0, atol=1e-5)


def test_a_blank_negative_prompt_of_sdxl_is_zeros_and_the_refiner_is_told_a_low_score(written, prompt_chunk):
    ours, _ = written("refiner", refiner_shapes())
    told = ours.situated(ours.encode([prompt_chunk()]), Situation(64, 64, negative=True, blank=True))
    assert not told["text"].any() and not told["pooled"].any()
    assert told["sizes"].tolist() == [[64, 64, 0, 0, 2.5]]


@pytest.mark.parametrize(("gain", "prediction", "size"), [(1.0, "epsilon", 512), (-9.0, "v_prediction", 768)])
def test_what_sd2s_unet_predicts_is_found_out_by_asking_it(tmp_path, gain, prediction, size):
    """A network that predicts v answers noise with the negative of something; here its last bias says so."""
    path = write_random(tmp_path / "sd2.safetensors", sd2_shapes(), seed=5)
    tensors = load_file(path)
    tensors["model.diffusion_model.out.2.weight"] *= 0
    tensors["model.diffusion_model.out.2.bias"] = torch.full((4,), 0.5 * gain, dtype=torch.float16)
    save_file(tensors, path)
    weights = load_checkpoint(path)
    assert (weights.prediction, weights.native_size) == (prediction, size)

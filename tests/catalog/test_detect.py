"""Kinds of model files told from names and shapes, on headers built from the published architectures."""

import json
import struct
from math import prod

import pytest

from modules.catalog.detect import detect
from modules.catalog.families import FAMILIES
from modules.catalog.header import read_header
from tests.catalog import architectures as made
from tests.catalog.architectures import UNET, VAE
from tests.toy import clip_shapes, conv, layer, toy_shapes, under, upscaler_shapes


def write_header(path, shapes, metadata=None):
    """A file that has a header and a hole where its weights would be."""
    table, position = {"__metadata__": metadata} if metadata else {}, 0
    for name, shape in shapes.items():
        end = position + prod(shape) * 2
        table[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + position)
    return path


@pytest.fixture
def detected(tmp_path):
    return lambda shapes: detect(read_header(write_header(tmp_path / "sample.safetensors", shapes)))


CHECKPOINTS = [
    (made.sd1(), "sd1", "base"),
    (made.sd1(inputs=9), "sd1", "inpainting"),
    (made.sd1(inputs=8), "sd1", "pix2pix"),
    (toy_shapes(), "sd1", "base"),
    (made.sd1() | layer(UNET + "time_embed.cond_proj", 320, 256), "sd1", "LCM"),
    (made.sd2(), "sd2", "base"),
    (made.sd2(inputs=5), "sd2", "depth"),
    (made.sd2(inputs=7), "sd2", "x4 upscaler"),
    (made.sd2(inputs=9), "sd2", "inpainting"),
    (made.sdxl(), "sdxl", "base"),
    (made.sdxl(inputs=8), "sdxl", "pix2pix"),
    (made.sdxl(inputs=9), "sdxl", "inpainting"),
    (made.refiner(), "sdxl", "refiner"),
    (made.sdxl() | {"edm_mean": (1, 4, 1, 1), "edm_std": (1, 4, 1, 1)}, "sdxl", "EDM"),
    (made.sdxl() | {"edm_vpred.sigma_max": ()}, "sdxl", "EDM v prediction"),
    (made.sd3(), "sd3", "3 medium"),
    (made.sd3(normed=True, twice=13), "sd3", "3.5 medium"),
    (made.sd3(blocks=38, width=2432, normed=True), "sd3", "3.5 large"),
    (made.flux(), "flux", "dev"),
    (made.flux(guided=False), "flux", "schnell"),
    (under(UNET, made.flux(guided=False)), "flux", "schnell"),
    (made.flux(inputs=384), "flux", "fill"),
    (made.flux(inputs=128), "flux", "control"),
    (made.sd2() | {"embedder.model.visual.conv1.weight": (1280, 3, 14, 14)}, "", "unCLIP"),
    (made.sdxl() | {UNET + "input_blocks.1.0.time_stack.in_layers.2.weight": (1,)}, "", "Stable Video Diffusion"),
    (made.flux(guided=False) | {"distilled_guidance_layer.in_proj.weight": (5120, 64)}, "", "Chroma"),
]


@pytest.mark.parametrize(("shapes", "family", "variant"), CHECKPOINTS)
def test_a_checkpoint_is_told_with_its_family_and_variant(detected, shapes, family, variant):
    found = detected(shapes)
    assert (found.kind, found.family_id, found.variant) == ("checkpoint", family, variant)
    assert not family or found.family_id in FAMILIES


BLOCK = "lora_unet_down_blocks_0_attentions_0"
LORAS = [
    (made.lora_layers(), "sd1", "LoRA"),
    (made.lora_layers(context=1024), "sd2", "LoRA"),
    (made.lora_layers(context=2048), "sdxl", "LoRA"),
    ({"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (8, 1024)}, "sd2", "LoRA"),
    ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (8, 1280)}, "sdxl", "LoRA"),
    ({"transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (16, 3072)}, "flux", "LoRA"),
    ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (16, 3072)}, "flux", "LoRA"),
    ({"lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight": (16, 1536)}, "sd3", "LoRA"),
    (made.lora_layers() | {f"{BLOCK}_conv.lora_down.weight": (8, 320, 3, 3)}, "sd1", "LoCon"),
    (made.lora_layers() | {f"{BLOCK}_conv.lora_mid.weight": (8, 8, 3, 3)}, "sd1", "LoCon"),
    (made.lora_layers() | {f"{BLOCK}_proj_in.dora_scale": (320, 1)}, "sd1", "DoRA"),
    ({f"{BLOCK}_proj_in.hada_w1_a": (320, 4), f"{BLOCK}_proj_in.hada_w1_b": (4, 320)}, "", "LoHa"),
    ({f"{BLOCK}_proj_in.lokr_w1": (8, 8)}, "", "LoKr"),
    ({f"{BLOCK}_proj_in.lokr_w1_a": (8, 2), f"{BLOCK}_proj_in.lokr_w1_b": (2, 8)}, "", "LoKr"),
    ({f"{BLOCK}_proj_in.weight": (320,), f"{BLOCK}_proj_in.on_input": ()}, "", "IA3"),
    ({f"{BLOCK}_proj_in.a1.weight": (320, 4), f"{BLOCK}_proj_in.b1.weight": (4, 320)}, "", "GLoRA"),
    ({f"{BLOCK}_proj_in.oft_blocks": (4, 80, 80)}, "", "OFT"),
    ({f"{BLOCK}_proj_in.oft_blocks": (3, 4, 80, 80)}, "", "BOFT"),
    ({f"{BLOCK}_proj_in.diff": (320, 320)}, "", "full difference"),
    ({f"{BLOCK}_norm.w_norm": (320,), f"{BLOCK}_norm.b_norm": (320,)}, "", "norms"),
]


@pytest.mark.parametrize(("shapes", "family", "variant"), LORAS)
def test_a_lora_is_told_with_its_family_and_form(detected, shapes, family, variant):
    found = detected(shapes)
    assert (found.kind, found.family_id, found.variant) == ("LoRA", family, variant)


OTHERS = [
    (under(VAE, made.sd_vae()), "VAE", "", ""),
    (made.sd_vae(), "VAE", "", ""),
    (conv("decoder.conv_in", 512, 16) | conv("decoder.up.0.block.0.conv1", 128, 128), "VAE", "", ""),
    (conv("decoder.conv_in", 512, 4) | conv("decoder.up_blocks.0.resnets.0.conv1", 512, 512), "VAE", "", "diffusers"),
    (made.taesd_decoder(), "VAE", "", "TAESD"),
    (under("decoder.layers.", made.taesd_decoder()), "VAE", "", "TAESD"),
    (made.taesd_encoder(), "VAE", "", "TAESD encoder"),
    (made.sd_unet(768), "UNet", "sd1", "base"),
    (made.sdxl_unet(), "UNet", "sdxl", "base"),
    (made.diffusers_unet(2048), "UNet", "sdxl", "base"),
    (made.diffusers_unet(768, inputs=9), "UNet", "sd1", "inpainting"),
    (made.diffusers_unet(768) | layer("time_embedding.cond_proj", 320, 256), "UNet", "sd1", "LCM"),
    (made.diffusers_flux(), "transformer", "flux", "dev"),
    (made.diffusers_flux(guided=False), "transformer", "flux", "schnell"),
    (layer("transformer_blocks.0.attn.add_k_proj", 1536, 1536), "transformer", "sd3", "3 medium"),
    (under("text_model.", clip_shapes(width=768, layers=12)), "text encoder", "", "CLIP"),
    ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "text encoder", "", "T5"),
    (made.open_clip(1280, 32), "text encoder", "", "OpenCLIP"),
    ({"vision_model.encoder.layers.0.self_attn.k_proj.weight": (1280, 1280)}, "image encoder", "", "CLIP"),
    ({"emb_params": (4, 768)}, "embedding", "sd1", ""),
    ({"string_to_param.*": (4, 1024)}, "embedding", "sd2", ""),
    ({"<my-cat>": (768,)}, "embedding", "sd1", ""),
    ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "embedding", "sdxl", ""),
    (made.hypernetwork(), "hypernetwork", "sd1", ""),
    (made.controlnet(768), "ControlNet", "sd1", ""),
    (made.controlnet(1024), "ControlNet", "sd2", ""),
    (conv("controlnet_cond_embedding.conv_in", 16, 3) | made.diffusers_unet(2048), "ControlNet", "sdxl", ""),
    (conv("controlnet_cond_embedding.conv_in", 16, 3) | {"task_embedding": (6, 320)}, "ControlNet", "", "union"),
    (layer("controlnet_blocks.0", 3072, 3072) | made.diffusers_flux(), "ControlNet", "flux", ""),
    (
        {"lora_controlnet": (0,), "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": (256, 2048)},
        "ControlNet",
        "sdxl",
        "Control-LoRA",
    ),
    (layer("lllite_unet_input_blocks_4_1.conditioning1.0", 16, 3), "ControlNet", "sdxl", "ControlLLLite"),
    (conv("body.0.block1", 320, 320) | conv("conv_in", 320, 192), "T2I-Adapter", "sd1", ""),
    (
        conv("adapter.body.0.resnets.0.block1", 320, 320) | conv("adapter.conv_in", 320, 768),
        "T2I-Adapter",
        "sdxl",
        "",
    ),
    (made.ip_adapter(768), "IP-Adapter", "sd1", ""),
    (made.ip_adapter(2048) | {"image_proj.latents": (1, 16, 1280)}, "IP-Adapter", "sdxl", "plus"),
    (made.ip_adapter(768) | {"ip_adapter.0.to_q_lora.down.weight": (128, 320)}, "IP-Adapter", "sd1", "FaceID"),
    (made.motion_module(), "motion module", "", "AnimateDiff"),
    (conv("model.0", 64, 3) | conv("model.1.sub.0.RDB1.conv1.0", 32, 64), "upscaler", "", "ESRGAN"),
    (upscaler_shapes(width=64, scale=4), "upscaler", "", "ESRGAN"),
    (under("params_ema.", upscaler_shapes(width=64, scale=4)), "upscaler", "", "ESRGAN"),
    (made.compact_upscaler(), "upscaler", "", "Real-ESRGAN compact"),
    (layer("layers.0.residual_group.blocks.0.attn.qkv", 540, 180), "upscaler", "", "SwinIR"),
    (layer("layers.0.blocks.0.attn.attns.0.pos.pos_proj", 7, 2), "upscaler", "", "DAT"),
    ({"stylegan_decoder.constant_input.weight": (1, 512, 4, 4)}, "face restorer", "", "GFPGAN"),
]


@pytest.mark.parametrize(("shapes", "kind", "family", "variant"), OTHERS)
def test_other_kinds_are_named_for_what_they_are(detected, shapes, kind, family, variant):
    found = detected(shapes)
    assert (found.kind, found.family_id, found.variant) == (kind, family, variant)
    assert found.reason


def test_an_unknown_file_says_what_was_sought_among_how_many_tensors(detected):
    found = detected({f"layer.{number}.w": (2, 2) for number in range(12)})
    assert found.kind == "unknown"
    assert "no UNet" in found.reason
    assert "among 12 tensors (layer.0.w, layer.1.w, layer.2.w, ...)" in found.reason


def test_a_checkpoints_reason_names_the_text_encoder_and_the_widths(detected):
    assert detected(made.sd1()).reason == (
        "a UNet and the text encoder cond_stage_model.transformer.*; text width 768, 4 input channels"
    )

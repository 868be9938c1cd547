"""Kinds of model files told from names and shapes, on headers built from the published architectures."""

import json
import struct
from math import prod

import pytest

from modules.catalog.detect import detect
from modules.catalog.families import FAMILIES
from modules.catalog.header import read_header
from tests.toy import clip_shapes, conv, layer, resnet, toy_shapes, under, unet_shapes, vae_shapes

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."


@pytest.fixture
def detected(tmp_path):
    """Detection of a file that has a header and a hole where its weights would be."""

    def write_and_detect(shapes):
        table, position = {}, 0
        for name, shape in shapes.items():
            end = position + prod(shape) * 2
            table[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [position, end]}
            position = end
        text = json.dumps(table).encode()
        path = tmp_path / "sample.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with path.open("r+b") as file:
            file.truncate(8 + len(text) + position)
        return detect(read_header(path))

    return write_and_detect


def sd_unet(context, inputs=4, linear=False):
    return under(
        UNET,
        unet_shapes(
            widths=(320, 640, 1280, 1280),
            attended=(True, True, True, False),
            blocks=2,
            context=context,
            inputs=inputs,
            linear=linear,
        ),
    )


def sd_vae():
    return vae_shapes(widths=(128, 256, 512, 512), blocks=2)


def sd1(inputs=4):
    return {**sd_unet(768, inputs), **under(VAE, sd_vae()), **under(CLIP, clip_shapes(width=768, layers=12))}


def sd2(inputs=4):
    text = {"cond_stage_model.model.token_embedding.weight": (49408, 1024)}
    return {**sd_unet(1024, inputs, linear=True), **under(VAE, sd_vae()), **text}


def sdxl(context=2048, inputs=4):
    number = 0 if context == 1280 else 1  # the refiner has only the second of the base's encoders
    text = {f"conditioner.embedders.{number}.model.token_embedding.weight": (49408, 1280)}
    return {**sd_unet(context, inputs, linear=True), **under(VAE, sd_vae()), **text}


@pytest.mark.parametrize(
    ("shapes", "family", "variant"),
    [
        (sd1(), "sd1", "base"),
        (sd1(inputs=9), "sd1", "inpainting"),
        (sd1(inputs=8), "sd1", "pix2pix"),
        (toy_shapes(), "sd1", "base"),
        (sd2(), "sd2", "base"),
        (sd2(inputs=5), "sd2", "depth"),
        (sd2(inputs=9), "sd2", "inpainting"),
        (sdxl(), "sdxl", "base"),
        (sdxl(inputs=9), "sdxl", "inpainting"),
        (sdxl(context=1280), "sdxl", "refiner"),
        ({UNET + "joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536)}, "sd3", "base"),
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "flux", "schnell"),
        (
            {"double_blocks.0.img_attn.qkv.weight": (9216, 3072), "guidance_in.in_layer.weight": (3072, 256)},
            "flux",
            "dev",
        ),
    ],
)
def test_a_checkpoint_is_told_with_its_family_and_variant(detected, shapes, family, variant):
    found = detected(shapes)
    assert (found.kind, found.family_id, found.variant) == ("checkpoint", family, variant)
    assert found.family_id in FAMILIES


@pytest.mark.parametrize(
    ("shapes", "kind", "family"),
    [
        (under(VAE, sd_vae()), "VAE", ""),
        (sd_vae(), "VAE", ""),
        (conv("decoder.conv_in", 512, 4) | conv("decoder.up_blocks.0.resnets.0.conv1", 512, 512), "VAE", ""),
        (conv("1", 64, 4) | conv("3.conv.0", 64, 64), "VAE", ""),
        (sd_unet(768), "UNet", "sd1"),
        (
            conv("conv_in", 320, 4)
            | layer("time_embedding.linear_1", 1280, 320)
            | conv("down_blocks.0.resnets.0.conv1", 320, 320)
            | {"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 2048)},
            "UNet",
            "sdxl",
        ),
        (under("text_model.", clip_shapes(width=768, layers=12)), "text encoder", ""),
        ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "text encoder", ""),
        (
            {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (8, 768)},
            "LoRA",
            "sd1",
        ),
        ({"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (8, 1024)}, "LoRA", "sd2"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (8, 1280)}, "LoRA", "sdxl"),
        ({"transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (16, 3072)}, "LoRA", "flux"),
        ({"lora_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a": (320, 4)}, "LoRA", ""),
        ({"lora_unet_down_blocks_0_attentions_0_proj_in.lokr_w1": (8, 8)}, "LoRA", ""),
        ({"emb_params": (4, 768)}, "embedding", "sd1"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "embedding", "sdxl"),
        (
            {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)}
            | under("control_model.", resnet("input_blocks.1.0", 320, 320, 1280)),
            "ControlNet",
            "",
        ),
        (conv("controlnet_cond_embedding.conv_in", 16, 3), "ControlNet", ""),
        ({"lora_controlnet": (0,), "input_blocks.1.1.transformer_blocks.0.attn2.to_k.up": (4, 4)}, "ControlNet", ""),
        (layer("image_proj.proj", 3072, 1024) | {"ip_adapter.1.to_k_ip.weight": (320, 768)}, "IP-Adapter", ""),
        (conv("body.0.block1", 320, 320), "T2I-Adapter", ""),
        (conv("model.0", 64, 3) | conv("model.1.sub.0.RDB1.conv1.0", 32, 64), "upscaler", ""),
        (conv("conv_first", 64, 3) | conv("body.0.rdb1.conv1", 32, 64), "upscaler", ""),
    ],
)
def test_other_kinds_are_named_for_what_they_are(detected, shapes, kind, family):
    found = detected(shapes)
    assert (found.kind, found.family_id) == (kind, family)
    assert found.reason


def test_an_unknown_file_says_what_was_sought_among_how_many_tensors(detected):
    found = detected({f"layer.{number}.w": (2, 2) for number in range(12)})
    assert found.kind == "unknown"
    assert "no UNet" in found.reason
    assert "among 12 tensors (layer.0.w, layer.1.w, layer.2.w, ...)" in found.reason


def test_a_checkpoints_reason_names_the_text_encoder_and_the_widths(detected):
    assert detected(sd1()).reason == (
        "a UNet and the text encoder cond_stage_model.transformer.*; text width 768, 4 input channels"
    )

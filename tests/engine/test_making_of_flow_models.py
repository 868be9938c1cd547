"""The model tools on SD 3 and FLUX: files that hold the transformer alone, too."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.catalog.companions import Places
from modules.core.errors import UserError
from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from tests import flow_models
from tests.toy import under, write_random

SINGLE, ATTENTION = "lora_unet_single_blocks_0_linear1", "lora_unet_double_blocks_1_img_attn_qkv"


@pytest.fixture
def flux(tmp_path):
    """A transformer alone, and where the rest of it is."""
    flow_models.write_parts(tmp_path, "clip_l", "t5xxl", "vae")
    flow_models.write_tokenizer(tmp_path / "text_encoder")
    path = write_random(tmp_path / "flux.safetensors", flow_models.FLUX, 3, flow_models.ARCHITECTURE)
    return path, Places((tmp_path / "text_encoder",), (tmp_path / "VAE",))


def test_a_lora_baked_into_a_transformer_alone_is_to_the_bit_what_the_engine_merges(flux, made, tmp_path):
    torch.manual_seed(0)
    (path, places), tensors = flux, {}
    for name, rows in ((SINGLE, 448), (ATTENTION, 192)):
        tensors |= {
            f"{name}.lora_down.weight": torch.randn(2, 64),
            f"{name}.lora_up.weight": torch.randn(rows, 2) * 0.1,
        }
    save_file(tensors, tmp_path / "lora.safetensors")
    weights = load_checkpoint(path, places=places)
    assert merge(weights, [Wanted(read_lora(tmp_path / "lora.safetensors"), 1.0, 0.8)]) == []
    loras = [{"name": str(tmp_path / "lora.safetensors"), "weight": 1.0, "unet": 0.8}]
    new = made("merge", path, method="No interpolation", loras=loras, dtype="fp32")
    assert load_file(new).keys() == load_file(path).keys()
    baked, plain = load_checkpoint(new, places=places), load_checkpoint(path, places=places)
    ours, theirs, before = (one.unet.state_dict() for one in (baked, weights, plain))
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert sum(not ours[name].equal(before[name]) for name in before) == 4 + 3


def test_a_transformer_alone_is_converted_whole_and_not_merged(flux, made):
    path, places = flux
    new = made("convert", path, dtype="fp8", prune=True)
    kinds = {name: tensor.dtype for name, tensor in load_file(new).items()}
    assert kinds.keys() == load_file(path).keys()
    assert kinds["double_blocks.0.img_attn.qkv.weight"] == torch.float8_e4m3fn
    assert kinds["double_blocks.0.img_attn.norm.query_norm.scale"] == torch.float16
    assert load_checkpoint(new, places=places).family.id == "flux"
    with pytest.raises(UserError, match="cannot be merged"):
        made("merge", path, second="a", method="Weighted sum", target=str(new.parent / "other.safetensors"))


def test_sd_3s_places_stay_fine_in_fp8_and_its_parts_may_be_merged(made, tmp_path):
    shapes = {**flow_models.SD3_MEDIUM, **under(flow_models.VAE, flow_models.VAE_OF_16)}
    one, two = (write_random(tmp_path / f"{seed}.safetensors", shapes, seed) for seed in (1, 2))
    kinds = {name: tensor.dtype for name, tensor in load_file(made("convert", one, dtype="fp8")).items()}
    prefix = "model.diffusion_model."
    assert kinds[f"{prefix}joint_blocks.0.x_block.attn.qkv.weight"] == torch.float8_e4m3fn
    assert kinds[f"{prefix}pos_embed"] == kinds["first_stage_model.decoder.conv_in.weight"] == torch.float16
    target = str(tmp_path / "merged.safetensors")
    made(
        "merge", one, second=str(two).removesuffix(".safetensors"), method="Weighted sum", multiplier=0.5, target=target
    )
    a, b, mixed = load_file(one), load_file(two), load_file(target)
    name = f"{prefix}joint_blocks.0.x_block.attn.qkv.weight"
    assert mixed[name].equal(((a[name].float() + b[name].float()) / 2).half())

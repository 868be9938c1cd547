"""LoRAs for SD 3 and FLUX: kohya's scripts change layers as checkpoints have them, several of the network's at once."""

import pytest
import torch
from safetensors.torch import save_file

from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from tests import flow_models as made
from tests.toy import write_random

ATTENTION, SINGLE = "double_blocks.0.txt_attn.qkv", "single_blocks.1.linear1"
PARTS = {  # each of the network's layers: its diffusers name, and its first and last row
    ATTENTION: {f"transformer_blocks.0.attn.add_{x}_proj": (64 * n, 64 * n + 64) for n, x in enumerate("qkv")},
    SINGLE: {
        **{f"single_transformer_blocks.1.attn.to_{x}": (64 * n, 64 * n + 64) for n, x in enumerate("qkv")},
        "single_transformer_blocks.1.proj_mlp": (192, 448),
    },
}
ROWS = {ATTENTION: 192, SINGLE: 448}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    made.write_tokenizer(folder)
    shapes = made.all_in_one(made.FLUX, "clip_l", "t5xxl")
    return load_checkpoint(write_random(folder / "flux.safetensors", shapes, seed=3, metadata=made.ARCHITECTURE))


def weights_of(model):
    return {name: one.clone() for name, one in model.unet.named_parameters()}


def used(model, path, tensors, factor=0.5):
    """What there is to remark of a LoRA of these tensors, and the weights with it."""
    save_file(tensors, path)
    remarks = merge(model, [Wanted(read_lora(path), factor, factor)])
    return remarks, weights_of(model)


def test_a_fused_layer_is_changed_in_all_its_parts_under_either_name(model, tmp_path, noise):
    before = weights_of(model)
    down, up = {name: noise(4, 64) for name in ROWS}, {name: noise(rows, 4) * 0.1 for name, rows in ROWS.items()}
    kohya, peft = {}, {}
    for name in ROWS:
        flat = f"lora_unet_{name.replace('.', '_')}"
        kohya |= {f"{flat}.lora_down.weight": down[name], f"{flat}.lora_up.weight": up[name]}
        kohya[f"{flat}.alpha"] = torch.tensor(2.0)
        for part, (first, last) in PARTS[name].items():
            peft[f"transformer.{part}.lora_A.weight"] = down[name].clone()
            peft[f"transformer.{part}.lora_B.weight"] = up[name][first:last] * 0.5
    remarks, fused = used(model, tmp_path / "kohya.safetensors", kohya)
    assert not remarks
    for name, parts in PARTS.items():
        change = up[name] @ down[name] * 0.5 * 0.5
        for part, (first, last) in parts.items():
            torch.testing.assert_close(fused[f"{part}.weight"], before[f"{part}.weight"] + change[first:last])
    changed = {name for name in before if not torch.equal(before[name], fused[name])}
    assert changed == {f"{part}.weight" for parts in PARTS.values() for part in parts}
    remarks, apart = used(model, tmp_path / "peft.safetensors", peft)
    assert not remarks
    for name in before:
        torch.testing.assert_close(apart[name], fused[name])
    merge(model, [])
    assert all(torch.equal(before[name], one) for name, one in weights_of(model).items())


def test_products_and_differences_of_fused_layers_are_cut_too(model, tmp_path, noise):
    before = weights_of(model)
    flat = f"lora_unet_{ATTENTION.replace('.', '_')}"
    one, two = (noise(192, 2) * 0.3, noise(2, 64)), (noise(192, 2) * 0.3, noise(2, 64))
    loha = dict(zip((f"{flat}.hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b")), (*one, *two), strict=True))
    small, large, whole = noise(3, 2), noise(64, 32) * 0.1, noise(192, 64)
    cases = {
        "loha": (loha, (one[0] @ one[1]) * (two[0] @ two[1])),
        "lokr": ({f"{flat}.lokr_w1": small, f"{flat}.lokr_w2": large}, torch.kron(small, large)),
        "diff": ({f"{flat}.diff": whole}, whole),
    }
    for name, (tensors, change) in cases.items():
        remarks, found = used(model, tmp_path / f"{name}.safetensors", tensors, factor=1.0)
        assert not remarks
        for part, (first, last) in PARTS[ATTENTION].items():
            torch.testing.assert_close(found[f"{part}.weight"], before[f"{part}.weight"] + change[first:last])
    merge(model, [])


def test_a_form_that_needs_all_rows_is_left_out_and_said(model, tmp_path, noise):
    before = weights_of(model)
    flat = f"lora_unet_{ATTENTION.replace('.', '_')}"
    dora = {f"{flat}.lora_down.weight": noise(4, 64), f"{flat}.lora_up.weight": noise(192, 4)}
    remarks, found = used(model, tmp_path / "dora.safetensors", dora | {f"{flat}.dora_scale": noise(192, 1).abs()})
    problem = f"its {flat} cannot be shared out among the layers that it is for."
    assert remarks == [f"dora.safetensors does not fit this FLUX model: {problem}"]
    assert all(torch.equal(before[name], one) for name, one in found.items())

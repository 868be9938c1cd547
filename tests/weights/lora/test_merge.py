"""A merged LoRA computes what LoRA's formula says, and goes without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.core.errors import UserError
from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from modules.weights.prepared import prepare_network
from modules.weights.weights import Weights
from tests.lora import kohyas_text, kohyas_unet, layers, pair, write_lora
from tests.open_clip import sd2_shapes, sdxl_shapes
from tests.toy import write_random, write_toy_checkpoint


@pytest.fixture
def model(toy: Path) -> Weights:
    """A model of one's own; cheap, since it maps or casts a file of 6 MB."""
    return load_checkpoint(toy)


@pytest.fixture
def lora(tmp_path: Path, weights: Weights) -> Path:
    return write_lora(tmp_path / "ink.safetensors", weights)


def state_of(model: Weights) -> dict[str, Tensor]:
    networks = {"unet": model.unet, "text": model.text_encoder}
    return {
        f"{key} {name}": value.clone()
        for key, network in networks.items()
        for name, value in network.state_dict().items()
    }


def predicted(model: Weights) -> Tensor:
    torch.manual_seed(0)
    text = torch.randn(1, 77, model.unet.config.cross_attention_dim)
    return model.predict(torch.randn(1, 4, 8, 8), torch.tensor([500.0]), text)


class adding:
    """PEFT's own rule while the block lasts: what each layer gives, plus scale * up(down(x))."""

    def __init__(self, found: list[tuple[nn.Module, dict[str, Tensor]]], factor: float = 1.0) -> None:
        self._hooks = [layer.register_forward_hook(_rule(tensors, factor)) for layer, tensors in found]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


def _rule(tensors: dict[str, Tensor], factor: float) -> Callable[..., Tensor]:
    up, down, alpha = tensors.values()
    scale = factor * alpha / len(down)

    def hook(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        if isinstance(layer, nn.Conv2d):
            return output + scale * F.conv2d(F.conv2d(inputs[0], down, None, layer.stride, layer.padding), up)
        return output + scale * F.linear(F.linear(inputs[0], down), up)

    return hook


def test_every_kind_of_layer_computes_what_pefts_rule_says(model: Weights, tmp_path: Path) -> None:
    tensors, rule = {}, []
    for number, (name, layer) in enumerate(layers(model.unet, "")):
        made = pair(layer, f"lora_unet_{name.replace('.', '_')}", seed=number)
        rule.append((layer, made))
        tensors |= made
    save_file(tensors, tmp_path / "all.safetensors")
    plain = predicted(model)
    with adding(rule, 0.6):
        expected = predicted(model)
    assert merge(model, [Wanted(read_lora(tmp_path / "all.safetensors"), unet=0.6)]) == []
    assert (expected - plain).abs().max() > 0.05
    torch.testing.assert_close(predicted(model), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("prepared", [False, True], ids=["plain layers", "prepared layers"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_model_without_its_loras_is_the_same_to_the_bit(
    toy: Path, lora: Path, dtype: torch.dtype, prepared: bool
) -> None:
    model = load_checkpoint(toy, dtype=dtype)
    before, first = state_of(model), predicted(model) if dtype != torch.float16 else None
    if prepared:
        prepare_network(model.unet)
        first = predicted(model) if first is not None else None  # from here on the weights are in another order
    merge(model, [Wanted(read_lora(lora), 0.7, 1.3)])
    if first is not None:
        assert not torch.equal(predicted(model), first)
    merge(model, [])
    after = state_of(model)
    assert all(value.is_meta or torch.equal(value, before[name]) for name, value in after.items())
    assert first is None or torch.equal(predicted(model), first)


def test_two_loras_add_up_and_each_can_go_alone(model: Weights, tmp_path: Path) -> None:
    ink = read_lora(write_lora(tmp_path / "ink.safetensors", model))
    wash = read_lora(write_lora(tmp_path / "wash.safetensors", model, unet="attn", seed=100))
    plain = state_of(model)
    changes = {}
    for name, doses in {"ink": [Wanted(ink, 0.5, 0.5)], "wash": [Wanted(wash)]}.items():
        merge(model, doses)
        changes[name] = {key: value - plain[key] for key, value in state_of(model).items()}
    merge(model, [Wanted(ink, 0.5, 0.5), Wanted(wash)])
    for key, value in state_of(model).items():
        torch.testing.assert_close(value, plain[key] + changes["ink"][key] + changes["wash"][key], rtol=0, atol=1e-5)
    merge(model, [Wanted(wash)])
    for key, value in state_of(model).items():
        torch.testing.assert_close(value, plain[key] + changes["wash"][key], rtol=0, atol=1e-6)
    merge(model, [])
    assert all(torch.equal(value, plain[key]) for key, value in state_of(model).items())


def test_the_same_loras_again_touch_no_layer(model: Weights, lora: Path) -> None:
    wanted = [Wanted(read_lora(lora))]
    merge(model, wanted)
    before = list(model.unet.parameters())
    merge(model, [Wanted(read_lora(lora))])
    assert all(one is other for one, other in zip(before, model.unet.parameters(), strict=True))


def test_another_factor_for_the_text_leaves_the_unet_alone(model: Weights, lora: Path) -> None:
    file = read_lora(lora)
    merge(model, [Wanted(file)])
    before, told = list(model.unet.parameters()), model.merged.in_text_encoder
    merge(model, [Wanted(file, text_encoder=0.2)])
    assert all(one is other for one, other in zip(before, model.unet.parameters(), strict=True))
    assert model.merged.in_text_encoder != told
    merge(model, [Wanted(file, text_encoder=0.2, unet=0.1)])
    assert model.merged.in_text_encoder == (Wanted(file, 0.2, 0.0).dose,)


def test_a_rank_keeps_only_the_first_of_them(model: Weights, tmp_path: Path) -> None:
    name, layer = layers(model.unet, "attn2.to_k")[0]
    tensors = pair(layer, f"lora_unet_{name.replace('.', '_')}", rank=4)
    save_file(tensors, tmp_path / "x.safetensors")
    plain = layer.weight.clone()
    up, down, alpha = tensors.values()
    merge(model, [Wanted(read_lora(tmp_path / "x.safetensors"), rank=1)])
    torch.testing.assert_close(layer.weight - plain, up[:, :1] @ down[:1] * alpha / 4, rtol=0, atol=1e-6)


def test_a_bias_and_a_norm_are_changed_and_changed_back(model: Weights, tmp_path: Path) -> None:
    prepare_network(model.unet)
    plain, before = predicted(model), model.unet.conv_in.bias.clone()
    tensors = {
        "lora_unet_conv_in.diff": torch.full((32, 4, 3, 3), 0.1),
        "lora_unet_conv_in.diff_b": torch.full((32,), 0.5),
        "lora_unet_conv_norm_out.w_norm": torch.full((32,), 0.25),
        "lora_unet_conv_norm_out.b_norm": torch.full((32,), -0.25),
    }
    save_file(tensors, tmp_path / "full.safetensors")
    assert merge(model, [Wanted(read_lora(tmp_path / "full.safetensors"), unet=2)]) == []
    torch.testing.assert_close(model.unet.conv_in.bias, before + 1)
    assert not torch.allclose(predicted(model), plain)
    merge(model, [])
    assert torch.equal(predicted(model), plain)


FAMILIES = {"sd2": (sd2_shapes, 1), "sdxl": (sdxl_shapes, 2)}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_other_families_are_found_under_kohyas_names(family: str, tmp_path: Path) -> None:
    shapes, encoders = FAMILIES[family]
    model = load_checkpoint(write_random(tmp_path / "model.safetensors", shapes()))
    text = list(kohyas_text(model, "mlp.fc1"))
    assert len(text) == 3 * encoders
    plain = state_of(model)
    remarks = merge(model, [Wanted(read_lora(write_lora(tmp_path / "x.safetensors", model, text="mlp.fc1")))])
    changed = {name for name, value in state_of(model).items() if not torch.equal(value, plain[name])}
    assert remarks == []
    assert len(changed) == len(text) + len(list(kohyas_unet(model, "attn2")))
    merge(model, [])
    assert all(torch.equal(value, plain[name]) for name, value in state_of(model).items())


SPELLINGS = {
    "kohya": "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0.lora_{}.weight",
    "kohya, the original layout": "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_out_0.lora_{}.weight",
    "diffusers": "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora.{}.weight",
    "old diffusers": "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.{}.weight",
    "PEFT in diffusers": "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_{PEFT}.weight",
    "PEFT": "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_{PEFT}.weight",
    "the original": "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0.lora_{PEFT}.weight",
    "kohya's text": "lora_te_text_model_encoder_layers_1_self_attn_out_proj.lora_{}.weight",
    "diffusers' text": "text_encoder.text_model.encoder.layers.1.self_attn.out_proj.lora_linear_layer.{}.weight",
    "old diffusers' text": "text_encoder.text_model.encoder.layers.1.self_attn.to_out_lora.{}.weight",
    "PEFT's text": "base_model.model.text_model.encoder.layers.1.self_attn.out_proj.lora_{PEFT}.weight",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_layer_is_known_by_all_its_names(model: Weights, tmp_path: Path, spelling: str) -> None:
    text = "text" in spelling
    network = model.text_encoder if text else model.unet
    path = (
        "encoder.layers.1.self_attn.out_proj"
        if text
        else ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0")
    )
    layer = network.get_submodule(path)
    up, down = torch.randn(32, 3), torch.randn(3, 32)
    plain = layer.weight.clone()
    save_file(
        {spelling.format("up", PEFT="B"): up, spelling.format("down", PEFT="A"): down}, tmp_path / "x.safetensors"
    )
    assert merge(model, [Wanted(read_lora(tmp_path / "x.safetensors"))]) == []
    torch.testing.assert_close(layer.weight - plain, up @ down, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rank_root", [False, True])
def test_pefts_configuration_says_what_alpha_is(model: Weights, tmp_path: Path, rank_root: bool) -> None:
    name, layer = layers(model.unet, "attn2.to_k")[0]
    up, down = torch.randn(len(layer.weight), 4), torch.randn(4, 32)
    tensors = {f"base_model.model.{name}.lora_B.weight": up, f"base_model.model.{name}.lora_A.weight": down}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    facts = {"lora_alpha": 8, "r": 4, "use_rslora": rank_root, "alpha_pattern": {}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(facts))
    plain = layer.weight.clone()
    merge(model, [Wanted(read_lora(tmp_path / "adapter_model.safetensors"))])
    torch.testing.assert_close(layer.weight - plain, up @ down * (4 if rank_root else 2), rtol=0, atol=1e-5)


def test_diffusers_metadata_says_what_alpha_is(model: Weights, tmp_path: Path) -> None:
    name, layer = layers(model.unet, "attn2.to_k")[0]
    up, down = torch.randn(len(layer.weight), 4), torch.randn(4, 32)
    tensors = {f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_A.weight": down}
    told = {"unet.lora_alpha": 2, "unet.r": 4, "unet.alpha_pattern": {"attn1.to_q": 1}, "text_encoder.lora_alpha": 9}
    save_file(tensors, tmp_path / "x.safetensors", {"lora_adapter_metadata": json.dumps(told)})
    plain = layer.weight.clone()
    merge(model, [Wanted(read_lora(tmp_path / "x.safetensors"))])
    torch.testing.assert_close(layer.weight - plain, up @ down / 2, rtol=0, atol=1e-5)


def test_a_lora_for_another_family_is_named_and_left_out(model: Weights, lora: Path, tmp_path: Path) -> None:
    other = load_checkpoint(write_random(tmp_path / "xl.safetensors", sdxl_shapes()))
    wrong = read_lora(write_lora(tmp_path / "wrong.safetensors", other, unet="down_blocks.1.attentions.0", text="none"))
    before = state_of(model)
    remarks = merge(model, [Wanted(wrong)])
    assert len(remarks) == 1
    assert "wrong.safetensors" in remarks[0]
    assert "SD 1.x" in remarks[0]
    assert all(torch.equal(value, before[name]) for name, value in state_of(model).items())
    assert merge(model, [Wanted(read_lora(lora)), Wanted(wrong)]) == remarks
    assert merge(model, [Wanted(read_lora(lora)), Wanted(wrong)]) == remarks  # said with every job


def test_layers_that_the_model_lacks_are_counted(model: Weights, tmp_path: Path) -> None:
    name, layer = layers(model.unet, "attn2.to_k")[0]
    tensors = pair(layer, f"lora_unet_{name.replace('.', '_')}") | pair(layer, "lora_unet_nowhere")
    save_file(tensors, tmp_path / "part.safetensors")
    plain = layer.weight.clone()
    remarks = merge(model, [Wanted(read_lora(tmp_path / "part.safetensors"))])
    assert "1 of the 2 layers" in remarks[0]
    assert not torch.equal(layer.weight, plain)


def test_a_checkpoint_that_changed_meanwhile_is_not_read_into_the_model(lora: Path, tmp_path: Path) -> None:
    path = write_toy_checkpoint(tmp_path / "mine.safetensors")
    model = load_checkpoint(path)
    merge(model, [Wanted(read_lora(lora))])
    write_toy_checkpoint(path, seed=5)
    with pytest.raises(UserError, match=r"mine\.safetensors changed"):
        merge(model, [])


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"lora_unet_conv_in.lora_up.weight": 1, "lora_unet_conv_in.lora_down.weight": 1, "x.ia3_l": 1}, "x.ia3_l"),
        ({"lora_unet_conv_in.lora_down.weight": 1}, "cannot be applied yet"),
        ({"something": 1}, "not a LoRA"),
    ],
    ids=["a form that is not known", "half of a pair", "something else"],
)
def test_what_cannot_be_applied_is_named(tmp_path: Path, tensors: dict, message: str) -> None:
    save_file({name: torch.zeros(2, 2) for name in tensors}, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match=message):
        read_lora(tmp_path / "odd.safetensors")

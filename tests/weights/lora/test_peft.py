"""What PEFT saves beside plain LoRA, and files whose parts no layer could have. PEFT's own merge gives the same numbers
as these formulas, to 1e-7.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from modules.core.errors import UserError
from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from modules.weights.weights import Weights

LAYER, KOHYA = "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0", "lora_unet_mid_block_attentions_0_proj_in"


@pytest.fixture
def model(toy: Path) -> Weights:
    return load_checkpoint(toy)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.3


def saved(folder: Path, parts: dict[str, Tensor], **configuration: object) -> Path:
    """A folder's file as PEFT writes it, its configuration beside it."""
    path = folder / "adapter_model.safetensors"
    save_file({f"base_model.model.{LAYER}.{name}": tensor for name, tensor in parts.items()}, path)
    (folder / "adapter_config.json").write_text(json.dumps(configuration))
    return path


def change(model: Weights, path: Path) -> tuple[Tensor, Tensor]:
    """What a file adds to the layer's weight and bias."""
    layer = model.unet.get_submodule(LAYER)
    before = layer.weight.clone(), layer.bias.clone()
    assert merge(model, [Wanted(read_lora(path))]) == []
    return layer.weight - before[0], layer.bias - before[1]


def test_pefts_loha_has_its_alpha_under_another_word(model: Weights, tmp_path: Path) -> None:
    parts = {f"hada_w{one}_a": noise(64, 4) for one in (1, 2)} | {f"hada_w{one}_b": noise(4, 64) for one in (1, 2)}
    product = parts["hada_w1_a"] @ parts["hada_w1_b"]
    weight, _ = change(model, saved(tmp_path, parts, peft_type="LOHA", alpha=6, r=4))
    torch.testing.assert_close(weight, product * product * 1.5, rtol=0, atol=1e-5)


@pytest.mark.parametrize("ranks", [{}, {"to_out.0": 2}])
def test_pefts_lokr_scales_whole_matrices_too(model: Weights, tmp_path: Path, ranks: dict[str, int]) -> None:
    parts = {"lokr_w1": noise(4, 8), "lokr_w2": noise(16, 8)}
    told = {"peft_type": "LOKR", "alpha": 6, "r": 4, "rank_pattern": ranks}
    weight, _ = change(model, saved(tmp_path, parts, **told))
    factor = 3 if ranks else 1.5
    torch.testing.assert_close(weight, torch.kron(parts["lokr_w1"], parts["lokr_w2"]) * factor, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "told", ["[" * 100_000, '{"lora_alpha": 1e999, "r": 1e999}', '{"alpha_pattern": [1]}', "null", "{"]
)
def test_a_configuration_that_cannot_be_read_counts_as_none(model: Weights, tmp_path: Path, told: str) -> None:
    parts = {"lora_A.weight": noise(4, 64), "lora_B.weight": noise(64, 4)}
    path = saved(tmp_path, parts)
    (tmp_path / "adapter_config.json").write_text(told)
    weight, _ = change(model, path)
    torch.testing.assert_close(weight, parts["lora_B.weight"] @ parts["lora_A.weight"], rtol=0, atol=1e-5)


def test_what_the_second_matrix_adds_changes_the_bias(model: Weights, tmp_path: Path) -> None:
    parts = {"lora_A.weight": noise(4, 64), "lora_B.weight": noise(64, 4), "lora_B.bias": noise(64)}
    weight, bias = change(model, saved(tmp_path, parts, lora_alpha=2, r=4, lora_bias=True))
    torch.testing.assert_close(weight, parts["lora_B.weight"] @ parts["lora_A.weight"] / 2, rtol=0, atol=1e-5)
    torch.testing.assert_close(bias, parts["lora_B.bias"] / 2, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "form"), [("ia3_l", "IA3"), ("oft_R", "OFT"), ("boft_R", "BOFT")])
def test_forms_of_pefts_own_are_named_for_what_they_are(tmp_path: Path, name: str, form: str) -> None:
    with pytest.raises(UserError, match=rf"is a {form} of a form that cannot be applied yet: .*{name}"):
        read_lora(saved(tmp_path, {name + (".weight" if name == "oft_R" else ""): noise(64, 1)}))


@pytest.mark.parametrize(
    "parts",
    [
        {"lora_up.weight": noise(64, 2), "lora_down.weight": noise(2, 64), "alpha": noise(3)},
        {"weight": noise(64), "on_input": noise(64)},
    ],
)
def test_an_alpha_of_several_numbers_is_refused(tmp_path: Path, parts: dict[str, Tensor]) -> None:
    save_file({f"{KOHYA}.{name}": tensor for name, tensor in parts.items()}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="several numbers for alpha"):
        read_lora(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "parts",
    [
        {"lora_up.weight": noise(64, 0), "lora_down.weight": noise(0, 64), "alpha": torch.tensor(1.0)},
        {
            "hada_w1_a": noise(64, 2),
            "hada_w1_b": torch.tensor(1.0),
            "hada_w2_a": noise(64, 2),
            "hada_w2_b": noise(2, 64),
        },
        {"lokr_w1": torch.tensor(1.0), "lokr_w2": torch.tensor(1.0)},
        {"lora_down.weight": torch.tensor(1.0), "lora_up.weight": torch.tensor(1.0)},
        {"oft_blocks": noise(5)},
        {"diff": noise(64, 64), "lora_B.bias": noise(64)},
    ],
)
def test_parts_that_no_layer_could_have_are_said_and_left_out(
    model: Weights, tmp_path: Path, parts: dict[str, Tensor]
) -> None:
    save_file({f"{KOHYA}.{name}": tensor for name, tensor in parts.items()}, tmp_path / "odd.safetensors")
    before = model.unet.mid_block.attentions[0].proj_in.weight.clone()
    assert "odd.safetensors does not fit" in merge(model, [Wanted(read_lora(tmp_path / "odd.safetensors"))])[0]
    assert torch.equal(model.unet.mid_block.attentions[0].proj_in.weight, before)


def test_a_change_of_the_words_themselves_is_merged_and_goes(model: Weights, tmp_path: Path) -> None:
    words = model.text_encoder.embeddings.token_embedding
    before = words.weight.clone()
    name = "lora_te_text_model_embeddings_token_embedding"
    save_file({f"{name}.diff": torch.ones_like(before)}, tmp_path / "words.safetensors")
    assert merge(model, [Wanted(read_lora(tmp_path / "words.safetensors"))]) == []
    torch.testing.assert_close(words.weight, before + 1)
    merge(model, [])
    assert torch.equal(words.weight, before)

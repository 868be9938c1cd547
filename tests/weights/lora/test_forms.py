"""Each form of LoRA by its formula, written out in another way than the program's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from modules.weights.lora.forms import Change


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + seed))


WEIGHT, KERNEL = random(8, 6), random(8, 6, 3, 3)


def close(found: Tensor | None, expected: Tensor) -> None:
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_lora_is_up_times_down_by_alpha_over_rank() -> None:
    up, down = random(8, 2), random(2, 6)
    close(Change({"up": up, "down": down}, 1.0).of_weight(WEIGHT), up @ down / 2)
    close(Change({"up": up, "down": down}).of_weight(WEIGHT), up @ down)
    close(Change({"up": up, "down": down}, 3.0, rank_root=True).of_weight(WEIGHT), up @ down * 3 / 2**0.5)


def test_locon_is_two_convolutions_one_after_the_other() -> None:
    up, down, x = random(8, 2, 1, 1), random(2, 6, 3, 3), random(1, 6, 5, 5)
    change = Change({"up": up, "down": down}, 2.0).of_weight(KERNEL)
    expected = nn.functional.conv2d(nn.functional.conv2d(x, down, padding=1), up)
    torch.testing.assert_close(nn.functional.conv2d(x, change, padding=1), expected, rtol=0, atol=1e-4)


def test_locon_with_a_core_is_three_convolutions() -> None:
    up, mid, down, x = random(8, 2, 1, 1), random(2, 3, 3, 3), random(3, 6, 1, 1), random(1, 6, 5, 5)
    change = Change({"up": up, "mid": mid, "down": down}, 3.0).of_weight(KERNEL)
    conv = nn.functional.conv2d
    torch.testing.assert_close(conv(x, change), conv(conv(conv(x, down), mid), up), rtol=0, atol=1e-4)


def test_loha_multiplies_two_products_number_by_number() -> None:
    parts = {"w1_a": random(8, 2), "w1_b": random(2, 6), "w2_a": random(8, 2, seed=1), "w2_b": random(2, 6, seed=1)}
    change = Change(parts, 4.0).of_weight(WEIGHT)
    expected = (parts["w1_a"] @ parts["w1_b"])[3, 4] * (parts["w2_a"] @ parts["w2_b"])[3, 4] * 2
    close(change[3, 4], expected)


def test_loha_with_cores_sums_over_both_ranks() -> None:
    parts = {"t1": random(2, 2, 3, 3), "w1_a": random(2, 8), "w1_b": random(2, 6)}
    parts |= {"t2": random(2, 2, 3, 3, seed=1), "w2_a": random(2, 8, seed=1), "w2_b": random(2, 6, seed=1)}
    sums = [
        sum(
            parts[f"t{n}"][i, j, 0, 2] * parts[f"w{n}_a"][i, 3] * parts[f"w{n}_b"][j, 4]
            for i in range(2)
            for j in range(2)
        )
        for n in (1, 2)
    ]
    close(Change(parts, 2.0).of_weight(KERNEL)[3, 4, 0, 2], sums[0] * sums[1])


def test_lokr_lays_one_matrix_into_each_number_of_another() -> None:
    one, two = random(2, 3), random(4, 2)
    change = Change({"kr_w1": one, "kr_w2": two}, 99.0).of_weight(WEIGHT)  # whole matrices are not scaled
    close(change[4:, 2:4], one[1, 1] * two)
    low = Change({"kr_w1": one, "kr_w2_a": random(4, 1), "kr_w2_b": random(1, 2)}, 3.0).of_weight(WEIGHT)
    close(low[:4, :2], one[0, 0] * random(4, 1) @ random(1, 2) * 3)


def test_lokr_of_a_convolution_has_its_kernel_in_the_second_matrix() -> None:
    one, two = random(2, 3), random(4, 2, 3, 3)
    change = Change({"kr_w1": one, "kr_w2": two}).of_weight(KERNEL)
    close(change[4:, 2:4], one[1, 1] * two)
    flat = Change({"kr_w1": one, "kr_w2_a": random(4, 1), "kr_w2_b": random(1, 18)}, 1.0).of_weight(KERNEL)
    close(flat[:4, :2].flatten(1), one[0, 0] * random(4, 1) @ random(1, 18))


@pytest.mark.parametrize(("on_input", "axis"), [(False, 0), (True, 1)])
def test_ia3_lets_rows_or_columns_grow(on_input: bool, axis: int) -> None:
    factors = random(WEIGHT.shape[axis])
    expected = WEIGHT * (factors[:, None] if axis == 0 else factors[None])
    close(Change({"factors": factors}, on_input=on_input).of_weight(WEIGHT), expected)


@pytest.mark.parametrize("swapped", [False, True], ids=["LyCORIS 3", "earlier"])
def test_glora_adds_a_product_and_the_weight_times_another(swapped: bool) -> None:
    into, out, up, down = random(6, 2), random(2, 6, seed=1), random(8, 2), random(2, 6, seed=2)
    names = ("a2", "a1", "b2", "b1") if swapped else ("a1", "a2", "b1", "b2")
    parts = dict(zip(names, (into, out, up, down), strict=True))
    close(Change(parts, 1.0).of_weight(WEIGHT), (WEIGHT @ into @ out + up @ down) / 2)


@pytest.mark.parametrize("weight", [WEIGHT, KERNEL], ids=["linear", "convolution"])
@pytest.mark.parametrize("blocks", [random(2, 4, 4), random(2, 2, 4, 4)], ids=["OFT", "BOFT"])
def test_oft_turns_the_weight_and_keeps_every_length(weight: Tensor, blocks: Tensor) -> None:
    turned = weight + Change({"oft_blocks": blocks}).of_weight(weight)
    assert not torch.allclose(turned, weight, atol=0.1)
    flat, before = turned.flatten(1), weight.flatten(1)
    torch.testing.assert_close(flat.T @ flat, before.T @ before, rtol=0, atol=1e-4)


def test_oft_turns_each_block_of_rows_alone() -> None:
    blocks = random(2, 4, 4)
    blocks[1] = 0
    change = Change({"oft_blocks": blocks}).of_weight(WEIGHT)
    assert change[:4].abs().max() > 0.1
    close(change[4:], torch.zeros(4, 6))


def test_alpha_bounds_how_far_oft_turns() -> None:
    blocks = random(2, 4, 4)
    near = Change({"oft_blocks": blocks}, 1e-4).of_weight(WEIGHT)
    assert 0 < near.norm() < 0.01 * Change({"oft_blocks": blocks}).of_weight(WEIGHT).norm()


@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        ({"dora_scale": torch.full((8, 1), 2.0)}, True),
        ({"dora_scale": torch.full((1, 6), 2.0)}, False),
        ({"magnitude": torch.full((8,), 2.0)}, True),
    ],
    ids=["of rows", "of columns", "PEFT's"],
)
def test_dora_gives_the_changed_weight_a_learnt_length(parts: dict[str, Tensor], rows: bool) -> None:
    up, down = random(8, 2), random(2, 6)
    changed = WEIGHT + Change({"up": up, "down": down, **parts}, 2.0).of_weight(WEIGHT)
    close(changed.norm(dim=1 if rows else 0), torch.full((8 if rows else 6,), 2.0))
    plain = WEIGHT + up @ down
    close(nn.functional.cosine_similarity(changed, plain, dim=1 if rows else 0), torch.ones(8 if rows else 6))


def test_pefts_length_of_a_convolution_is_one_of_its_outputs() -> None:
    parts = {"up": random(8, 2, 1, 1), "down": random(2, 6, 3, 3), "magnitude": torch.full((1, 8, 1, 1), 3.0)}
    changed = KERNEL + Change(parts).of_weight(KERNEL)
    close(changed.flatten(1).norm(dim=1), torch.full((8,), 3.0))


def test_a_change_is_added_up_in_full_precision_whatever_it_is_stored_in() -> None:
    up, down = random(8, 2).half(), random(2, 6).half()
    found = Change({"up": up, "down": down}).of_weight(WEIGHT.half())
    assert found.dtype == torch.float32
    close(found, up.float() @ down.float())

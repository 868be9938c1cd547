"""The dtype follows what the CPU says it can do."""

import sys

import pytest
import torch

from modules.weights.precision import choose_device, choose_precision, cpu_has_bf16


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists CPU features in a file")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu sse avx2 avx512f avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu sse avx2 amx_bf16", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu sse avx2 avx512f", False),
        ("flags\t\t: fpu not_avx512_bf16_really", False),
        ("model name\t: avx512_bf16", False),
    ],
)
def test_bf16_is_chosen_only_where_the_cpu_lists_it(tmp_path, line, expected):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{line}\n")
    assert cpu_has_bf16(cpuinfo) is expected


def test_without_a_list_of_features_bf16_is_not_chosen(tmp_path):
    assert cpu_has_bf16(tmp_path / "absent") is False


def test_on_a_cpu_all_networks_share_one_dtype():
    chosen = choose_precision(torch.device("cpu"))
    assert chosen.dtype == chosen.vae_dtype == (torch.bfloat16 if cpu_has_bf16() else torch.float32)


def test_the_chosen_device_exists():
    assert torch.zeros(1, device=choose_device()).device.type == choose_device().type

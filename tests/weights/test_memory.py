"""Weights go back to the system when they are let go."""

from __future__ import annotations

import platform

import psutil
import pytest
import torch

from modules.weights.memory import give_pages_back, keep_pages, pages_of_their_own

MIB = 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told how to ask for memory")
def test_weights_leave_no_holes_among_the_kept_pages() -> None:
    keep_pages()
    weights, others = [], []
    for _ in range(100):
        with pages_of_their_own():
            weights.append(torch.ones(MIB // 4))
        others.append(torch.ones(1000))
    give_pages_back()
    before = psutil.Process().memory_info().rss
    weights.clear()
    assert before - psutil.Process().memory_info().rss > 95 * MIB
    assert len(others) == 100

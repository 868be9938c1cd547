"""Weights go back to the system when they are let go."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Prints how many MiB go back when 100 weights of 1 MiB do, between which other memory stays in use. A process of its
# own: in one that has free memory among what is in use, weights are put there first.
PROGRAM = """
import psutil, torch
from modules.weights.memory import give_pages_back, keep_pages, pages_of_their_own
keep_pages()
give_pages_back()
weights, others = [], []
with pages_of_their_own():
    for _ in range(100):
        weights.append(torch.ones(2**18))
        others.append(torch.ones(1000))
before = psutil.Process().memory_info().rss
weights.clear()
print((before - psutil.Process().memory_info().rss) / 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told how to ask for memory")
def test_weights_leave_no_holes_among_the_kept_pages() -> None:
    given = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(given.stdout) > 95

"""The machine's memory: how much is free, and how it is asked for."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

# The numbers by which glibc's malloc.h knows these options.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
KEPT, OWN = 32 << 20, 128 << 10  # bytes from which on memory has pages of its own: of all tensors, and of weights
SPARE = 64 << 20  # bytes that are asked for beyond what is wanted


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be allocated on the device without pushing anything else out; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if device.type == "cpu" and meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def keep_pages() -> None:
    """Asks glibc to keep freed memory for the next tensor: each fresh page costs a visit to the kernel. Elsewhere
    nothing happens.
    """
    glibc = _glibc()
    if glibc is not None:
        glibc.mallopt(MMAP_THRESHOLD, KEPT)
        glibc.mallopt(TRIM_THRESHOLD, (2 << 30) - 1)
        glibc.mallopt(TOP_PAD, SPARE)


@contextmanager
def pages_of_their_own() -> Iterator[None]:
    """Within it, tensors get pages of their own, as weights should: these go back to the system with them. Among the
    kept pages they would leave holes, and memory would grow from one model to the next. Where kept pages are free,
    those are taken first.
    """
    glibc = _glibc()
    if glibc is not None:
        glibc.mallopt(MMAP_THRESHOLD, OWN)
        glibc.mallopt(TOP_PAD, 0)
    try:
        yield
    finally:
        if glibc is not None:
            glibc.mallopt(MMAP_THRESHOLD, KEPT)
            glibc.mallopt(TOP_PAD, SPARE)


def give_pages_back() -> None:
    """Returns to the system what `keep_pages` held on to: after a model was let go."""
    glibc = _glibc()
    if glibc is not None:
        glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None

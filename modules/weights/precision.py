"""Chooses the device and the number format to compute in, for the machine at hand."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

# CPU features with which bf16 matrix products run in hardware; without one bf16 is emulated and slower than fp32.
BF16_FEATURES = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


@dataclass(frozen=True)
class Precision:
    """Where the networks live, and the dtypes of UNet and text encoder (`dtype`) and VAE (`vae_dtype`)."""

    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype


def choose_precision(device: torch.device | None = None) -> Precision:
    """The fastest precision that SD 1's networks are known to bear on `device` (default: the best one present).

    CUDA: fp16, but the VAE, whose activations overflow fp16, in bf16 where the GPU has it and else fp32. MPS: fp16 and
    an fp32 VAE. CPU: bf16 where the CPU multiplies it in hardware, else fp32.
    """
    device = device or choose_device()
    if device.type == "cuda":
        return Precision(
            device, torch.float16, torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
        )
    if device.type == "mps":
        return Precision(device, torch.float16, torch.float32)
    dtype = torch.bfloat16 if cpu_has_bf16() else torch.float32
    return Precision(device, dtype, dtype)


def named_precision(name: str, cpu: bool = False) -> Precision:
    """The precision a person asked for: "auto", "fp32", "fp16" or "bf16"; `cpu` keeps off the GPU."""
    device = torch.device("cpu") if cpu else None
    if name == "auto":
        return choose_precision(device)
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[name]
    return Precision(device or choose_device(), dtype, torch.float32 if dtype == torch.float16 else dtype)


def choose_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True where the kernel reports bf16 matrix instructions. Only Linux says so in a file; elsewhere: False, fp32."""
    if not sys.platform.startswith("linux") or not cpuinfo.exists():
        return False
    for line in cpuinfo.read_text(errors="replace").splitlines():
        key, _, features = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return not BF16_FEATURES.isdisjoint(features.split())
    return False

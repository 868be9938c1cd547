"""The checkpoints that everyone starts from, with random numbers: every tensor's name, shape and kind of number is the
published file's, and so is what surrounds the tensors in a pickle.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.catalog import architectures as made
from tests.flow_models import write_tokenizer
from tests.toy import conv

BLOCK = 1 << 21  # random numbers that all tensors are cut from, each from another place
DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "BF16": np.int16, "F8_E4M3": np.int8}
SHORT = {"BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn}
Table = dict[str, tuple[str, tuple[int, ...]]]  # name -> kind of number as safetensors writes it, shape

OUT_BIAS = "model.diffusion_model.out.2.bias"
SCHEDULE = (  # LatentDiffusion's buffers: what its noise schedule was, once for each of 1,000 timesteps
    *("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod"),
    *("log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod"),
    *("posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2"),
)
EMA_COUNTERS: Table = {"model_ema.decay": ("F32", ()), "model_ema.num_updates": ("I32", ())}
V_YAML = "model:\n  params:\n    parameterization: v\n    unet_config:\n      params: {in_channels: 4}\n"


@dataclass(frozen=True)
class Made:
    """A file to make. `official` names its configuration in official.py, `beside` a VAE and `yaml` a text that lie with
    it; `apart` are the files below a models folder that hold what it lacks, beside T5's tokenizer. `answers_v`: the
    UNet answers pure noise as one does that predicts v. `cut`: how many of its blocks it has, "" for all.
    """

    name: str
    official: str
    table: Table
    beside: Table = field(default_factory=dict)
    yaml: str = ""
    answers_v: bool = False
    apart: Mapping[str, Table] = field(default_factory=dict)
    cut: str = ""

    @property
    def gigabytes(self) -> float:
        return sum(prod(shape) * np.dtype(DTYPES[dtype]).itemsize for dtype, shape in self.table.values()) / 1e9

    @staticmethod
    def models(folder: Path) -> Path:
        """The models folder of a program whose data lie beside the file."""
        return folder / "data" / "models"

    def write(self, folder: Path) -> Path:
        """The file in `folder`, with what belongs beside it. Takes the file's size of memory if it is a pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        path, numbers = folder / self.name, Numbers(self.answers_v)
        if path.suffix == ".ckpt":
            write_pickle(path, self.table, numbers)
        else:
            write_safetensors(path, self.table, numbers)
        for place, table in self.apart.items():
            (self.models(folder) / place).parent.mkdir(parents=True, exist_ok=True)
            write_safetensors(self.models(folder) / place, table, numbers)
        if self.cut:
            write_tokenizer(self.models(folder) / "text_encoder")
        if self.beside:
            write_pickle(path.with_suffix(".vae.pt"), self.beside, numbers)
        if self.yaml:
            path.with_suffix(".yaml").write_text(self.yaml)
        return path


class Numbers:
    """Random numbers for tensors, at a scale that keeps activations near 1: no two tensors have the same."""

    def __init__(self, answers_v: bool) -> None:
        self._block = np.random.default_rng(0).standard_normal(BLOCK, dtype=np.float32)
        self._scaled: dict[tuple[float, str], np.ndarray] = {}
        self._answers_v = answers_v

    def of(self, index: int, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """The values of the tensor at place `index` of its file; those that numpy has no name for as their bytes."""
        if dtype in SHORT:
            values = torch.from_numpy(np.ascontiguousarray(self.of(index, name, "F32", shape)))
            return values.to(SHORT[dtype]).view(torch.int8 if dtype == "F8_E4M3" else torch.int16).numpy()
        if dtype.startswith("I"):
            return np.arange(prod(shape), dtype=DTYPES[dtype]).reshape(shape)
        mean, scale = 0.0, 0.1
        if len(shape) > 1:
            scale = 0.02 if "embedding" in name else prod(shape[1:]) ** -0.5
        elif name.endswith(("weight", "scale")):
            mean = 1.0  # norms multiply by about 1
        elif name == OUT_BIAS and self._answers_v:
            mean = -3.0
        if (scale, dtype) not in self._scaled:
            self._scaled[scale, dtype] = (self._block * scale).astype(DTYPES[dtype])
        values = np.resize(self._scaled[scale, dtype][index * 104_729 % BLOCK :], prod(shape)).reshape(shape)
        return values + DTYPES[dtype](mean) if mean else values


def write_safetensors(path: Path, table: Table, numbers: Numbers) -> None:
    entries, position = {}, 0
    for name, (dtype, shape) in table.items():
        end = position + prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    head = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for index, (name, (dtype, shape)) in enumerate(table.items()):
            file.write(numbers.of(index, name, dtype, shape).tobytes())


def write_pickle(path: Path, table: Table, numbers: Numbers) -> None:
    """What PyTorch Lightning's training leaves behind: the tensors among its own affairs, one of them an object."""
    tensors = {
        name: torch.from_numpy(np.asarray(numbers.of(index, name, dtype, shape)))
        for index, (name, (dtype, shape)) in enumerate(table.items())
    }
    with lightning() as checkpointing:
        affairs: dict[str, Any] = {"epoch": 6, "global_step": 470_000, "pytorch-lightning_version": "1.4.2"}
        callbacks = {checkpointing: {"monitor": "val/loss_simple_ema", "best_model_score": torch.tensor(0.1)}}
        torch.save({**affairs, "state_dict": tensors, "callbacks": callbacks, "lr_schedulers": []}, path)


@contextmanager
def lightning() -> Iterator[type]:
    """PyTorch Lightning's ModelCheckpoint as far as a pickle names it; the package itself need not be there."""
    names = ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint")
    modules = {name: ModuleType(name) for name in names}
    stands_in = type("ModelCheckpoint", (), {"__module__": names[-1]})
    modules[names[-1]].ModelCheckpoint = stands_in
    sys.modules.update(modules)
    try:
        yield stands_in
    finally:
        for name in names:
            del sys.modules[name]


def kept(shapes: Mapping[str, tuple[int, ...]], dtype: str) -> Table:
    return {name: (dtype, shape) for name, shape in shapes.items()}


def _latent_diffusion(shapes: Mapping[str, tuple[int, ...]]) -> Table:
    """An SD 1 or SD 2 as its training saved it, with the average of its weights in their place."""
    return {**dict.fromkeys(SCHEDULE, ("F32", (1000,))), **kept(shapes, "F32"), **EMA_COUNTERS}


def _sd1(inputs: int = 4) -> Table:
    return {**_latent_diffusion(made.sd1(inputs)), made.CLIP + "embeddings.position_ids": ("I64", (1, 77))}


def _sd2(inputs: int = 4) -> Table:
    return {**_latent_diffusion(made.sd2(inputs)), "cond_stage_model.model.logit_scale": ("F32", ())}


def _sdxl() -> Table:
    positions = "conditioner.embedders.0.transformer.text_model.embeddings.position_ids"
    extra: Table = {positions: ("I64", (1, 77)), "conditioner.embedders.1.model.logit_scale": ("F16", ())}
    return {**kept(made.sdxl(), "F16"), **extra}


def _refiner() -> Table:
    return {**kept(made.refiner(), "F16"), "conditioner.embedders.0.model.logit_scale": ("F16", ())}


def _novel_ai() -> Table:
    """Saved with a transformers older than 4.0: the text encoder's names lack one level."""
    return {name.replace(made.CLIP, "cond_stage_model.transformer."): entry for name, entry in _sd1().items()}


def _trained_vae() -> Table:
    """A VAE as its own training saved it: beside it the critic that it was trained against."""
    critic = {f"loss.discriminator.main.{name}": shape for name, shape in conv("0", 64, 3, 4).items()}
    return {**kept(made.sd_vae(), "F32"), **kept({"loss.logvar": (), **critic}, "F32")}


UNET_FILES = (
    Made("v1-5-pruned-emaonly.safetensors", "sd1", _sd1()),
    Made("sd-v1-5-inpainting.ckpt", "sd1 inpainting", _sd1(inputs=9)),
    Made("final-pruned.ckpt", "sd1", _novel_ai(), beside=_trained_vae()),
    Made("512-inpainting-ema.ckpt", "sd2 inpainting", _sd2(inputs=9)),
    Made("v2-1_768-ema-pruned.ckpt", "sd2", _sd2(), answers_v=True),
    Made("v2-1_768-nonema-pruned.ckpt", "sd2", _sd2(), yaml=V_YAML),
    Made("sd_xl_base_1.0.safetensors", "sdxl", _sdxl()),
    Made("sd_xl_refiner_1.0.safetensors", "refiner", _refiner()),
    Made("sd_xl_turbo_1.0_fp16.safetensors", "sdxl", _sdxl()),
)

"""Opens checkpoints of both kinds, single files and diffusers' folders, as one table of tensors in the original layout.

A folder's tensors get the names that they would have in a single file, so that all that knows those (families, LoRA)
need not know folders. Only what OpenCLIP keeps in one matrix and transformers in three stays apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from ..core.errors import UserError
from .folders import is_diffusers_folder, missing_from, table, told_by_scheduler, weights_of
from .header import Header, TensorEntry
from .layout import (
    PROJECTION,
    Shapes,
    UnetLevel,
    length,
    open_clip_name,
    original_name,
    unet_names_of,
    vae_names_of,
)
from .open import read_tensors

# Diffusers' words for the VAE's attention before version 0.13.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
LEVEL = "text_model."
UNET, VAE = "model.diffusion_model.", "first_stage_model."
OPENAI, SMALL = "cond_stage_model.transformer.", "conditioner.embedders.0.transformer."
OPEN_CLIP, LARGE, ALONE = "cond_stage_model.model.", "conditioner.embedders.1.model.", "conditioner.embedders.0.model."


def read_checkpoint(path: Path) -> Header:
    """The tensors of a checkpoint, a file or a diffusers folder. Raises UserError, naming it, when it is damaged."""
    if not (path.is_dir() and is_diffusers_folder(path)):
        return read_tensors(path)
    tensors = {**_unet(path), **_vae(path), **_text_encoders(path)}
    return Header(path, tensors, told_by_scheduler(path), 0)


def _unet(path: Path) -> dict[str, TensorEntry]:
    tensors = _part(path, "unet")
    names = unet_names_of(list(_levels({name: entry.shape for name, entry in tensors.items()})))
    return {UNET + original_name(name, names): entry for name, entry in tensors.items()}


def _levels(shapes: Shapes) -> Iterator[UnetLevel]:
    """The levels of a UNet in diffusers' layout, from fine to coarse."""
    for index in count():
        level = f"down_blocks.{index}"
        if f"{level}.resnets.0.conv1.weight" not in shapes:
            return
        blocks = length(shapes, f"{level}.resnets", "conv1.weight")
        transformers = length(shapes, f"{level}.attentions.0.transformer_blocks", "norm1.weight")
        yield UnetLevel(shapes[f"{level}.resnets.0.conv1.weight"][0], blocks, transformers)


def _vae(path: Path) -> dict[str, TensorEntry]:
    return original_vae(_part(path, "vae"))


def original_vae(tensors: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
    """The tensors of a VAE that comes alone, in either layout, by their names in a checkpoint."""
    if "encoder.down.0.block.0.conv1.weight" in tensors:
        return {VAE + name: entry for name, entry in tensors.items()}
    modern = {_modern(name): entry for name, entry in tensors.items()}
    levels = length(modern, "encoder.down_blocks", "resnets.0.conv1.weight")
    names = vae_names_of(levels, length(modern, "encoder.down_blocks.0.resnets", "conv1.weight"))
    return {VAE + original_name(name, names): entry for name, entry in modern.items()}


def _modern(name: str) -> str:
    owner, _, kind = name.rpartition(".")
    owner, _, part = owner.rpartition(".")
    return f"{owner}.{OLD_ATTENTION[part]}.{kind}" if part in OLD_ATTENTION else name


def _text_encoders(path: Path) -> dict[str, TensorEntry]:
    """Each encoder under the name by which the family's files have it; the folder's parts say which that is."""
    small, large = _part(path, "text_encoder"), _part(path, "text_encoder_2")
    if large:
        prefix = LARGE if small else ALONE
        return _openai(SMALL, small) | _open_clip(prefix, large)
    if not small:
        raise UserError(f"{path.name} cannot be loaded: it has no text encoder.", hint="Download the folder again.")
    if table(path / "text_encoder" / "config.json").get("hidden_act") == "gelu":  # OpenAI's has another
        return _open_clip(OPEN_CLIP, small)
    return _openai(OPENAI, small)


def _openai(prefix: str, tensors: dict[str, TensorEntry]) -> dict[str, TensorEntry]:
    """Under the level "text_model", which transformers leaves out since its version 5."""
    return {f"{prefix}{LEVEL}{name.removeprefix(LEVEL)}": entry for name, entry in tensors.items()}


def _open_clip(prefix: str, tensors: dict[str, TensorEntry]) -> dict[str, TensorEntry]:
    named = {name: open_clip_name(name.removeprefix(LEVEL)) for name in tensors} | {PROJECTION: PROJECTION}
    return {prefix + named[name]: entry for name, entry in tensors.items() if named[name]}


def _part(path: Path, part: str) -> dict[str, TensorEntry]:
    """The tensors of a part of the folder, from all its files; none when it has no such part. Raises UserError when
    one of them is missing.
    """
    if lost := missing_from(path, (part,)):
        raise UserError(f"{path.name} cannot be loaded: {lost}.", hint="Download the folder again.")
    found = {}
    for file in weights_of(path / part):
        header = read_tensors(file)
        for name, entry in header.tensors.items():
            begin, end = header.data_start + entry.begin, header.data_start + entry.end
            found[name] = replace(entry, begin=begin, end=end, file=file)
    return found

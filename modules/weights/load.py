"""A checkpoint file to networks that compute: no download, no random initialisation, no second copy of the weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..catalog.declared import Declared, declared_facts
from ..catalog.detect import Detection, detect
from ..catalog.families import FAMILIES, Family
from ..catalog.header import Header, read_header
from ..catalog.scan import ModelFile
from ..core.errors import UserError
from .families import RULES
from .tensors import fill
from .weights import Weights


def load_checkpoint(
    file: ModelFile | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    vae: Path | None = None,
) -> Weights:
    """The model in `file`, ready to compute on `device` in `dtype` (its VAE in `vae_dtype`, default the same).

    `vae`: a file whose VAE is used instead of the checkpoint's own. Raises UserError when a file is not what it should
    be, lacks tensors or contradicts itself.
    """
    path = file if isinstance(file, Path) else file.path
    header = read_header(path)
    declared = declared_facts(path, header.metadata)
    family = _family(path, detect(header))
    vae_header = read_header(vae) if vae else header
    vae_declared = declared_facts(vae, vae_header.metadata) if vae else declared
    if vae:
        _check_vae(vae, detect(vae_header), family)
    device, vae_dtype = torch.device(device), vae_dtype or dtype
    rules = RULES[family.id]()
    unet = _component("unet", rules, header, family, declared, device, dtype)
    text_encoder = _component("text_encoder", rules, header, family, declared, device, dtype)
    rules.finish(text_encoder, device)
    return Weights(
        path=path,
        vae_path=vae,
        family=family,
        declared=declared,
        rules=rules,
        unet=unet,
        vae=_component("vae", rules, vae_header, family, vae_declared, device, vae_dtype),
        text_encoder=text_encoder,
        device=device,
        dtype=dtype,
        vae_dtype=vae_dtype,
    )


def _family(path: Path, found: Detection) -> Family:
    """The family to load the file as. Raises UserError when it is not a checkpoint that can be loaded."""
    family = FAMILIES.get(found.family_id)
    if found.kind != "checkpoint" or family is None:
        raise UserError(
            f"{path.name} is not a Stable Diffusion checkpoint: {found.reason}.",
            hint=f"It looks like: {found.kind}." if found.kind != "unknown" else "Choose another file.",
        )
    if family.id not in RULES or found.variant != "base":
        raise UserError(f"{path.name} is {family.name} ({found.variant}), which cannot be loaded yet: {found.reason}.")
    return family


def _check_vae(path: Path, found: Detection, family: Family) -> None:
    if found.kind not in ("VAE", "checkpoint") or found.variant not in ("", "base"):
        raise UserError(f"{path.name} is not a VAE that can be used: {found.reason}.", hint="Choose another VAE.")


def _component(
    name: str,
    rules: object,
    header: Header,
    family: Family,
    declared: Declared,
    device: torch.device,
    dtype: torch.dtype,
) -> nn.Module:
    """One network of the file, built without weights and filled from it."""
    shapes = header.shapes
    try:
        with torch.device("meta"):
            module, original = rules.COMPONENTS[name](shapes, family, declared)
    except UserError as error:
        raise UserError(f"{header.path.name} cannot be loaded: {error.message}", hint=error.hint) from error
    except ValueError as error:  # diffusers and transformers refuse heads or groups that do not divide the width
        raise UserError(
            f"{header.path.name} cannot be loaded: its {name.replace('_', ' ')} contradicts itself ({error}).",
            hint="Its head and group counts, from its metadata or by the family's rules, must divide its widths.",
        ) from error
    return fill(module, header.path, shapes, original, device=device, dtype=dtype)

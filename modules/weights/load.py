"""A checkpoint file to networks that compute: no download, no random initialisation, no second copy of the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch
from diffusers.models.modeling_utils import no_init_weights
from torch import nn

from ..catalog.checkpoint_tensors import read_checkpoint
from ..catalog.declared import Declared, declared_facts
from ..catalog.detect import PAINTING, Detection, detect
from ..catalog.families import FAMILIES, Family
from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..catalog.recognise import recognised
from ..catalog.scan import ModelFile
from ..core.errors import UserError
from .families import RULES
from .prepared import PreparedConv2d, prepare_network
from .tensors import Original, Stored, fill
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
    header = read_checkpoint(file if isinstance(file, Path) else file.path)
    known = recognised(header)
    declared, family = known.declared, _family(header, known.detection)
    device, vae_dtype = torch.device(device), vae_dtype or dtype
    rules = RULES[family.id]()
    vae_network = _vae(vae, rules, family, device, vae_dtype) if vae else None
    unet, stored_unet = _network("unet", rules, header, family, declared, device, dtype)
    text_encoder, stored_text = _network("text_encoder", rules, header, family, declared, device, dtype)
    declared = rules.observed(unet, declared)
    return Weights(
        path=header.path,
        vae_path=vae,
        family=family,
        declared=declared,
        rules=rules,
        unet=unet,
        vae=vae_network or _network("vae", rules, header, family, declared, device, vae_dtype)[0],
        text_encoder=text_encoder,
        device=device,
        dtype=dtype,
        vae_dtype=vae_dtype,
        stored={"unet": stored_unet, "text_encoder": stored_text},
        vae_in_float32=_vae_in_float32,
    )


def outlined(header: Header) -> Weights:
    """The model that the file holds, without its numbers: the networks have shapes alone. Raises UserError."""
    known = recognised(header)
    family = _family(header, known.detection)
    rules, meta, dtype = RULES[family.id](), torch.device("meta"), torch.float32
    built = {name: _built(name, rules, header, family, known.declared) for name in ("unet", "text_encoder", "vae")}
    return Weights(
        path=header.path,
        vae_path=None,
        family=family,
        declared=known.declared,
        rules=rules,
        **{name: network for name, (network, _) in built.items()},
        device=meta,
        dtype=dtype,
        vae_dtype=dtype,
        stored={name: Stored(header, original, meta, dtype, (0, 0)) for name, (_, original) in built.items()},
    )


def with_vae(weights: Weights, vae: Path | None) -> Weights:
    """The same model with the VAE in the file `vae`, or with its own again (None). The other networks are shared."""
    if vae is None:
        header = read_checkpoint(weights.path)
        network, _ = _network(
            "vae", weights.rules, header, weights.family, weights.declared, weights.device, weights.vae_dtype
        )
    else:
        network = _vae(vae, weights.rules, weights.family, weights.device, weights.vae_dtype)
    return replace(weights, vae=network, vae_path=vae)


def _vae_in_float32(weights: Weights) -> nn.Module:
    """The model's VAE once more, in float32; with layers for the CPU where it has such."""
    network = with_vae(replace(weights, vae_dtype=torch.float32), weights.vae_path).vae
    if isinstance(weights.vae.decoder.conv_in, PreparedConv2d):
        prepare_network(network)
    return network


def _family(header: Header, found: Detection) -> Family:
    """The family to load the file as. Raises UserError when it is not a checkpoint that can be loaded."""
    family = FAMILIES.get(found.family_id)
    if found.kind != "checkpoint" or family is None:
        raise UserError(
            f"{header.path.name} is not a Stable Diffusion checkpoint: {found.reason}.",
            hint="Choose another file." if found.kind == "unknown" else f"It is a file of kind {found.kind}.",
        )
    if family.id not in RULES or found.variant not in PAINTING:
        raise UserError(
            f"{header.path.name} is {family.name} ({found.variant}), which cannot be loaded yet: {found.reason}.",
            hint="SD 1.x, SD 2.x and SDXL checkpoints can be loaded.",
        )
    return family


def _vae(path: Path, rules: ModuleType, family: Family, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The VAE of a file of its own, or of another checkpoint. Raises UserError when it does not fit the family."""
    header = read_tensors(path)
    found = detect(header)
    if found.kind not in ("VAE", "checkpoint") or found.variant not in ("", *PAINTING):
        raise UserError(f"{path.name} is not a VAE that can be used: {found.reason}.", hint="Choose another VAE.")
    network, _ = _network("vae", rules, header, family, declared_facts(path, header.metadata), device, dtype)
    channels = network.config.latent_channels
    if channels != family.latent_channels:
        raise UserError(
            f"{path.name} decodes {channels} latent channels, but {family.name} has {family.latent_channels}.",
            hint="Choose a VAE made for this family.",
        )
    return network


def _network(
    name: str,
    rules: ModuleType,
    header: Header,
    family: Family,
    declared: Declared,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[nn.Module, Stored]:
    """One network of the file, built without weights and filled from it, and where it can be read again."""
    network, original = _built(name, rules, header, family, declared)
    stored = fill(network, header, original, device=device, dtype=dtype)
    rules.complete(network, device)
    return network, stored


def _built(
    name: str, rules: ModuleType, header: Header, family: Family, declared: Declared
) -> tuple[nn.Module, Original]:
    """One network of the file without weights, and where its parameters lie there."""
    try:
        with torch.device("meta"), no_init_weights():
            return rules.NETWORKS[name](header.shapes, family, declared)
    except UserError as error:
        raise UserError(f"{header.path.name} cannot be loaded: {error.message}", hint=error.hint) from error

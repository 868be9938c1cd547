"""A checkpoint file to networks that compute: no download, no random initialisation, no second copy of the weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from diffusers.models.modeling_utils import no_init_weights
from torch import nn

from ..catalog.checkpoint_tensors import read_checkpoint
from ..catalog.companions import Completed, Places, completed
from ..catalog.declared import Declared, declared_facts
from ..catalog.detect import PAINTING, Detection, detect
from ..catalog.families import FAMILIES, Family
from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..catalog.recognise import recognised
from ..catalog.scan import ModelFile
from ..core.errors import UserError
from ..text.sentences import Sentences
from .families import RULES
from .prepared import PreparedConv2d, prepare_network
from .seamless import let_edges_meet
from .tensors import Original, Stored, fill, identity
from .weights import Weights

USUAL_PLACES = Places()
KONTEXT, NO_REFERENCES = "kontext", "the pictures that Kontext can be shown beside them cannot be given yet"


def load_checkpoint(
    file: ModelFile | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    vae_dtype: torch.dtype | None = None,
    vae: Path | None = None,
    places: Places = USUAL_PLACES,
) -> Weights:
    """The model in `file`, ready to compute on `device` in `dtype` (its VAE in `vae_dtype`, default the same), but in
    bf16 where the family's numbers overflow fp16.

    `vae`: a file whose VAE is used instead of the checkpoint's own. `places`: where text encoders and VAEs lie that the
    checkpoint lacks. Raises UserError when a file is not what it should be, lacks tensors or contradicts itself.
    """
    opened = opened_checkpoint(file if isinstance(file, Path) else file.path, places, own_vae=vae is None)
    header, family, declared = opened.header, opened.family, opened.declared
    device, vae_dtype = torch.device(device), vae_dtype or dtype
    dtype = torch.bfloat16 if dtype == torch.float16 and family.overflows_fp16 else dtype
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
        vae_in_float32=partial(_vae_in_float32, places=places),
        others={path: identity(path) for path in opened.parts.files},
        sentences=Sentences(found, rules.length_of_sentences(unet)) if (found := opened.parts.tokenizer) else None,
        remarks=list(opened.remarks),
    )


@dataclass(frozen=True)
class Opened:
    """A checkpoint's tensors, those of its companions among them, and what it is."""

    parts: Completed
    family: Family
    declared: Declared
    variant: str

    @property
    def header(self) -> Header:
        return self.parts.header

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever paints with it should know."""
        if self.variant != KONTEXT:
            return self.parts.remarks
        return (*self.parts.remarks, f"{self.header.path.name} paints by words alone, like FLUX dev: {NO_REFERENCES}.")


def opened_checkpoint(path: Path, places: Places, *, own_vae: bool = True) -> Opened:
    """The checkpoint with what it lacks, as far as its tables of tensors. Raises UserError."""
    header = read_checkpoint(path)
    known = recognised(header)
    family = _family(header, known.detection)
    parts = completed(header, family, places, own_vae=own_vae)
    return Opened(parts, family, known.declared, known.detection.variant)


def outlined(header: Header) -> Weights:
    """The model that the file holds, without its numbers: UNet and text encoders have shapes alone; of the latter those
    are missing that lie in files of their own. Raises UserError.
    """
    known = recognised(header)
    family = _family(header, known.detection)
    rules, meta, dtype = RULES[family.id](), torch.device("meta"), torch.float32
    built = {name: _built(name, rules, header, family, known.declared) for name in ("unet", "text_encoder")}
    return Weights(
        path=header.path,
        vae_path=None,
        family=family,
        declared=known.declared,
        rules=rules,
        vae=nn.Module(),
        **{name: network for name, (network, _) in built.items()},
        device=meta,
        dtype=dtype,
        vae_dtype=dtype,
        stored={name: Stored(header, original, meta, dtype, {}) for name, (_, original) in built.items()},
    )


def with_vae(weights: Weights, vae: Path | None, places: Places = USUAL_PLACES) -> Weights:
    """The same model with the VAE in the file `vae`, or with its own again (None). The other networks are shared."""
    if vae is None:
        header = opened_checkpoint(weights.path, places).header
        network, _ = _network(
            "vae", weights.rules, header, weights.family, weights.declared, weights.device, weights.vae_dtype
        )
    else:
        network = _vae(vae, weights.rules, weights.family, weights.device, weights.vae_dtype)
    return replace(weights, vae=network, vae_path=vae)


def _vae_in_float32(weights: Weights, places: Places) -> nn.Module:
    """The model's VAE once more, in float32; with layers for the CPU and edges that meet where it has such."""
    network, first = with_vae(replace(weights, vae_dtype=torch.float32), weights.vae_path, places).vae, weights.vae
    if isinstance(first.decoder.conv_in, PreparedConv2d):
        prepare_network(network)
    let_edges_meet(first.decoder.conv_in.padding_mode == "circular", network)
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
            hint=f"{', '.join(one.name for one in FAMILIES.values() if one.loadable)} checkpoints can be loaded.",
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
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:  # of sizes that nothing has
        raise UserError(
            f"{header.path.name} cannot be loaded: no {name} can be built whose tensors have its shapes ({error}).",
            hint="The file is damaged, or of a kind that is not supported yet.",
        ) from error

"""Reads a LoRA file: which layers it changes, and how."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ...catalog.detect import detect
from ...catalog.families import FAMILIES
from ...catalog.open import read_tensors
from ...core.errors import UserError
from ..tensors import identity, read_all
from .forms import ENDINGS, Change, is_known
from .spelling import spelt_plainly

log = logging.getLogger("easel.weights")
PEFT_CONFIG, DIFFUSERS_CONFIG = "adapter_config.json", "lora_adapter_metadata"


@dataclass(frozen=True)
class LoraFile:
    """The changes by the layers' names as the file spells them, and the family that the file seems to be made for."""

    path: Path
    identity: tuple[int, int]
    changes: Mapping[str, Change]
    family: str


def read_lora(path: Path) -> LoraFile:
    """The changes in the file at `path`; their tensors are mapped, not read. Raises UserError when it is damaged, is
    something else, or is of a form that cannot be applied yet.
    """
    before = identity(path)
    header = read_tensors(path)
    found = detect(header)
    layers: dict[str, dict[str, Tensor]] = {}
    foreign = []
    for name, tensor in read_all(header).items():
        ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
        if ending is None:
            foreign.append(name)
        else:
            layer = layers.setdefault(spelt_plainly(name.removesuffix(ending)), {})
            layer[ENDINGS[ending]] = tensor
    if found.kind != "LoRA":
        raise UserError(f"{path.name} is not a LoRA: {found.reason}.")
    alphas = _peft_alphas(path, header.metadata)
    changes = {name: _change(name, parts, alphas) for name, parts in layers.items()}
    unknown = [name for name, change in changes.items() if not is_known(change.parts)]
    if foreign or unknown:
        examples = ", ".join([*foreign, *unknown][:3])
        raise UserError(
            f"{path.name} is a {found.variant} of a form that cannot be applied yet: it has tensors like {examples}.",
            hint="LoRA, LoCon, LoHa, LoKr, DoRA, IA3, GLoRA, OFT, BOFT and full differences can be applied as LyCORIS "
            "writes them, and of PEFT's own LoRA, DoRA, LoHa and LoKr.",
        )
    family = FAMILIES.get(found.family_id)
    return LoraFile(path, before, changes, family.name if family else "")


@dataclass(frozen=True)
class _Alphas:
    """What PEFT's configuration says of alpha and rank: for most layers, for some by the end of their names, and its
    rule.
    """

    usual: float | None = None
    special: Mapping[str, float] = field(default_factory=dict)
    rank_root: bool = False
    usual_rank: int | None = None
    special_ranks: Mapping[str, int] = field(default_factory=dict)

    def of(self, layer: str) -> float | None:
        return _told_of(layer, self.special, self.usual)

    def rank_of(self, layer: str) -> int | None:
        return _told_of(layer, self.special_ranks, self.usual_rank)


def _told_of(layer: str, special: Mapping[str, Any], usual: Any) -> Any:
    return next((told for end, told in special.items() if layer == end or layer.endswith(f".{end}")), usual)


def _change(name: str, parts: dict[str, Tensor], alphas: Mapping[str, _Alphas]) -> Change:
    """A layer's change. Alpha is a tensor of the file, or PEFT's configuration has it."""
    alpha, on_input = parts.pop("alpha", None), parts.pop("on_input", None)
    if any(one is not None and one.numel() != 1 for one in (alpha, on_input)):
        raise UserError(f"A LoRA's layer {name} has several numbers for alpha.", hint="The file is damaged.")
    if on_input is not None and "weight" in parts:
        parts["factors"] = parts.pop("weight")
    told = alphas.get(name.partition(".")[0]) or alphas.get("") or _Alphas()
    value = told.of(name) if alpha is None else float(alpha)
    if value is not None and not math.isfinite(value):
        raise UserError(f"A LoRA's layer {name} has an alpha that is not a number.", hint="The file is damaged.")
    rank_root, rank = alpha is None and told.rank_root, told.rank_of(name) if alpha is None else None
    return Change(parts, value, rank_root, on_input is not None and bool(on_input.item()), rank)


def _peft_alphas(path: Path, metadata: Mapping[str, str]) -> dict[str, _Alphas]:
    """PEFT's alphas by component ("unet", "text_encoder", ...; "" for all): from the metadata that diffusers writes, or
    from the configuration that PEFT puts beside its file. Configurations that cannot be read are said in the log.
    """
    config = path.with_name(PEFT_CONFIG)
    try:
        told = json.loads(metadata[DIFFUSERS_CONFIG]) if DIFFUSERS_CONFIG in metadata else None
        if told is None:
            beside = path.name.startswith("adapter_model") and config.is_file()
            return {"": _alphas_of(json.loads(config.read_text(encoding="utf-8")))} if beside else {}
        components: dict[str, dict[str, Any]] = {}
        for key, value in told.items():
            component, _, rest = key.partition(".")
            components.setdefault(component, {})[rest] = value
        return {component: _alphas_of(facts) for component, facts in components.items()}
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        log.warning("What %s says of its alphas cannot be read (%s): each is taken to be the rank.", path.name, error)
        return {}


def _alphas_of(facts: Mapping[str, Any]) -> _Alphas:
    usual, rank = facts.get("lora_alpha", facts.get("alpha")), facts.get("r")  # LoHa and LoKr say "alpha"
    special = {str(key): float(value) for key, value in (facts.get("alpha_pattern") or {}).items()}
    ranks = {str(key): int(value) for key, value in (facts.get("rank_pattern") or {}).items()}
    return _Alphas(
        usual=None if usual is None else float(usual),
        special=special,
        rank_root=bool(facts.get("use_rslora")),
        usual_rank=None if rank is None else int(rank),
        special_ranks=ranks,
    )

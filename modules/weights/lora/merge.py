"""Merges LoRAs into a model's weights in place, and takes them out again to the bit.

A changed layer's own weight is not kept: it stands in the checkpoint, and is read again from there. Only layers whose
recipe changed are touched, so the same LoRAs again cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..prepared import set_weight
from ..weights import Weights
from .file import LoraFile
from .forms import Change
from .merged import Dose, Fit, Layer, Place
from .spelling import layers_by_spelling


@dataclass(frozen=True)
class Wanted:
    """A LoRA to merge: factors for the text encoder and the UNet; `rank` keeps its first so many ranks, None all."""

    file: LoraFile
    text_encoder: float = 1.0
    unet: float = 1.0
    rank: int | None = None

    @property
    def dose(self) -> Dose:
        return Dose(str(self.file.path), self.file.identity, self.text_encoder, self.unet, self.rank)


@dataclass(frozen=True)
class Share:
    """What one LoRA adds to one layer."""

    change: Change
    factor: float
    rank: int | None


Plan = dict[Layer, list[Share]]
Recipes = dict[Layer, tuple]


@torch.no_grad()
def merge(weights: Weights, wanted: Sequence[Wanted]) -> list[str]:
    """Has exactly these LoRAs in the weights, in this order; none takes all out. Gives a sentence for each that does
    not fit the model and is left out, or fits only in part. Raises UserError when the checkpoint cannot be read again.
    """
    merged = weights.merged
    doses = tuple(one.dose for one in wanted)
    if merged.doses == doses and not merged.unfinished:
        return list(merged.remarks)
    plan, recipes, remarks = planned(weights, wanted)
    merged.unfinished = True
    for network in ("unet", "text_encoder"):
        _bring_to(weights, network, plan, recipes)
    merged.doses, merged.remarks, merged.unfinished = doses, tuple(remarks), False
    return remarks


def planned(weights: Weights, wanted: Sequence[Wanted]) -> tuple[Plan, Recipes, list[str]]:
    """What each layer is to get, the same as something to compare, and what there is to remark."""
    plan: Plan = {}
    recipes: Recipes = {}
    remarks: list[str] = []
    for one in wanted:
        fit = _fit(weights, one.file)
        remarks += [fit.remark] if fit.remark else []
        for name, place in ((name, place) for name, places in fit.layers.items() for place in places):
            layer = place.layer
            factor = one.unet if layer.network == "unet" else one.text_encoder
            if factor:
                plan.setdefault(layer, []).append(Share(_cut(one.file.changes[name], place), factor, one.rank))
                recipes[layer] = (*recipes.get(layer, ()), (one.dose.path, one.dose.identity, factor, one.rank))
    return plan, recipes, remarks


def _fit(weights: Weights, file: LoraFile) -> Fit:
    """Which layers of the model the file's changes are for, found out once."""
    known = weights.merged.fits.get((file.path, file.identity))
    if known is None:
        known = weights.merged.fits[file.path, file.identity] = _found_fit(weights, file)
    return known


def _found_fit(weights: Weights, file: LoraFile) -> Fit:
    spellings = layers_by_spelling(weights)
    layers = {name: spellings[name] for name in file.changes if name in spellings}
    family = weights.family.name
    name_of_file = file.path.name
    if file.family and file.family != family:
        name_of_file += f" was made for {file.family}: it"
    if not layers:
        some = next(iter(file.changes), "none")
        return Fit({}, f"{name_of_file} changes no layer of this {family} model ({some}).")
    for name, place in ((name, place) for name, places in layers.items() for place in places):
        module = getattr(weights, place.layer.network).get_submodule(place.layer.path)
        if misfit := _misfit(file.changes[name], place, module):
            return Fit({}, f"{name_of_file} does not fit this {family} model: its {name} {misfit}.")
    missing = [name for name in file.changes if name not in layers]
    if not missing:
        return Fit(layers)
    return Fit(
        layers,
        f"{file.path.name} is used in part: {len(missing)} of the {len(file.changes)} layers that it changes are not "
        f"in this {family} model ({missing[0]}).",
    )


def _cut(change: Change, place: Place) -> Change:
    """The part of a change that belongs to one layer. Raises ValueError when it cannot be cut."""
    return change if place.parts == place.span else change.of_rows(place.part, place.parts, place.span)


def _misfit(change: Change, place: Place, module: nn.Module) -> str:
    """Why the change cannot be added to the layer, computed with shapes alone; "" when it can."""
    try:
        change = _cut(change.on("meta"), place)
    except ValueError:
        return "cannot be shared out among the layers that it is for"
    rows, *others = module.weight.shape
    wanted = "x".join(map(str, (rows * place.parts // place.span, *others)))
    try:
        change.of_weight(module.weight.to("meta"))
        bias, own = change.of_bias(), getattr(module, "bias", None)
    except (RuntimeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return f"is not {wanted}"
    fits = bias is None or (own is not None and bias.shape == own.shape)
    return "" if fits else f"is not {wanted}"


def _bring_to(weights: Weights, network: str, plan: Plan, recipes: Recipes) -> None:
    """Gives the layers of one network what the plan says, those that differ from it now."""
    done = weights.merged.recipes
    wrong = [layer for layer in {**done, **plan} if layer.network == network and done.get(layer) != recipes.get(layer)]
    modules = {layer: getattr(weights, network).get_submodule(layer.path) for layer in wrong}
    for layer, (weight, bias) in _own(weights, network, modules, done):
        shares = [replace(share, change=share.change.on(weights.device)) for share in plan.get(layer, [])]
        set_weight(modules[layer], changed(weight, shares), changed_bias(bias, shares))
        if shares:
            done[layer] = recipes[layer]
        else:
            done.pop(layer, None)


def _own(
    weights: Weights, network: str, modules: Mapping[Layer, nn.Module], done: Recipes
) -> Iterator[tuple[Layer, tuple[Tensor, Tensor | None]]]:
    """Each layer with its weight and bias as the checkpoint has them: those in the layer where they are untouched,
    else read again.
    """
    for layer, module in modules.items():
        if layer not in done and not module.weight.is_meta:
            yield layer, (module.weight, getattr(module, "bias", None))
            continue
        wanted = {f"{layer.path}.weight": tuple(module.weight.shape)}
        if getattr(module, "bias", None) is not None:
            wanted[f"{layer.path}.bias"] = tuple(module.bias.shape)
        read = dict(weights.stored[network].read(wanted))
        yield layer, (read[f"{layer.path}.weight"], read.get(f"{layer.path}.bias"))


def changed(weight: Tensor, shares: Sequence[Share]) -> Tensor:
    """The weight with all shares, each a change of what the ones before it made; added up in float32."""
    whole = weight
    for share in shares:
        change = share.change.of_weight(whole, share.rank)
        if change is not None:
            whole = torch.add(whole.float(), change, alpha=share.factor)
    return whole.to(weight.dtype)


def changed_bias(bias: Tensor | None, shares: Sequence[Share]) -> Tensor | None:
    changes = [(share.factor, change) for share in shares if (change := share.change.of_bias()) is not None]
    if bias is None or not changes:
        return bias
    return sum((factor * change for factor, change in changes), bias.float()).to(bias.dtype)

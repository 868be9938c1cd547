"""What a new model file will hold, told from the headers of the files that it is made of: no weights are read.

The rules of mixing are A1111's checkpoint merger's: A decides which tensors there are; where A is an inpainting or a
pix2pix model and the others are not, only the channels that all of them see are mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from ..core.errors import UserError
from ..core.model_work import BOTH, EMA_ONLY, EXTRACT_VAE, FP8, ModelWork
from .contents import UNET, VAES, by_any_name, ema_twins, is_needed, part_of, same_everywhere, usual_names, vae_tensors
from .declared import Declared
from .detection import Detection
from .families import FAMILIES
from .header import BITS, Header, TensorEntry
from .recognise import recognised

FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
DTYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "fp8": "F8_E4M3"}
IN_FP8 = ("checkpoint", "UNet", "transformer")  # kinds of files
SEEING_MORE = ("inpainting", "pix2pix")  # variants whose UNet reads more than the latents
FIRST_LAYER = UNET + "input_blocks.0.0.weight"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """A model that something is made of."""

    header: Header
    detection: Detection
    declared: Declared

    @property
    def name(self) -> str:
        return self.header.path.name

    @property
    def has_networks(self) -> bool:
        """Whether it is a checkpoint with its parts under the usual names."""
        return any(name.startswith(UNET) for name in self.header.tensors)


class Planned(NamedTuple):
    """A tensor of the new file: its kind of number and shape, and the tensors that it is made of, by their names in the
    models, A first; or its name in the VAE that is baked in.
    """

    dtype: str
    shape: Shape
    names: tuple[str, ...] = ()
    vae: str = ""

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * BITS[self.dtype] // 8


Plan = Mapping[str, Planned]


def source(header: Header) -> Source:
    """Raises UserError when the file's metadata or `.yaml` is wrong."""
    known = recognised(header)
    return Source(header, known.detection, known.declared)


def planned(work: ModelWork, models: Sequence[Source], vae: Header | None = None) -> Plan:
    """The tensors of the new file, large numbers before small ones so that all lie where a processor likes them.

    Raises UserError when the models cannot be mixed, or lack what is asked for.
    """
    first = models[0]
    if work.dtype == FP8 and first.detection.kind not in IN_FP8:
        raise UserError(f"{_told(first)}, and would lose too much in fp8.", hint="Choose fp16 or bf16.")
    if work.tool == EXTRACT_VAE:
        found = _vae_alone(work, first)
    else:
        check_mixable(models)
        found = _mixed(work, models)
        if vae is not None:
            found = {**found, **_baked(work, first, vae)}
    return dict(sorted(found.items(), key=lambda item: -BITS[item[1].dtype]))


def nbytes(plan: Plan) -> int:
    return sum(one.nbytes for one in plan.values())


def check_mixable(models: Sequence[Source]) -> None:
    """Raises UserError when models are of different families or see different things."""
    for one in models[1:]:
        _check_same_family(models[0], one)
        _check_same_sight(models[0], one)
    if len(models) == 3 and models[1].detection.variant != models[2].detection.variant:
        raise UserError(
            f"{_told(models[1])} and {_told(models[2])}: they have no difference that could be added.",
            hint="B and C must be of the same kind.",
        )


def _check_same_family(first: Source, other: Source) -> None:
    for one in (first, other):
        if one.detection.kind != "checkpoint" or not one.has_networks:
            raise UserError(f"{_told(one)}, which cannot be merged.", hint="Checkpoints in one file can be merged.")
    if first.detection.family_id != other.detection.family_id:
        raise UserError(
            f"{_told(first)}, but {_told(other)}.", hint="Only checkpoints of the same family can be merged."
        )
    told = first.declared.prediction_type, other.declared.prediction_type
    if None not in told and told[0] != told[1]:
        raise UserError(
            f"{first.name} predicts {told[0]}, but {other.name} {told[1]}.",
            hint="Only checkpoints that predict the same can be merged.",
        )


def _check_same_sight(first: Source, other: Source) -> None:
    one, two = first.detection.variant, other.detection.variant
    if one == two or (one in SEEING_MORE and two == "base"):
        return
    swap = two in SEEING_MORE and one == "base"
    kind = "instruct-pix2pix" if two == "pix2pix" else two
    raise UserError(
        f"{_told(first)}, but {_told(other)}.",
        hint=f"When an {kind} model is merged with a normal one, A must be the {kind} model."
        if swap
        else "Only checkpoints of the same kind can be merged.",
    )


def _told(one: Source) -> str:
    family = FAMILIES.get(one.detection.family_id)
    words = [family.name if family else "", one.detection.variant, one.detection.kind]
    return f"{one.name} is {' '.join(dict.fromkeys(filter(None, words)))}"


def _mixed(work: ModelWork, models: Sequence[Source]) -> dict[str, Planned]:
    """A's tensors, with those of the others that are mixed into them."""
    first, *others = models
    kept = _kept(work, first)
    known = [by_any_name(one.header.tensors) for one in others]
    twins = [_twins(work, one) for one in others]
    found = {}
    for name, own in kept.items():
        entry = first.header.tensors[own]
        names = [own]
        if entry.dtype in FLOATS and part_of(name) in ("unet", "text", "vae"):
            alike = [there.get(same_everywhere(name), "") for there in known]
            alike = [twin.get(one, one) for twin, one in zip(twins, alike, strict=True)]
            if alike and alike[0]:
                names += _fitting(name, entry, others, alike)
        found[name] = Planned(_dtype(work, first, name, entry), entry.shape, tuple(names))
    return found


def _kept(work: ModelWork, first: Source) -> dict[str, str]:
    """A's tensors that go into the new file: by the names there, their own."""
    if not first.has_networks:
        return usual_names(first.header.tensors, first.detection.kind)
    names = {name: name for name in first.header.tensors}
    if work.ema != BOTH:
        names = {name: name for name in names if part_of(name) != "ema"} | _twins(work, first, needed=True)
    if work.prune:
        names = {name: own for name, own in names.items() if is_needed(name) or part_of(name) == "ema"}
    return names


def _twins(work: ModelWork, one: Source, *, needed: bool = False) -> dict[str, str]:
    """The smoothed weights in place of the plain ones, where they are wanted and the model has them. Raises UserError
    when it lacks them and they are needed.
    """
    if work.ema != EMA_ONLY:
        return {}
    twins = ema_twins(one.header.tensors)
    lacking = sum(name.startswith(UNET) and name not in twins for name in one.header.tensors)
    if twins and lacking:
        raise UserError(f"{one.name} lacks {lacking} of its EMA weights.", hint="Keep the plain weights.")
    if needed and not twins:
        raise UserError(f"{one.name} has no EMA weights.", hint="Keep the plain weights.")
    return twins


def _fitting(name: str, entry: TensorEntry, others: Sequence[Source], names: Sequence[str]) -> list[str]:
    """The names of B's and C's tensors, where they can be mixed into A's. C's "" means that it has none: then there is
    no difference to add. Raises UserError when shapes do not fit.
    """
    shapes = [one.header.tensors[own].shape if own else None for one, own in zip(others, names, strict=True)]
    if None in shapes:
        return []
    wanted = entry.shape
    for one, shape in zip(others, shapes, strict=True):
        if not same_matrix(wanted, shape) and not (name == FIRST_LAYER and sees_more(wanted, shape)):
            raise UserError(
                f"{one.name} does not fit: its {name} is {_size(shape)}, where A's is {_size(wanted)}.",
                hint="Only checkpoints of the same shape can be merged.",
            )
    return list(names)


def sees_more(wide: Shape, narrow: Shape) -> bool:
    """Whether the first layer of a UNet of shape `wide` reads further channels behind those of the other's."""
    same = (wide[0], *wide[2:]) == (narrow[0], *narrow[2:]) and len(wide) == len(narrow) == 4
    return same and narrow[1] == 4 and wide[1] in (8, 9)


def same_matrix(one: Shape, other: Shape) -> bool:
    """Equal, or one a 1 x 1 convolution and the other the linear layer that computes the same."""
    return one == other or {one, other} == {one[:2], (*one[:2], 1, 1)}


def _baked(work: ModelWork, first: Source, vae: Header) -> dict[str, Planned]:
    """The tensors of a VAE in place of A's own."""
    brought = vae_tensors(vae.tensors)
    if not any(bare.startswith("decoder.") for bare in brought):
        raise UserError(f"{vae.path.name} holds no VAE that could be baked in.", hint="Choose another VAE.")
    own = vae_tensors(name for name in first.header.tensors if name.startswith(VAES))
    prefix = VAES[0] if not own else next(p for p in VAES if next(iter(own.values())).startswith(p))
    found = {}
    for bare, theirs in brought.items():
        entry, name = vae.tensors[theirs], own.get(bare, prefix + bare)
        mine = first.header.tensors.get(name, entry)
        if not same_matrix(mine.shape, entry.shape):
            raise UserError(
                f"The VAE {vae.path.name} does not fit: its {bare} is {_size(entry.shape)}, "
                f"where {first.name} has {_size(mine.shape)}.",
                hint="Choose a VAE made for this family.",
            )
        found[name] = Planned(_dtype(work, first, name, mine), mine.shape, vae=theirs)
    return found


def _vae_alone(work: ModelWork, first: Source) -> dict[str, Planned]:
    inside = vae_tensors(name for name in first.header.tensors if name.startswith(VAES))
    if not inside:
        raise UserError(f"{first.name} has no VAE inside.", hint="Choose a complete checkpoint.")
    entries = {bare: first.header.tensors[name] for bare, name in inside.items()}
    return {
        bare: Planned(_dtype(work, first, inside[bare], entry), entry.shape, (inside[bare],))
        for bare, entry in entries.items()
    }


def _dtype(work: ModelWork, first: Source, name: str, entry: TensorEntry) -> str:
    """The kind of number that a tensor becomes. What is not a network's stays as it is, whole numbers too. In fp8 come
    the UNet's matrices only, as in A1111: the rest becomes fp16, for it is small, and a picture shows what it lacks.
    """
    part = part_of(name) if first.has_networks else "unet"
    if not work.dtype or entry.dtype not in FLOATS or not part:
        return entry.dtype
    is_matrix = len(entry.shape) in (2, 4)  # and not the places in a picture, which SD 3 has a table of
    finer = work.dtype == FP8 and (part not in ("unet", "ema") or not is_matrix)
    return "F16" if finer else DTYPES[work.dtype]


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a single number"

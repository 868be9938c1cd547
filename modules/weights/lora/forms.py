"""What each form of LoRA adds to a weight: one function per form, after the formula of its paper or reference code.

A layer's `Parts` are its tensors in the file by their last name ("lora_up.weight" is "up"). Each function gives the
change at full strength, float32, in the weight's shape or one with as many numbers.
Sources: Hu et al. 2021 (LoRA), arXiv 2106.09685; Yeh et al. 2023 (LoCon, LoHa, LoKr), arXiv 2309.14859; Liu et al. 2022
(IA3), arXiv 2205.05638; Chavan et al. 2023 (GLoRA), arXiv 2306.07967; Qiu et al. 2023 (OFT), arXiv 2306.07280; Liu et
al. 2023 (BOFT), arXiv 2311.06243; Liu et al. 2024 (DoRA), arXiv 2402.09353.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]

# The last name of a tensor in a file -> what it is. Longer endings stand before those that end alike.
ENDINGS: Mapping[str, str] = {
    **{f".lora_{side}.default.weight": part for side, part in (("A", "down"), ("B", "up"))},
    **{f".lora_{side}.weight": part for side, part in (("A", "down"), ("B", "up"))},
    ".lora_B.bias": "up_bias",
    **{f".lora_{part}.weight": part for part in ("up", "down", "mid")},
    **{f".lora_linear_layer.{part}.weight": part for part in ("up", "down")},
    **{f".lora.{part}.weight": part for part in ("up", "down")},
    **{f"_lora.{part}.weight": part for part in ("up", "down")},
    **{f".lora_magnitude_vector{end}": "magnitude" for end in ("", ".weight", ".default.weight")},
    **{f".hada_{part}": part for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{part}": f"kr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **{f".{part}.weight": part for part in ("a1", "a2", "b1", "b2")},
    **{f".{part}": part for part in ("oft_blocks", "oft_diag", "rescale", "alpha", "dora_scale", "on_input")},
    **{f".{part}": part for part in ("diff", "diff_b", "w_norm", "b_norm")},
    ".weight": "weight",
}
UP_BIAS = "up_bias"  # PEFT's `lora_bias`: what the second matrix adds
DECOMPOSED = frozenset({"dora_scale", "magnitude"})
# The parts by which a change of some rows alone is told from that of others, and those that all rows share.
ROWS = frozenset({"up", UP_BIAS, "w1_a", "w2_a", "kr_w1", "kr_w1_a", "diff", "diff_b"})
COLUMNS = frozenset({"down", "w1_b", "w2_b", "kr_w1_b", "kr_w2", "kr_w2_a", "kr_w2_b"})
BIASES = frozenset({"diff_b", "b_norm"})


@dataclass(frozen=True)
class Change:
    """What one file does to one layer. `alpha` None: as large as the rank. `rank_root`: divided by the rank's root.
    `on_input`: where a factor for each row or column is learnt, it is for the columns. `rank`: what a configuration
    calls the rank of matrices that have none.
    """

    parts: Parts
    alpha: float | None = None
    rank_root: bool = False
    on_input: bool = False
    rank: int | None = None

    def of_weight(self, weight: Tensor, rank: int | None = None) -> Tensor | None:
        """The change of `weight`, in its shape, float32; None where the file has none. `rank` keeps only the first so
        many ranks of a plain LoRA. Raises RuntimeError, IndexError or KeyError when parts do not fit.
        """
        form = _form(self.parts)
        if form is None:
            return None
        weight = weight.float()
        change = form(self, weight, rank).float().reshape(weight.shape)
        return change if DECOMPOSED.isdisjoint(self.parts) else _decomposed(self, weight, change)

    def of_bias(self) -> Tensor | None:
        """The change of the layer's bias, float32."""
        if UP_BIAS in self.parts:
            return self.part(UP_BIAS) * self.scale(len(self.parts["down"]))
        return next((self.part(name) for name in BIASES if name in self.parts), None)

    def of_rows(self, part: int, parts: int, span: int) -> Change:
        """The change of `span` of `parts` equal blocks of rows, from the `part`-th on. Raises ValueError when it cannot
        be cut so.
        """
        if not self.parts.keys() <= ROWS | COLUMNS:
            raise ValueError(f"a change made of {', '.join(self.parts)} depends on all rows")
        cut = dict(self.parts)
        for name in ROWS & self.parts.keys():
            size, rest = divmod(len(self.parts[name]), parts)
            if rest:
                raise ValueError(f"{len(self.parts[name])} rows are not {parts} blocks")
            cut[name] = self.parts[name][part * size : (part + span) * size]
        return replace(self, parts=cut)

    def on(self, device: torch.device | str) -> Change:
        """The same change with its tensors on a device; "meta" for their shapes alone."""
        return replace(self, parts={name: part.to(device) for name, part in self.parts.items()})

    def scale(self, rank: int) -> float:
        """What the product of two matrices of this rank is multiplied by."""
        if self.alpha is None:
            return 1.0
        return self.alpha / (rank**0.5 if self.rank_root else rank)

    def part(self, name: str) -> Tensor:
        return self.parts[name].float()

    def flat(self, name: str) -> Tensor:
        """A part as a matrix: one row for each of its first axis."""
        return self.parts[name].float().flatten(1)


Form = Callable[[Change, Tensor, int | None], Tensor]


def _low_rank(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """LoRA and LoCon: up times down; with a core between them for convolutions (Tucker's decomposition)."""
    up, down = change.flat("up"), change.flat("down")
    scale = change.scale(len(down))
    if "mid" in change.parts:
        return torch.einsum("n m k l, i n, m j -> i j k l", change.part("mid"), up, down) * scale
    return (up[:, :rank] * scale) @ down[:rank]


def _hadamard(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """LoHa: the product, number by number, of two low-rank matrices."""
    scale = change.scale(len(change.parts["w1_b"]))
    if "t1" in change.parts:
        return _tucker(change, "t1", "w1_a", "w1_b") * _tucker(change, "t2", "w2_a", "w2_b") * scale
    return (change.part("w1_a") @ change.part("w1_b")) * (change.part("w2_a") @ change.part("w2_b")) * scale


def _kronecker(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """LoKr: the Kronecker product of two matrices, each whole or of low rank. PEFT alone scales two whole ones."""
    ranks = [len(change.parts[part]) for part in ("kr_w2_b", "kr_w1_b") if part in change.parts]
    ranks = [change.rank] if change.rank else ranks
    one = change.part("kr_w1") if "kr_w1" in change.parts else change.part("kr_w1_a") @ change.part("kr_w1_b")
    if "kr_w2" in change.parts:
        two = change.part("kr_w2")
    elif "kr_t2" in change.parts:
        two = _tucker(change, "kr_t2", "kr_w2_a", "kr_w2_b")
    else:
        two = change.part("kr_w2_a") @ change.flat("kr_w2_b")
    if two.ndim == 2 and weight.ndim == 4:
        two = two.reshape(two.shape[0], -1, *weight.shape[2:])
    two = two.contiguous()
    return torch.kron(one.reshape(*one.shape, *[1] * (two.ndim - 2)), two) * (change.scale(ranks[0]) if ranks else 1.0)


def _tucker(change: Change, core: str, up: str, down: str) -> Tensor:
    return torch.einsum("i j ..., i p, j r -> p r ...", change.part(core), change.part(up), change.part(down))


def _scaling(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """IA3: rows of the weight grow, or its columns if the layer's input is meant."""
    shape = [1] * weight.ndim
    shape[1 if change.on_input else 0] = -1
    return weight * change.part("factors").reshape(shape)


def _generalised(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """GLoRA: a low-rank change, and the weight times another one. LyCORIS 3 swapped the names of the factors."""
    a1, a2, b1, b2 = (change.flat(part) for part in ("a1", "a2", "b1", "b2"))
    if a1.shape[0] < a1.shape[1]:
        a1, a2, b1, b2 = a2, a1, b2, b1
    product = torch.einsum("o i ..., i j -> o j ...", weight, a1 @ a2)
    return (product + (b1 @ b2).reshape(weight.shape)) * change.scale(a1.shape[1])


def _orthogonal(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """OFT and BOFT: blocks of rows are turned. `alpha` times the rows bounds how far; 0 is no bound."""
    turns = _turns(change, weight) if "oft_blocks" in change.parts else change.part("oft_diag")
    turned = _butterfly(turns, weight) if turns.ndim == 4 else _blockwise(turns, weight)
    return turned * change.part("rescale") - weight if "rescale" in change.parts else turned - weight


def _turns(change: Change, weight: Tensor) -> Tensor:
    """Cayley's transform of the skew part of the blocks (..., n, n)."""
    blocks = change.part("oft_blocks")
    skew = blocks - blocks.transpose(-1, -2)
    if change.alpha:
        size = skew.norm() + 1e-8
        skew = skew * (change.alpha * len(weight) / size).clamp(max=1)
    identity = torch.eye(skew.shape[-1], device=skew.device)
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def _blockwise(turns: Tensor, weight: Tensor) -> Tensor:
    """Each block (n, n) of `turns` (k, n, n) on its n rows of the weight."""
    rows = weight.reshape(len(turns), turns.shape[1], -1)
    return torch.einsum("k n m, k n i -> k m i", turns, rows).reshape(weight.shape)


def _butterfly(turns: Tensor, weight: Tensor) -> Tensor:
    """Stages of block turns (stages, k, n, n), the rows of each shuffled as in a fast Fourier transform."""
    out = weight.flatten(1)
    for stage, blocks in enumerate(turns):
        size = blocks.shape[-1]
        width = 2**stage * size // 2
        out = out.unflatten(0, (-1, 2, width)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, size))
        out = torch.einsum("b i j, b j c -> b i c", blocks, out).flatten(0, 1)
        out = out.unflatten(0, (-1, width, 2)).transpose(1, 2).flatten(0, 2)
    return out.reshape(weight.shape)


def _whole(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """The difference itself."""
    return change.part("diff")


def _norm(change: Change, weight: Tensor, rank: int | None) -> Tensor:
    """The difference of a norm's weight."""
    return change.part("w_norm")


FORMS: Mapping[str, Form] = {
    "up": _low_rank,
    "w1_a": _hadamard,
    "kr_w1": _kronecker,
    "kr_w1_a": _kronecker,
    "oft_blocks": _orthogonal,
    "oft_diag": _orthogonal,
    "factors": _scaling,
    "a1": _generalised,
    "diff": _whole,
    "w_norm": _norm,
}


def is_known(parts: Parts) -> bool:
    """Whether these tensors of a layer are of a form that can be applied."""
    return not FORMS.keys().isdisjoint(parts) or (bool(parts) and parts.keys() <= BIASES)


def _form(parts: Parts) -> Form | None:
    """The function for these parts; None when they change a bias alone."""
    return next((form for part, form in FORMS.items() if part in parts), None)


def _decomposed(change: Change, weight: Tensor, product: Tensor) -> Tensor:
    """DoRA: the changed weight gets a learnt length. That is one of rows in PEFT ("magnitude"); "dora_scale" has one
    for each row or, as A1111 reads it, for each column, by its shape.
    """
    changed = weight + product
    learnt = change.part("magnitude" if "magnitude" in change.parts else "dora_scale")
    rows = "magnitude" in change.parts or learnt.ndim == 1 or learnt.shape[0] == weight.shape[0]
    axes = [axis for axis in range(weight.ndim) if axis != (0 if rows else 1)]
    length = torch.linalg.vector_norm(changed, dim=axes, keepdim=True)
    return changed * (learnt.reshape(length.shape) / length) - weight

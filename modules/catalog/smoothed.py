"""Checkpoints whose UNet is complete only as its smoothed twin. Training writes that as "model_ema." and names without
dots. Where the dots were cannot be told from such a name, so each is found the other way round: by going through the
names that a UNet's tensors have, and asking whether there is a twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

from .contents import EMA, UNET, twin_of
from .header import Header
from .layout import UNET_RESNET

COUNTERS = (EMA + "decay", EMA + "num_updates")  # of the smoothing, which needs the plain weights to go on
ALONE = ("time_embed.0", "time_embed.2", "time_embed.cond_proj", "label_emb.0.0", "label_emb.0.2", "out.0", "out.2")
IN_BLOCKS = ("", *(f".{layer}" for layer in ("op", "conv", *UNET_RESNET.values(), "norm", "proj_in", "proj_out")))
IN_TRANSFORMERS = (
    *(f"{attention}.{layer}" for attention in ("attn1", "attn2") for layer in ("to_q", "to_k", "to_v", "to_out.0")),
    *("ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"),
)
Known = Callable[[str], bool]


def with_plain_names(header: Header) -> Header:
    """The same file, in which the smoothed UNet bears the plain one's names if that is not there, or not all of it."""
    if not any(name.startswith(EMA) for name in header.tensors):
        return header
    twins = {name: twin_of(name) for name in unet_tensors(lambda name: twin_of(name) in header.tensors)}
    if all(name in header.tensors for name in twins):
        return header
    plain = {twin: name for name, twin in twins.items()}
    superseded = {*twins, *COUNTERS}
    kept = {plain.get(name, name): entry for name, entry in header.tensors.items() if name not in superseded}
    return replace(header, tensors=kept, smoothed=True)


def unet_tensors(known: Known) -> Iterator[str]:
    """The tensors that a UNet in the original layout may have, those that are `known`. Blocks and transformer layers
    are counted until one is not known at all.
    """
    yield from _known((f"{UNET}{layer}" for layer in ALONE), known)
    yield from _block(f"{UNET}middle_block", known)
    for stack in ("input_blocks", "output_blocks"):
        yield from _counted(lambda number, stack=stack: _block(f"{UNET}{stack}.{number}", known))


def _block(block: str, known: Known) -> Iterator[str]:
    """Up to three things one after the other: residual block, attention, a change of size."""
    for part in (f"{block}.{place}" for place in range(3)):
        yield from _known((f"{part}{layer}" for layer in IN_BLOCKS), known)
        yield from _counted(
            lambda number, part=part: _known(
                (f"{part}.transformer_blocks.{number}.{layer}" for layer in IN_TRANSFORMERS), known
            )
        )


def _known(layers: Iterable[str], known: Known) -> Iterator[str]:
    return (name for layer in layers for name in (f"{layer}.weight", f"{layer}.bias") if known(name))


def _counted(members: Callable[[int], Iterable[str]]) -> Iterator[str]:
    """The names of all members 0, 1, 2, ... up to the first without any."""
    for number in count():
        found = list(members(number))
        if not found:
            return
        yield from found

"""A diffusers folder's tensors as a single file has them, so that new model files can be made of folders.

What `checkpoint_tensors.py` leaves as it lies is put together here, still without reading a number: OpenCLIP's query,
key and value become one matrix, its projection is turned, the VAE's attention becomes 1 x 1 convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

from .checkpoint_tensors import OPEN_CLIP, read_checkpoint
from .header import BITS, Header, TensorEntry
from .layout import OPEN_CLIPS_PROJECTION, PROJECTION

Tensors = dict[str, TensorEntry]

QUERY = re.compile(r"(.+\.resblocks\.\d+\.attn\.)q_proj\.(weight|bias)")
VAES_ATTENTION = re.compile(r"first_stage_model\.(encoder|decoder)\.mid\.attn_1\.(q|k|v|proj_out)\.weight")
LAYER = re.compile(r"(.+\.resblocks\.)(\d+)\.(.+)")


def read_as_single_file(path: Path) -> Header:
    """The tensors of a checkpoint, a file or a diffusers folder, as they are in a single file. Raises UserError."""
    header = read_checkpoint(path)
    return as_single_file(header) if path.is_dir() else header


def as_single_file(header: Header) -> Header:
    """A folder's table as a single file would have it."""
    tensors = dict(header.tensors)
    for name in header.tensors:
        if found := QUERY.fullmatch(name):
            _join(tensors, found[1], found[2])
        elif name.endswith("." + PROJECTION) and "embedders" in name:
            entry = tensors.pop(name)
            turned = name.removesuffix(PROJECTION) + OPEN_CLIPS_PROJECTION
            tensors[turned] = _made(entry.shape[::-1], entry)
        elif VAES_ATTENTION.fullmatch(name) and len(tensors[name].shape) == 2:
            tensors[name] = replace(tensors[name], shape=(*tensors[name].shape, 1, 1))
    return replace(header, tensors=tensors | _last_layer(tensors))


def _join(tensors: Tensors, attention: str, kind: str) -> None:
    """One matrix in place of three, where all three are there."""
    names = [f"{attention}{part}_proj.{kind}" for part in "qkv"]
    if all(name in tensors for name in names):
        pieces = [tensors.pop(name) for name in names]
        rows = sum(piece.shape[0] for piece in pieces)
        tensors[f"{attention}in_proj_{kind}"] = _made((rows, *pieces[0].shape[1:]), *pieces)


def _made(shape: tuple[int, ...], *pieces: TensorEntry) -> TensorEntry:
    """A tensor made of others, in the finest of their kinds of number."""
    dtype = max((piece.dtype for piece in pieces), key=BITS.__getitem__)
    return TensorEntry(dtype, shape, 0, prod(shape) * BITS[dtype] // 8, pieces=pieces)


def _last_layer(tensors: Mapping[str, TensorEntry]) -> Tensors:
    """SD 2's last text layer but one is read. Folders end with that; in a file another must follow it, whatever it
    computes: here a copy.
    """
    layers = [found for name in tensors if name.startswith(OPEN_CLIP) and (found := LAYER.fullmatch(name))]
    last = max((int(found[2]) for found in layers), default=0)
    return {f"{one[1]}{last + 1}.{one[3]}": tensors[one[0]] for one in layers if int(one[2]) == last}

"""Fills a module that was created on the meta device with the tensors of a file, reading each byte once.

The file is mapped, not read: a parameter whose dtype and device are those of the file *is* the mapped pages (no copy at
all); any other is one fresh tensor, cast straight from the mapping, whose pages are then given back.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from ..catalog.folders import folder_stamp
from ..catalog.header import Header, TensorEntry
from ..core.errors import UserError
from .memory import pages_of_their_own

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Source:
    """Where a parameter lies in a file: a tensor, or `span` of the `parts` equal blocks of rows of one that holds
    several parameters, from the `part`-th on. `transposed`: the file's rows are the parameter's columns. `swapped`: the
    first half of its rows and the second one have each other's place.
    """

    name: str
    part: int = 0
    parts: int = 1
    span: int = 1
    transposed: bool = False
    swapped: bool = False

    def shape_in_file(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the file's tensor, for the parameter's."""
        shape = shape[::-1] if self.transposed else shape
        return (shape[0] * self.parts // self.span, *shape[1:])

    def taken(self, stored: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The parameter of that shape, a view of the tensor's flat numbers where that is possible."""
        block = stored[self._place(stored)]
        if self.swapped:
            return block.view(2, -1).flip(0).view(shape)
        return block.view(shape[::-1]).t().contiguous() if self.transposed else block.view(shape)

    def put(self, stored: Tensor, parameter: Tensor) -> None:
        """Writes the parameter to its place among the tensor's flat numbers: the opposite of `taken`."""
        numbers = (parameter.t() if self.transposed else parameter).reshape(-1)
        stored[self._place(stored)] = numbers.view(2, -1).flip(0).view(-1) if self.swapped else numbers

    def _place(self, stored: Tensor) -> slice:
        block = stored.numel() // self.parts
        return slice(self.part * block, (self.part + self.span) * block)


Original = Callable[[str], str | Source]
Identities = Mapping[Path, tuple[int, int]]
Wanted = tuple[Source, str, tuple[int, ...]]  # where it is, the parameter's name and shape

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
FP8 = ("F8_E4M3", "F8_E5M2")
SCALES = (".scale_weight", ".weight_scale")  # of an fp8 matrix, in files of ComfyUI's making
OTHER_DTYPES = {"BOOL": torch.bool, "U8": torch.uint8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64}
WORTH_GIVING_BACK = 1 << 20  # bytes; smaller tensors are not worth a system call each


@dataclass(frozen=True)
class Stored:
    """Where a network's parameters lie in the file that it was filled from: they can be read again as they were."""

    header: Header
    original: Original
    device: torch.device
    dtype: torch.dtype
    identities: Identities

    def read(self, wanted: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Tensor]]:
        """The parameters of these names and shapes, to the bit as `fill` gave them, in memory of their own.

        Raises UserError when the file is not there any more, or was changed.
        """
        for path, before in self.identities.items():
            if identity(path) != before:
                raise UserError(f"{path.name} changed since it was loaded.", hint="Load the checkpoint again.")
        files = _Files(self.header)
        for name, shape in wanted.items():
            found = self.original(name)
            source = found if isinstance(found, Source) else Source(found)
            stored = source.taken(_numbers(self.header, source.name, files), shape)
            yield name, stored.to(device=self.device, dtype=self.dtype, copy=True)


def identity(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, or of a diffusers folder's files, which tell their content from others. Raises
    UserError when it is gone.
    """
    try:
        if path.is_dir():
            return folder_stamp(path)
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Refresh the list of models.") from error
    return status.st_size, status.st_mtime_ns


def identities(header: Header) -> Identities:
    """Those of the checkpoint, and of the files outside of it that hold some of its tensors. Raises UserError."""
    path = header.path
    others = {entry.file for entry in header.tensors.values() if entry.file} - {path}
    return {one: identity(one) for one in (path, *sorted(one for one in others if path not in one.parents))}


def read_all(header: Header) -> dict[str, Tensor]:
    """Every tensor of a file, mapped from it: nothing is read before it is used. Raises UserError when one is of a kind
    of number that torch lacks.
    """
    known = DTYPES | OTHER_DTYPES
    foreign = [f"{name} {entry.dtype}" for name, entry in header.tensors.items() if entry.dtype not in known]
    if foreign:
        raise _unfit(header, "table", f"has {len(foreign)} tensors in a format that is not supported", foreign)
    files = _Files(header)
    tensors = {}
    for name, entry in header.tensors.items():
        dtype = known[entry.dtype]
        empty = torch.empty(entry.shape, dtype=dtype)
        tensors[name] = _view(files.of(entry), header, entry).view(entry.shape) if empty.numel() else empty
    return tensors


class Mapped:
    """The tensors of a file or a folder where they lie: each is read when it is asked for, and can be let go of
    afterwards.

    Raises UserError when a file cannot be read, or was made shorter since its header was.
    """

    def __init__(self, header: Header) -> None:
        self._header, self._files = header, _Files(header)
        for place in (place for entry in header.tensors.values() for place in entry.places):
            if len(self._files.of(place)) < header.data_start + place.end:
                raise _changed(place.file or header.path)

    def tensor(self, name: str) -> Tensor:
        """A tensor of the file, mapped. Raises UserError when it is of a kind of number that torch lacks."""
        return self._tensor(self._header.tensors[name])

    def stored(self, name: str) -> Tensor | memoryview:
        """A tensor's bytes as they are, where they lie in one place."""
        entry, start = self._header.tensors[name], self._header.data_start
        if entry.pieces:
            return self._tensor(entry)
        return memoryview(self._files.of(entry))[start + entry.begin : start + entry.end]

    def let_go(self, name: str) -> None:
        start = self._header.data_start
        for place in self._header.tensors[name].places:
            _give_back(self._files.of(place), start + place.begin, start + place.end)

    def _tensor(self, entry: TensorEntry) -> Tensor:
        dtype = (DTYPES | OTHER_DTYPES).get(entry.dtype)
        if dtype is None:
            raise _unfit(self._header, "table", "has a tensor in a format that is not supported", [entry.dtype])
        if entry.begin == entry.end:
            return torch.empty(entry.shape, dtype=dtype)
        if not entry.pieces:
            return _view(self._files.of(entry), self._header, entry).view(entry.shape)
        pieces = [self._tensor(piece).to(dtype) for piece in entry.pieces]
        whole = torch.cat(pieces) if len(pieces) > 1 else pieces[0].t()
        return whole.view(entry.shape) if len(pieces) > 1 else whole.contiguous()


def fill(module: nn.Module, header: Header, original: Original, *, device: torch.device, dtype: torch.dtype) -> Stored:
    """Takes every parameter of the module from the file; `original` gives a parameter's name there. What it gives back
    reads parameters again.

    Tensors that no parameter asks for are ignored. Raises UserError naming the first tensors that are missing or have
    another shape or kind of number than the module needs.
    """
    wanted: dict[str, list[Wanted]] = {}
    for name, parameter in module.named_parameters():
        found = original(name)
        source = found if isinstance(found, Source) else Source(found)
        wanted.setdefault(source.name, []).append((source, name, tuple(parameter.shape)))
    _check(type(module).__name__, header, wanted)
    stored_there = Stored(header, original, device, dtype, identities(header))
    files = _Files(header)
    owners = dict(module.named_modules())
    with pages_of_their_own():
        for source, entry in header.tensors.items():  # in the file's order
            if source not in wanted:
                continue
            mapping, stored = files.of(entry), _numbers(header, source, files)
            for place, name, shape in wanted[source]:
                tensor = place.taken(stored, shape).to(device=device, dtype=dtype)
                owner, _, leaf = name.rpartition(".")
                setattr(owners[owner], leaf, nn.Parameter(tensor, requires_grad=False))
            if device.type != "cpu" or DTYPES[entry.dtype] != dtype:
                _give_back(mapping, header.data_start + entry.begin, header.data_start + entry.end)
    module.eval()
    return stored_there


class _Files:
    """The files that a header's tensors lie in, each mapped when it is needed first."""

    def __init__(self, header: Header) -> None:
        self._own = header.path
        self._mapped: dict[Path, mmap.mmap] = {}

    def of(self, entry: TensorEntry) -> mmap.mmap:
        """The file that a tensor lies in. Raises UserError when it cannot be read."""
        path = entry.file or self._own
        if path not in self._mapped:
            self._mapped[path] = _map(path)
        return self._mapped[path]


def _numbers(header: Header, name: str, files: _Files) -> Tensor:
    """A tensor's numbers, flat: where they lie in the file, or if they are fp8 with a scale beside them, multiplied."""
    entry = header.tensors[name]
    stored, scale = _view(files.of(entry), header, entry), _scale_of(header, name)
    if scale is None:
        return stored
    return stored.float() * _view(files.of(scale), header, scale).float()


def _scale_of(header: Header, name: str) -> TensorEntry | None:
    """The one number that an fp8 matrix is to be multiplied by, where its file was made with such."""
    if not name.endswith(".weight") or header.tensors[name].dtype not in FP8:
        return None
    owner = name.removesuffix(".weight")
    return next((header.tensors[one] for end in SCALES if (one := owner + end) in header.tensors), None)


def _map(path: Path) -> mmap.mmap:
    """The whole file, privately: what is written to its tensors never reaches the disk. Lives as long as a view."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:  # a file that became empty cannot be mapped
        raise UserError(f"{path.name} cannot be read: {error}.", hint="Check the file and its disk.") from error


def _view(mapping: mmap.mmap, header: Header, entry: TensorEntry) -> Tensor:
    """A tensor's numbers, flat, where they lie in the file."""
    if len(mapping) < header.data_start + entry.end:
        raise _changed(entry.file or header.path)
    dtype = (DTYPES | OTHER_DTYPES)[entry.dtype]
    count, begin = (entry.end - entry.begin) // dtype.itemsize, header.data_start + entry.begin
    if begin % dtype.itemsize:  # old pickles do not align their numbers
        return torch.frombuffer(bytearray(mapping[begin : header.data_start + entry.end]), dtype=dtype)
    return torch.frombuffer(mapping, dtype=dtype, count=count, offset=begin)


def _changed(path: Path) -> UserError:
    return UserError(f"{path.name} changed meanwhile.", hint="Try again when it is complete.")


def _give_back(mapping: mmap.mmap, begin: int, end: int) -> None:
    """Tells the system that these bytes were read for the last time, so that they do not count as our memory.

    The page that `end` lies in is left: the next tensor begins there. Only Unix can be told.
    """
    if end - begin >= WORTH_GIVING_BACK and hasattr(mmap, "MADV_DONTNEED"):
        first, last = begin // mmap.PAGESIZE * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def _check(part: str, header: Header, wanted: Mapping[str, list[Wanted]]) -> None:
    missing = [source for source in wanted if source not in header.tensors]
    if missing:
        raise _unfit(header, part, f"lacks {len(missing)} of its {len(wanted)} tensors", missing)
    entries = {source: header.tensors[source] for source in wanted}
    needed = [(source, place.shape_in_file(shape)) for source, places in wanted.items() for place, _, shape in places]
    misshapen = [
        f"{source} {list(entries[source].shape)} instead of {list(shape)}"
        for source, shape in needed
        if not _same_matrix(entries[source].shape, shape)
    ]
    if misshapen:
        raise _unfit(header, part, f"has {len(misshapen)} tensors of another shape than it needs", misshapen)
    foreign = [f"{source} {entry.dtype}" for source, entry in entries.items() if entry.dtype not in DTYPES]
    scales = {source: scale for source in wanted if (scale := _scale_of(header, source)) is not None}
    foreign += [
        f"{source} with {prod(scale.shape)} scales" for source, scale in scales.items() if prod(scale.shape) != 1
    ]
    if foreign:
        raise _unfit(header, part, f"has {len(foreign)} tensors in a format that is not supported", foreign)


def _same_matrix(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Equal, or one a 1 x 1 convolution and the other the linear layer that computes the same."""
    return shape == wanted or {shape, wanted} == {shape[:2], (*shape[:2], 1, 1)}


def _unfit(header: Header, part: str, problem: str, examples: list[str]) -> UserError:
    more = ", ..." if len(examples) > 3 else ""
    return UserError(
        f"{header.path.name} cannot be loaded: its {part} {problem} ({', '.join(examples[:3])}{more}).",
        hint="The file is incomplete, or of a kind that is not supported yet.",
    )

"""Reads what PyTorch's pickled checkpoints (.ckpt, .pt, .pth, .bin) hold, without running anything that they ask for.

Such a file is a zip archive: `data.pkl` is a program for Python's pickle machine that builds the table of tensors, and
each tensor's numbers are a member of their own, uncompressed. The machine here knows only the few names below, and all
of them are inert things of ours: any other name ends the reading, before anything was called. Since the numbers lie in
the file as they are, the result is a `Header` like a safetensors file's, and the weights are read in the same way.

All this happens in a process of its own (`pickle_reader.py`, which `apart.py` asks).
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..core.errors import UserError
from .header import BITS, DOWNLOAD_AGAIN, MOST_TENSORS, Header, TensorEntry, is_shape, is_tensor_name

SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
LONGEST_PROGRAM = 64 << 20  # bytes of data.pkl; a checkpoint's has less than one
MOST_MEMBERS = 100_000
DEEPEST = 16  # tables inside tables

STORAGES = {"DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16"}
STORAGES |= {"LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8"}
STORAGES |= {"ByteStorage": "U8", "BoolStorage": "BOOL", "UntypedStorage": "U8"}
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32"}
DTYPES |= {"int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}
DTYPES |= {"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}


class _Type(NamedTuple):
    """A kind of number, as safetensors writes it."""

    name: str


class _Call(NamedTuple):
    """A function within a program's reach. Unlike a function or a class, a tuple has no attributes to overwrite."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


@dataclass(frozen=True)
class _Storage:
    """The member `key` of the archive, read as numbers of one kind."""

    dtype: str
    key: str


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage. `offset` and `stride` count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str


class _Nothing:
    """What stands for objects that training left in a file: built, filled, never looked at."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> _Tensor:
    """torch._utils._rebuild_tensor, _v2 and _v3; the last names the kind of number at the end."""
    dtype = next((item.name for item in rest if isinstance(item, _Type)), storage.dtype)
    return _Tensor(storage, offset, tuple(shape), tuple(stride), dtype)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v3"): _Call(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Call(_parameter),
    ("torch.nn.parameter", "Parameter"): _Call(_parameter),
    ("torch.nn.modules.container", "ParameterDict"): OrderedDict,
    ("torch", "Size"): tuple,
    **{(module, "set"): set for module in ("__builtin__", "builtins")},
    **{("torch", name): _Type(dtype) for name, dtype in (*STORAGES.items(), *DTYPES.items())},
    **{("torch.storage", name): _Type(dtype) for name, dtype in STORAGES.items()},
    **{(f"numpy.{core}.multiarray", "scalar"): _Call(_Nothing) for core in ("core", "_core")},
    ("numpy", "dtype"): _Call(_Nothing),
    ("_codecs", "encode"): _Call(_Nothing),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): _Call(_Nothing),
}


class _Forbidden(Exception):
    """A name that is not known here."""


class Machine(pickle.Unpickler):
    """Python's pickle machine, with nothing in reach but `KNOWN`."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise _Forbidden(f"{module}.{name}"[:100])
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: ("storage", kind of number, key, device, count)."""
        mark, kind, key = pid[:3]
        if mark != "storage" or not isinstance(kind, _Type) or not isinstance(key, str):
            raise ValueError("a storage is not described as PyTorch does")
        return _Storage(kind.name, key)


def read_pickle_header(path: Path) -> Header:
    """The tensors of a pickled checkpoint and where they lie in it, as `read_header` gives a safetensors file's.

    Tables inside the table are spelt out with dots; a training checkpoint's "state_dict" counts as the whole. Raises
    UserError, naming the file: when it asks for anything but tensors (naming what), or is damaged or foreign.
    """
    try:
        with path.open("rb") as file, _archive(path, file) as archive:
            members = _members(path, file, archive)
            content = _run(path, archive, members)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    return header_of(path, content, members)


def _archive(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # what a malformed directory can raise is not listed anywhere
        raise refused(path, "it is not the zip archive that PyTorch writes since version 1.6") from error


def header_of(path: Path, content: Any, members: Mapping[str, tuple[int, int]]) -> Header:
    """What a pickle built, as a table of tensors; the numbers of storage K lie where `members["data/K"]` says."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    try:
        found = {name: _entry(tensor, members) for name, tensor in _tensors(content)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refused(path, "its tensors do not fit their numbers") from error
    if not found:
        raise refused(path, "it holds no tensors by name")
    if len(found) > MOST_TENSORS or not all(is_tensor_name(name) for name in found):
        raise refused(path, "it has more or longer names than any model, or such as are no text")
    return Header(path, dict(sorted(found.items(), key=lambda item: item[1].begin)), {}, 0)


def _members(path: Path, file: BinaryIO, archive: zipfile.ZipFile) -> dict[str, tuple[int, int]]:
    """Where each member's bytes begin and end in the file, by its name without the folder that all are in."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise refused(path, f"it has {len(infos):,} members")
    end, places = path.stat().st_size, {}
    for info in infos:
        name = info.filename.partition("/")[2]
        if name in places:
            raise refused(path, f"it has two members {name}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise refused(path, "its members are compressed, which PyTorch's never are")
        if info.header_offset >= end:
            raise refused(path, "it is truncated")
        file.seek(info.header_offset)
        local = file.read(30)
        if len(local) < 30:
            raise refused(path, "it is truncated")
        begin = info.header_offset + 30 + sum(struct.unpack("<HH", local[26:30]))
        if begin + info.file_size > end:
            raise refused(path, "it is truncated")
        places[name] = (begin, begin + info.file_size)
    return places


def _run(path: Path, archive: zipfile.ZipFile, members: Mapping[str, tuple[int, int]]) -> Any:
    """What `data.pkl` builds."""
    if "data.pkl" not in members:
        raise refused(path, "it is a zip archive, but has no data.pkl")
    begin, end = members["data.pkl"]
    if end - begin > LONGEST_PROGRAM:
        raise refused(path, f"its table of tensors takes {end - begin:,} bytes")
    with path.open("rb") as file:
        file.seek(begin)
        program = file.read(end - begin)
    return loaded(path, Machine(io.BytesIO(program), encoding="latin-1"))


def loaded(path: Path, machine: Machine) -> Any:
    """What the machine's program builds. Raises UserError when it asks for what no model needs, or is damaged."""
    try:
        return machine.load()
    except _Forbidden as error:
        raise UserError(
            f"{path.name} is refused: it asks for {error}, which no model needs and which could run a program.",
            hint="Nothing was run. Take the model from somewhere else, as .safetensors if there is one.",
        ) from error
    except MemoryError as error:
        raise UserError(f"{path.name} is refused: its table of tensors fills the memory.") from error
    except Exception as error:  # what a malformed program can raise is not listed anywhere
        raise refused(path, f"its table of tensors is not readable ({type(error).__name__})") from error


def _tensors(
    content: Any, prefix: str = "", depth: int = 0, seen: set[int] | None = None
) -> Iterator[tuple[str, _Tensor]]:
    """The tensors by name. A place in a list is a name too: hypernetworks keep pairs of tables. Each table is looked
    into once: one that holds itself many times would never come to an end.
    """
    seen = set() if seen is None else seen
    items = _items(content)
    if not items or depth > DEEPEST or id(content) in seen:
        return
    seen.add(id(content))
    for name, value in items:
        if isinstance(value, _Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from _tensors(value, f"{prefix}{name}.", depth + 1, seen)


def _items(content: Any) -> list[tuple[Any, Any]]:
    """What a table or a list holds, by name or place; nothing of anything else."""
    if type(content) in (list, tuple):
        return list(enumerate(content))
    if not isinstance(content, dict):
        return []
    # A ParameterDict, of which embeddings are made, has its tensors in an attribute.
    inner = getattr(content, "__dict__", {}).get("_parameters", {})
    return [*content.items(), *(inner.items() if isinstance(inner, dict) else ())]


def _entry(tensor: _Tensor, members: Mapping[str, tuple[int, int]]) -> TensorEntry:
    """Where the tensor's numbers lie. Raises ValueError when they are not there, or not one after the other."""
    if not (is_shape(tensor.shape) and is_shape((tensor.offset,)) and len(tensor.shape) == len(tensor.stride)):
        raise ValueError("not a shape")
    begin, end = members[f"data/{tensor.storage.key}"]
    width = BITS[tensor.dtype] // 8
    expected = tuple(prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
    if any(
        size > 1 and stride != wanted
        for size, stride, wanted in zip(tensor.shape, tensor.stride, expected, strict=True)
    ):
        raise ValueError("not contiguous")
    first = begin + tensor.offset * BITS[tensor.storage.dtype] // 8
    last = first + prod(tensor.shape) * width
    if last > end:
        raise ValueError("beyond the end")
    return TensorEntry(tensor.dtype, tensor.shape, first, last)


def refused(path: Path, what: str) -> UserError:
    return UserError(f"{path.name} cannot be read as a PyTorch checkpoint: {what}.", hint=DOWNLOAD_AGAIN)

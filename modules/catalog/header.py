"""Reads what a safetensors file says about itself: names, dtypes, shapes, places. Never the weights.

The layout (https://github.com/huggingface/safetensors): 8 bytes little-endian length, that many bytes of JSON, then
the tensors' bytes without gaps. Everything a damaged, foreign or hostile file can say is checked here, once, so that
readers of a `Header` may trust it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import UserError

LONGEST_HEADER = 100_000_000  # bytes; the same bound as the safetensors library's
MOST_MARKS = 4_000_000  # brackets and commas in it: what is read of these takes some hundred megabytes
MOST_TENSORS, MOST_AXES, LONGEST_NAME = 100_000, 64, 1000  # many times what the largest models have

BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
BITS |= {"U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32}
BITS |= {"U64": 64, "I64": 64, "F64": 64, "C64": 64}

TRUSTED = "Convert it to safetensors where you trust it."
RENAMED = "Give it back its ending, .ckpt or .pt: nothing in it is run then, and the Models tab converts it."
DOWNLOAD_AGAIN = "Download it again and compare its size with the one its page states."

# How files that are often saved under a model's name begin, what they are, and what to do.
FOREIGN = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "Run `git lfs pull` where it came from."),
    (b"<!doctype", "a web page", "Open the download page in a browser and save the file behind its download button."),
    (b"<html", "a web page", "Open the download page in a browser and save the file behind its download button."),
    (b"<?xml", "an XML text", DOWNLOAD_AGAIN),
    (b"PK\x03\x04", "a PyTorch pickle or another zip archive", RENAMED),
    (b"\x80\x02", "a Python pickle", RENAMED),
    (b"\x80\x03", "a Python pickle", RENAMED),
    (b"\x80\x04", "a Python pickle", RENAMED),
    (b"\x80\x05", "a Python pickle", RENAMED),
    (b"GGUF", "a GGUF file", "Use the safetensors file of the same model."),
    (b"\x89PNG", "a PNG picture", "Check which file was renamed."),
    (b"\xff\xd8\xff", "a JPEG picture", "Check which file was renamed."),
    (b"{", "a JSON text", DOWNLOAD_AGAIN),
)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: dtype as safetensors writes it ("F16"), shape, and its bytes [begin, end) after the data's start.
    `file`: where these are, if not in the header's own file. `pieces`: the tensors that it is made of, one below the
    other, if it lies in several; or the one whose rows are its columns. It has no place of its own then.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int
    file: Path | None = None
    pieces: tuple[TensorEntry, ...] = ()

    @property
    def places(self) -> tuple[TensorEntry, ...]:
        """The tensors that lie in files: itself, or its pieces."""
        return self.pieces or (self,)


@dataclass(frozen=True)
class Header:
    """A checked header. `tensors` is in the file's order of bytes; `data_start` is where those begin in the file.
    `smoothed`: what stands under the UNet's names is its smoothed twin, since the file has no other complete UNet.
    """

    path: Path
    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    data_start: int
    smoothed: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self.tensors.items()}


def read_header(path: Path) -> Header:
    """The header of the safetensors file at `path`; milliseconds for any size, since weights are not read.

    Raises UserError, naming the file, when it is missing, foreign, damaged or inconsistent with its length.
    """
    if path.is_dir():
        raise UserError(f"{path.name} is a folder, not a model file.", hint="Put the file itself there.")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise UserError(f"{path.name} is a pipe or a device, not a model file.", hint="Put the file itself there.")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            text = _header_text(path, file, size)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path.name} cannot be read: {reason}.", hint="Check the file and its permissions.") from error
    content = _parse(path, text)
    metadata = _checked_metadata(path, content.pop("__metadata__", {}))
    data_start = 8 + len(text)
    tensors = {name: _checked_entry(path, name, value) for name, value in content.items()}
    tensors = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    _check_places(path, tensors, size - data_start)
    return Header(path, tensors, metadata, data_start)


def _header_text(path: Path, file: BinaryIO, size: int) -> bytes:
    """The JSON bytes. Raises UserError when the beginning of the file is not that of a safetensors file."""
    if size == 0:
        raise UserError(f"{path.name} is empty (0 bytes).", hint=DOWNLOAD_AGAIN)
    start = file.read(512)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or length > size:
        _refuse_foreign(path, start)
    if size < 10:
        raise UserError(f"{path.name} is too short for a model ({size} bytes).", hint=DOWNLOAD_AGAIN)
    if length > LONGEST_HEADER:
        raise _damaged(path, f"its header claims {length:,} bytes, more than the format allows")
    if 8 + length > size:
        raise _damaged(path, f"its header claims {length:,} bytes, but the whole file has {size:,}")
    if start[8:9] != b"{":
        raise _damaged(path, "what stands where the header belongs is not a header")
    file.seek(8)
    return file.read(length)


def _refuse_foreign(path: Path, start: bytes) -> None:
    if start[257:262] == b"ustar":
        what = "a tar archive, as PyTorch wrote models before version 0.4"
        raise UserError(f"{path.name} is not a safetensors file: it is {what}.", hint=TRUSTED)
    begins = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, what, hint in FOREIGN:
        if start.startswith(mark) or begins.startswith(mark.lower()):
            raise UserError(f"{path.name} is not a safetensors file: it is {what}.", hint=hint)


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > MOST_MARKS:
        raise _damaged(path, "its header has more parts than any model's")
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:  # ValueError covers JSON, UTF-8, repeated names and endless numbers
        raise _damaged(path, f"its header is not readable ({_short(error)})") from error
    if not isinstance(content, dict):
        raise _damaged(path, "its header is not a table of tensors")
    if len(content) > MOST_TENSORS or not all(is_tensor_name(name) for name in content):
        raise _damaged(path, "its header has more or longer names than any model's, or such as are no text")
    return content


def is_tensor_name(name: str) -> bool:
    """Whether a name may be listed and stored: of a length that models have, and Unicode as others write it."""
    return len(name) <= LONGEST_NAME and is_text(name)


def is_text(text: str) -> bool:
    """Whether it can be written: JSON, pickles and names of files can hold halves of characters."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name is used twice")
    return table


def _checked_metadata(path: Path, metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "its metadata is not a table of texts")
    if not all(map(is_text, (*metadata, *metadata.values()))):
        raise _damaged(path, "its metadata is not a table of texts")
    return metadata


def _checked_entry(path: Path, name: str, value: Any) -> TensorEntry:
    """The entry of one tensor, after checking that dtype, shape and place agree."""
    try:
        dtype, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"tensor {_short(name)} lacks dtype, shape or data_offsets") from error
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _damaged(path, f"tensor {_short(name)} has the unknown type {_short(dtype)}")
    if isinstance(shape, list) and len(shape) > MOST_AXES:
        raise _damaged(path, f"tensor {_short(name)} has {len(shape):,} axes")
    if not isinstance(shape, list) or not is_shape(shape) or not (_is_count(begin) and _is_count(end)):
        raise _damaged(path, f"tensor {_short(name)} has a shape or a place that is not made of whole numbers")
    if (end - begin) * 8 != prod(shape) * BITS[dtype]:
        raise _damaged(path, f"tensor {_short(name)} has {end - begin:,} bytes, which is not what its shape needs")
    return TensorEntry(dtype, tuple(shape), begin, end)


def is_shape(sizes: Sequence[Any]) -> bool:
    """Whether these are the sizes of a tensor that can be counted, an empty one too."""
    return len(sizes) <= MOST_AXES and all(map(_is_count, sizes)) and prod(max(1, size) for size in sizes) < 2**63


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**63


def _check_places(path: Path, tensors: Mapping[str, TensorEntry], available: int) -> None:
    """Tensors, in order, must follow each other without gaps or overlaps and end where the file ends."""
    position = 0
    for name, entry in tensors.items():
        if entry.begin != position:
            problem = "overlaps the one before it" if entry.begin < position else "leaves a gap before it"
            raise _damaged(path, f"tensor {_short(name)} {problem}")
        position = entry.end
    if position > available:
        missing = (position - available) / 1e6
        raise UserError(
            f"{path.name} is truncated: {missing:,.1f} MB of {position / 1e6:,.1f} MB of weights are missing.",
            hint="The download probably broke off. " + DOWNLOAD_AGAIN,
        )
    if position < available:
        raise _damaged(path, f"{available - position:,} bytes follow its last tensor")


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path.name} is not a valid safetensors file: {what}.", hint=DOWNLOAD_AGAIN)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."

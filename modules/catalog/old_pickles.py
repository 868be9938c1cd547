"""Reads PyTorch's checkpoints from before version 1.6, in which many upscalers and embeddings are still passed around.

They are pickles one after another: a magic number, a version, facts about the machine, the table of tensors, the names
of the storages; then each storage's numbers, their count in front. The table is read by the machine of `pickles.py`.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import UserError
from .header import BITS, Header
from .pickles import LONGEST_PROGRAM, Machine, header_of, loaded, refused

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number 0x1950a86a20f9469cfc6c, pickled


class _Counted:
    """A file from which only so many bytes can be read, so that a hostile table cannot fill the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, LONGEST_PROGRAM

    def read(self, count: int = -1) -> bytes:
        return self._taken(self._file.read(min(count if count >= 0 else self._left, self._left)))

    def readline(self) -> bytes:
        return self._taken(self._file.readline(self._left))

    def _taken(self, read: bytes) -> bytes:
        self._left -= len(read)
        return read


class _OldMachine(Machine):
    """The machine, which also notes the kind of number of each storage."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin-1")
        self.kinds: dict[str, str] = {}

    def persistent_load(self, pid: Any) -> Any:
        """A storage: ("storage", kind of number, key, device, count, the part of another storage that it is)."""
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError("a storage is part of another")
        storage = super().persistent_load(pid)
        self.kinds[storage.key] = storage.dtype
        return storage


def read_old_pickle_header(path: Path) -> Header:
    """The tensors and where they lie in the file, as `read_pickle_header` gives them. Raises UserError likewise."""
    try:
        with path.open("rb") as file:
            counted = _Counted(file)
            for _ in range(3):  # magic number, version, facts about the machine
                loaded(path, Machine(counted))
            machine = _OldMachine(counted)
            content = loaded(path, machine)
            members = _members(path, file, loaded(path, Machine(counted)), machine.kinds)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    return header_of(path, content, members)


def _members(path: Path, file: BinaryIO, keys: Any, kinds: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Where the numbers of each storage begin and end in the file."""
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in kinds for key in keys):
        raise refused(path, "its list of storages does not fit its table of tensors")
    end, places = os.fstat(file.fileno()).st_size, {}
    for key in keys:
        length = file.read(8)
        count = struct.unpack("<q", length)[0] if len(length) == 8 else -1
        begin = file.tell()
        last = begin + count * BITS[kinds[key]] // 8
        if count < 0 or last > end:
            raise refused(path, "it is truncated")
        places[f"data/{key}"] = (begin, last)
        file.seek(last)
    return places

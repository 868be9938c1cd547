"""The program that opens pickled model files, for `apart.py`, in a process of its own with little in its reach.

It reads one question per line, JSON with `file` (the path's bytes in hex) and `seconds` (of computing that this may
take), and answers each with a line: `tensors`, the table and where the numbers lie, or the `message` and `hint` that
say why there is none. It imports nothing but Python's own library, writes no file and starts no program.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .header import Header
from .old_pickles import MAGIC, read_old_pickle_header
from .pickles import read_pickle_header

try:
    import resource
except ImportError:  # Windows: whoever asks ends this process when it takes too long
    resource = None

# Before anything is opened: no file may grow, no process may be started, no memory image is left behind.
NONE_OF = ("RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE")


def main(memory: int) -> None:
    """Answers until its standard input ends. `memory`: bytes that it may take."""
    answers = sys.stdout.buffer
    _limit(memory)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        _allow(question["seconds"])
        answers.write(_answer(Path(os.fsdecode(bytes.fromhex(question["file"])))) + b"\n")
        answers.flush()


def _answer(path: Path) -> bytes:
    try:
        return json.dumps({"tensors": _rows(_header(path))}).encode("ascii")
    except UserError as error:
        return json.dumps({"message": error.message, "hint": error.hint}).encode("ascii")
    except MemoryError:
        return json.dumps({"message": f"{path.name} is refused: its table of tensors fills the memory."}).encode()


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
    return read_old_pickle_header(path) if begins == MAGIC else read_pickle_header(path)


def _rows(header: Header) -> list[list[Any]]:
    return [[name, one.dtype, one.shape, one.begin, one.end] for name, one in header.tensors.items()]


def _limit(memory: int) -> None:
    if resource is None:
        return
    limits = {"RLIMIT_AS": memory, **dict.fromkeys(NONE_OF, 0)}
    for name, most in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
            with contextlib.suppress(ValueError, OSError):  # macOS has a name for the memory's, but takes no value
                resource.setrlimit(kind, (lower, lower))


def _allow(seconds: float) -> None:
    """Lets the process compute for so long from now on; the system ends it then."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Writes a new safetensors file tensor by tensor: under another name until it is whole, over nothing that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..catalog.outcome import Plan, nbytes
from ..core.errors import UserError
from ..core.files import check_room, part_of, taken

BLOCK = 16 << 20  # bytes between two reports
FLUSHED = 256 << 20  # bytes between two requests to have them on the disk: the last one must not take long
Report = Callable[[int, int], None]


def write_safetensors(
    target: Path,
    plan: Plan,
    metadata: Mapping[str, str],
    content: Callable[[str], Tensor | memoryview],
    *,
    report: Report = lambda done, size: None,
    written: Callable[[str], None] = lambda name: None,
) -> None:
    """Writes the tensors of a plan, each got from `content` when its turn comes and told to `written` afterwards.

    `report(done, size)` hears how many bytes are written; what it raises cancels. Whatever happens, nothing but the
    whole file is left. Raises UserError when `target` exists, cannot be written, or its disk has no room.
    """
    table, size = _table(plan, metadata)
    check_room(target, size + len(table))
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(table)
            done = flushed = 0
            for name in plan:
                for block in _blocks(content(name)):
                    file.write(block)
                    done += len(block)
                    if done - flushed >= FLUSHED:
                        _flush(file.fileno(), file.flush)
                        flushed = done
                    report(done, size)
                written(name)
            _flush(file.fileno(), file.flush)
        _place(part, target)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"{target.name} cannot be written: {reason}.", hint="Check the disk and the folder.") from error
    finally:
        part.unlink(missing_ok=True)


def _table(plan: Plan, metadata: Mapping[str, str]) -> tuple[bytes, int]:
    """The file's head, padded to 8 bytes, and how many bytes of numbers follow it."""
    entries, position = {}, 0
    for name, one in plan.items():
        places = [position, position + one.nbytes]
        entries[name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": places}
        position = places[1]
    text = json.dumps({"__metadata__": dict(metadata), **entries}).encode()
    text += b" " * (-len(text) % 8)
    assert position == nbytes(plan)
    return len(text).to_bytes(8, "little") + text, position


def _blocks(numbers: Tensor | memoryview) -> list[memoryview]:
    """The bytes of a tensor, in pieces."""
    if isinstance(numbers, Tensor):
        numbers = memoryview(numbers.contiguous().view(-1).view(torch.uint8).numpy())
    return [numbers[start : start + BLOCK] for start in range(0, len(numbers), BLOCK)]


def _flush(handle: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(handle)


def _place(part: Path, target: Path) -> None:
    """Gives the finished file its name. A link, unlike a renaming, never replaces what came there meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise taken(target) from error
    except OSError:  # a disk without links
        if target.exists():
            raise taken(target) from None
        os.rename(part, target)

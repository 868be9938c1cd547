"""Opens a model file of any format as far as its table of tensors."""

from __future__ import annotations

from pathlib import Path

from .apart import pickle_process
from .header import Header, read_header
from .old_pickles import MAGIC
from .pickles import SUFFIXES
from .smoothed import with_plain_names


def read_tensors(path: Path) -> Header:
    """What a model file holds, by its ending: milliseconds, no weights, and nothing in the file is run. Pickles are
    opened in another process. A UNet that is there only as its smoothed twin has the plain names.

    Raises UserError, naming the file, when it is damaged, foreign or hostile.
    """
    if path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
        if begins.startswith(b"PK\x03\x04") or begins == MAGIC:
            return with_plain_names(pickle_process().header(path))
    return with_plain_names(read_header(path))

"""Opens a model file of any format as far as its table of tensors."""

from __future__ import annotations

from pathlib import Path

from .header import Header, read_header
from .old_pickles import MAGIC, read_old_pickle_header
from .pickles import SUFFIXES, read_pickle_header


def read_tensors(path: Path) -> Header:
    """What a model file holds, by its ending: milliseconds, no weights, and nothing in the file is run.

    Raises UserError, naming the file, when it is damaged, foreign or hostile.
    """
    if path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
        if begins.startswith(b"PK\x03\x04"):
            return read_pickle_header(path)
        if begins == MAGIC:
            return read_old_pickle_header(path)
    return read_header(path)

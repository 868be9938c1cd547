"""Tells what a folder in diffusers' layout is, from its parts' tables and their files' headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .detect import detect
from .detection import Detection
from .open import read_tensors

INDEX = "model_index.json"
LARGEST = 1 << 20  # bytes of the index


def is_diffusers_folder(path: Path) -> bool:
    return (path / INDEX).is_file()


def detect_folder(path: Path) -> Detection:
    """What the model in a diffusers folder is: its pipeline by name, its family and variant by the network's tensors.

    Raises UserError when its index or its network's file is damaged.
    """
    pipeline = str(_index(path).get("_class_name", "a pipeline without a name"))[:80]
    for part in ("unet", "transformer"):
        if file := _weights(path / part):
            found = detect(read_tensors(file))
            reason = f"a diffusers folder of {pipeline}; in {part}: {found.reason}"
            return Detection("diffusers folder", found.family_id, found.variant, reason)
    return Detection("diffusers folder", "", "", f"a diffusers folder of {pipeline}, without a file of its network")


def _index(path: Path) -> dict[str, Any]:
    index = path / INDEX
    try:
        content = json.loads(index.read_text(encoding="utf-8")) if index.stat().st_size <= LARGEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path.name}/{INDEX} cannot be read.", hint="Download the folder again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name}/{INDEX} is not a table.", hint="Download the folder again.")
    return content


def _weights(folder: Path) -> Path | None:
    """The network's file, the first of several parts, plain before fp16, safetensors before pickles."""
    files = [path for ending in ("*.safetensors", "*.bin") for path in sorted(folder.glob(ending))]
    return min(files, key=lambda path: ("fp16" in path.name, path.suffix != ".safetensors", path.name), default=None)

"""Tells what a folder in diffusers' layout is, from its parts' tables and their files' headers."""

from __future__ import annotations

import glob
import json
import re
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .checkpoints import PAINTING
from .detect import detect
from .detection import Detection
from .families import FAMILIES
from .open import read_tensors
from .recognise import PREDICTION, ZERO_SNR, Found

INDEX = "model_index.json"
LARGEST = 1 << 20  # bytes of a table
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
FILES = ("diffusion_pytorch_model", "pytorch_model", "model")  # what the libraries call their files
AGAIN = "Download the folder again."


def is_diffusers_folder(path: Path) -> bool:
    return (path / INDEX).is_file()


def detect_folder(path: Path) -> Detection:
    """What the model in a diffusers folder is: its pipeline by name, its family and variant by the network's tensors. A
    "checkpoint" has all its parts here and can be painted with.

    Raises UserError when its index or its network's file is damaged.
    """
    pipeline = str(table(path / INDEX).get("_class_name", "a pipeline without a name"))[:80]
    for part in ("unet", "transformer"):
        if files := weights_of(path / part):
            found = detect(read_tensors(files[0]))
            lacks = _lacks(path, found)
            reason = f"a diffusers folder of {pipeline}; in {part}: {found.reason}{lacks}"
            kind = "diffusers folder" if lacks or part == "transformer" else "checkpoint"
            return Detection(kind, found.family_id, found.variant, reason)
    return Detection("diffusers folder", "", "", f"a diffusers folder of {pipeline}, without a file of its network")


def found_in_folder(path: Path) -> Found:
    """All that a folder says of itself. Raises UserError."""
    return Found(detect_folder(path), (), told_by_scheduler(path))


def told_by_scheduler(path: Path) -> dict[str, str]:
    """What the scheduler's table says of the training, in the words of a single file's metadata. That a model predicts
    noise is the rule, and is found out where it is not: nothing is said then. Raises UserError.
    """
    place = path / "scheduler" / "scheduler_config.json"
    scheduler = table(place) if place.is_file() else {}
    told = {PREDICTION: "v_prediction"} if scheduler.get("prediction_type") == "v_prediction" else {}
    return told | ({ZERO_SNR: "true"} if scheduler.get("rescale_betas_zero_snr") is True else {})


def _lacks(path: Path, found: Detection) -> str:
    """What keeps a folder with a network from being painted with, for its reason; "" when nothing does."""
    encoders = {"sdxl": ("text_encoder", "text_encoder_2")}.get(found.family_id, ("text_encoder",))
    needed = ("vae", *(encoders[1:] if found.variant == "refiner" else encoders))
    missing = [part for part in needed if not weights_of(path / part)]
    family = FAMILIES.get(found.family_id)
    if missing:
        return f"; without files in {' and '.join(missing)}"
    return "" if family and family.loadable and found.variant in PAINTING else "; not of a kind that is painted with"


def weights_of(folder: Path) -> list[Path]:
    """The files of one part: several where its tensors are spread; plain before fp16, safetensors before pickles."""
    files = [
        path
        for ending in ("*.safetensors", "*.bin")
        for path in folder.glob(ending)
        if path.name.startswith(FILES) and "non_ema" not in path.name
    ]
    best = min(files, key=lambda path: ("fp16" in path.name, path.suffix != ".safetensors", path.name), default=None)
    if best is None:
        return []
    return sorted(folder.glob(re.sub(r"-\d{5}-of-", "-?????-of-", glob.escape(best.name))))


def known_by(path: Path) -> Path:
    """The file by whose hash a model is known: of a diffusers folder its UNet's, else the model's own."""
    return next(iter(weights_of(path / "unet")), path) if path.is_dir() else path


def folder_stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of all that a diffusers folder is loaded from, as a file's tell its content from others.
    Raises OSError.
    """
    files = [path / INDEX, *(file for part in PARTS for file in weights_of(path / part))]
    found = [file.stat() for file in files]
    return sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)


def table(path: Path) -> dict[str, Any]:
    """A JSON table in a diffusers folder. Raises UserError when it is missing, too large, or no table."""
    name = f"{path.parent.name}/{path.name}"
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= LARGEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{name} cannot be read.", hint=AGAIN) from error
    if not isinstance(content, dict):
        raise UserError(f"{name} is not a table.", hint=AGAIN)
    return content

"""Tells what a folder in diffusers' layout is, from its parts' tables and their files' headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .checkpoints import PAINTING
from .detect import detect
from .detection import Detection
from .families import FAMILIES
from .header import Header
from .open import read_tensors
from .recognise import PREDICTION, ZERO_SNR, Found

INDEX = "model_index.json"
SHARD = re.compile(r"-\d{5}-of-")
VARIANTS = {"": 0, "fp16": 1, "non_ema": 3}  # the smaller, the sooner taken; others are 2
LARGEST = 1 << 20  # bytes of a table
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
# What the libraries call their files. A variant ("fp16") stands before the shard's number or, in newer ones, behind it.
FILES = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(\w+))?(?:-(\d{5})-of-(\d{5}))?(?:\.(\w+))?\.(safetensors|bin)"
)
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
            tensors = {name: entry for file in files for name, entry in read_tensors(file).tensors.items()}
            found = detect(Header(path, tensors, {}, 0))
            lacks = _lacks(path, found) or ("; of its kind only single files are loaded" * (part == "transformer"))
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
    if lost := missing_from(path, ("unet", "transformer", *needed)):
        return f"; {lost}"
    return "" if family and family.loadable and found.variant in PAINTING else "; not of a kind that is painted with"


def weights_of(folder: Path) -> list[Path]:
    """The files of one part: several where its tensors are spread. Of several such sets a complete one before one that
    lacks a file, plain before fp16, safetensors before pickles.
    """
    return [folder / name for name in _chosen(folder).there]


def missing_from(folder: Path, parts: Iterable[str]) -> str:
    """Says which files are not there of those that these parts' tensors are spread over; "" when all are."""
    lost = [f"{part}/{name}" for part in parts for name in _chosen(folder / part).missing]
    if not lost:
        return ""
    some = ", ".join(lost[:3]) + (", ..." if len(lost) > 3 else "")
    return f"{some} {'is' if len(lost) == 1 else 'are'} missing"


@dataclass
class _Set:
    """Files that hold a part's tensors together: what their names say, and which there are."""

    variant: str = ""
    pickled: bool = False
    there: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def rank(self) -> tuple[bool, int, bool, int, list[str]]:
        """The smallest is taken."""
        return bool(self.missing), VARIANTS.get(self.variant, 2), self.pickled, len(self.there), self.there


def _chosen(folder: Path) -> _Set:
    """The set that is loaded; an empty one where there is none."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    sets: dict[str, _Set] = {}
    for name in sorted(names):
        if told := FILES.fullmatch(name):
            common = SHARD.sub("-*-of-", name)
            if common not in sets:
                numbered = (common.replace("-*-", f"-{number:05}-") for number in range(1, int(told[3] or 0) + 1))
                lost = [shard for shard in numbered if shard not in names]
                sets[common] = _Set(told[1] or told[4] or "", told[5] == "bin", missing=lost)
            sets[common].there.append(name)
    return min(sets.values(), key=lambda one: one.rank, default=_Set())


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

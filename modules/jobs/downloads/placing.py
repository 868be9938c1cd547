"""Finds out what a file that was fetched is, and puts it into the folder where files of its kind belong."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from ...catalog.detect import detect
from ...catalog.detection import Detection
from ...catalog.families import FAMILIES
from ...catalog.hashing import BLOCK
from ...catalog.open import read_tensors
from ...catalog.pickles import SUFFIXES as PICKLES
from ...core.errors import UserError
from ...core.files import Folders

# Below the models folder, by A1111's and its extensions' names, for kinds that have no folders of their own to choose.
OTHER_FOLDERS = {"upscaler": "ESRGAN", "ControlNet": "ControlNet", "T2I-Adapter": "ControlNet"}
OTHER_FOLDERS |= {"IP-Adapter": "ControlNet", "hypernetwork": "hypernetworks", "text encoder": "text_encoder"}
SMALL_VAES, REST = "VAE-approx", "Other"


def recognised_file(file: Path) -> tuple[Detection, str]:
    """What a file is, by its header alone, and in words. Raises UserError when it is damaged, foreign or hostile."""
    found = detect(read_tensors(file))
    family = FAMILIES.get(found.family_id)
    words = " ".join(filter(None, (family.name if family else "", found.kind)))
    if file.suffix.lower() in PICKLES:
        words += ", a pickle: it is read by the reader that runs nothing"
    return found, words


def put_in_place(file: Path, found: Detection, chosen: str, folders: Folders) -> Path:
    """Moves a file into the folder of its kind, or of the one `chosen`; gives its path. What is there already stays as
    it is: a file of the same name and content is the result, beside another one the new one gets a number.
    """
    folder = folder_for(chosen or found.kind, found.variant, folders)
    target, number = folder / file.name, 1
    while target.exists():
        if _same(file, target):
            file.unlink()
            return target
        number += 1
        target = folder / f"{file.stem} ({number}){file.suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _move(file, target)
    except OSError as error:
        raise UserError(
            f"{file.name} cannot be put into {folder}: {error.strerror}.", hint=f"It lies in {file.parent} until then."
        ) from error
    return target


def folder_for(kind: str, variant: str, folders: Folders) -> Path:
    """Where files of a kind belong; those that nothing here uses have a folder of their own."""
    if kind == "VAE" and variant.startswith("TAESD"):
        return folders.models / SMALL_VAES
    own = {"checkpoint": folders.checkpoints, "VAE": folders.vaes, "LoRA": folders.loras}
    own |= {"UNet": folders.checkpoints, "transformer": folders.checkpoints, "embedding": folders.embeddings}
    if own.get(kind):
        return own[kind][0]
    return folders.models / OTHER_FOLDERS.get(kind, REST)


def _same(one: Path, other: Path) -> bool:
    if not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(BLOCK):
            if block != second.read(BLOCK):
                return False
    return True


def _move(file: Path, target: Path) -> None:
    """A rename; to another disk a copy under another name first, so that nobody sees half a model."""
    try:
        os.rename(file, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(target.name + ".part")
        try:
            shutil.copyfile(file, part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        file.unlink()

"""Finds model files in folders, says what each is, and resolves the names that people and infotexts call them by."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UserError
from .beside import read_card, stem_of
from .declared import Declared
from .detect import PAINTING
from .families import FAMILIES
from .folders import folder_stamp, found_in_folder, is_diffusers_folder
from .hashing import SHORT, HashCache, short_hash
from .header import is_text
from .open import read_tensors
from .pickles import SUFFIXES as PICKLES
from .recognise import EDITION, Found, Recognised, found_in, with_everything

log = logging.getLogger("easel.catalog")

SUFFIXES = (".safetensors", *PICKLES)
FOLDERS = {"LoRA": "models/Lora", "VAE": "models/VAE", "embedding": "embeddings", "upscaler": "models/ESRGAN"}
FOLDERS |= {"ControlNet": "models/ControlNet", "checkpoint": "models/Stable-diffusion"}
FOLDERS["text encoder"] = "models/text_encoder"

UPSCALER_FOLDERS = ("ESRGAN", "RealESRGAN", "BSRGAN", "SwinIR", "ScuNET", "DAT", "HAT", "upscale_models")
# What A1111 calls upscalers in lists and in pictures' texts, and the files behind these names.
A1111_UPSCALERS = {
    "R-ESRGAN 4x+": "RealESRGAN_x4plus",
    "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
    "R-ESRGAN 2x+": "RealESRGAN_x2plus",
    "R-ESRGAN General 4xV3": "realesr-general-x4v3",
    "R-ESRGAN General WDN 4xV3": "realesr-general-wdn-x4v3",
    "R-ESRGAN AnimeVideo": "realesr-animevideov3",
    "DAT x2": "DAT_x2",
    "DAT x3": "DAT_x3",
    "DAT x4": "DAT_x4",
}

UNDECLARED = Declared()


@dataclass(frozen=True)
class ModelFile:
    """One file in a models folder, usable or not. `problem` is "" or a sentence about why it cannot be used here.

    `label` is its path below the models folder ("anime/toon.safetensors"); `reason` says how `kind` was told.
    """

    path: Path
    label: str
    kind: str
    family_id: str
    variant: str
    reason: str
    problem: str
    short_hash: str
    size: int
    mtime_ns: int
    declared: Declared = UNDECLARED

    @property
    def name(self) -> str:
        """Its file's name without the ending; a folder's whole name, which may hold dots."""
        return stem_of(self.path)

    @property
    def title(self) -> str:
        """The name that lists show: "name.safetensors [hash]", or without the hash until that is known."""
        return f"{self.label} [{self.short_hash}]" if self.short_hash else self.label

    @property
    def native_size(self) -> int | None:
        """The picture size in pixels that this model was made for; None when its family is not known."""
        family = FAMILIES.get(self.family_id)
        return self.declared.native_size or (family.native_size if family else None)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that means exactly this file."""
        return (self.title, self.label, self.path.name, self.name, str(self.path))


def scan(directories: Iterable[Path], hashes: HashCache | None = None) -> list[ModelFile]:
    """The checkpoints in `directories` and below, sorted by title. Files that are something else, or cannot be read,
    are listed with their problem. VAEs kept beside checkpoints (`*.vae.safetensors`) are left to `scan_vaes`.
    """
    found = (item for item in model_files(directories) if not is_vae_name(item[1]))
    return _sorted(_examine(folder, path, "checkpoint", hashes) for folder, path in found)


def scan_vaes(
    directories: Iterable[Path], beside: Iterable[Path] = (), hashes: HashCache | None = None
) -> list[ModelFile]:
    """The VAEs in `directories`, and those kept as `*.vae.safetensors` among the checkpoints in `beside`."""
    found = [*model_files(directories), *(item for item in model_files(beside) if is_vae_name(item[1]))]
    return _sorted(_examine(folder, path, "VAE", hashes) for folder, path in found)


def scan_upscalers(models: Path, hashes: HashCache | None = None) -> list[ModelFile]:
    """The upscalers in the folders that are theirs, below `models`. Only loading one shows what network it is."""
    folders = [models / name for name in UPSCALER_FOLDERS]
    return _sorted(_examine(folder, path, "upscaler", hashes) for folder, path in model_files(folders))


def found_files(wanted: str, directories: Iterable[Path], beside: Iterable[Path] = ()) -> list[tuple[Path, Path]]:
    """The files that a list of this kind is made of, as (folder given, path), by name; nothing is read. VAEs are also
    those kept as `*.vae.safetensors` among the checkpoints in `beside`.
    """
    files = [item for item in model_files(directories) if wanted != "checkpoint" or not is_vae_name(item[1])]
    files += [item for item in model_files(beside) if is_vae_name(item[1])]
    return sorted(files, key=lambda item: (item[1].relative_to(item[0]).as_posix().casefold(), item[1]))


def glanced(folder: Path, path: Path, wanted: str, hashes: HashCache) -> ModelFile | None:
    """The file's row if what it is is remembered; None when it would have to be read first."""
    try:
        identity = _identity(path)
    except OSError:
        return _examine(folder, path, wanted, hashes)
    if hashes.found(path, identity, EDITION) is None:
        return None
    return _examine(folder, path, wanted, hashes)


def unread(folder: Path, path: Path) -> ModelFile:
    """The row of a file that nobody has looked into yet."""
    status = path.stat()
    label, size, changed = path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns
    return ModelFile(path, label, "unknown", "", "", "It is still being looked at.", "", "", size, changed)


def examined(folder: Path, path: Path, wanted: str, hashes: HashCache) -> ModelFile:
    """One file below a models folder, as `scan` would list it."""
    return _examine(folder, path, wanted, hashes)


def examine(path: Path, wanted: str = "checkpoint", hashes: HashCache | None = None) -> ModelFile:
    """One file by its path, as `scan` would list it."""
    return _examine(path.parent, path, wanted, hashes)


def with_hash(model: ModelFile, hashes: HashCache) -> ModelFile:
    """The same file with its hash, computed now if it must be (seconds per gigabyte)."""
    return replace(model, short_hash=short_hash(hashes.sha256(model.path)))


def find(models: Sequence[ModelFile], wanted: str) -> ModelFile:
    """The model that `wanted` means, by A1111's rules: an exact title, label, file name, stem or path; else the
    beginning of a hash, alone or in a title; else the shortest title that contains the text. Raises UserError, with the
    nearest names, when there is none.
    """
    text = wanted.strip()
    folded = text.casefold()
    bare, _, bracketed = folded.partition(" [")  # a title given before the file was renamed, or before it changed
    digest = (bracketed.rstrip("]") or folded)[:SHORT]
    for match in (
        lambda model: text in model.names,
        lambda model: folded in (name.casefold() for name in model.names),
        lambda model: len(digest) >= 6 and model.short_hash.startswith(digest),
        lambda model: bare in (name.casefold() for name in model.names),
    ):
        for model in models:
            if text and match(model):
                return model
    containing = [model for model in models if folded and folded in model.title.casefold()]
    if containing:
        return min(containing, key=lambda model: len(model.title))
    raise _not_found(models, wanted)


def find_upscaler(models: Sequence[ModelFile], wanted: str) -> ModelFile:
    """The upscaler that `wanted` means, as `find` does; also by A1111's name. Raises UserError."""
    return find(models, A1111_UPSCALERS.get(wanted.strip(), wanted))


def vae_for(checkpoint: Path, vaes: Sequence[ModelFile]) -> ModelFile | None:
    """The VAE that "Automatic" picks: the one that the user prefers for this checkpoint (its card says so), else the
    first usable one whose file name begins with the checkpoint's stem.
    """
    usable = [vae for vae in vaes if not vae.problem]
    preferred = read_card(checkpoint).vae
    chosen = next((vae for vae in usable if preferred and preferred in (*vae.names, vae.path.name)), None)
    return chosen or next((vae for vae in usable if vae.path.name.startswith(stem_of(checkpoint))), None)


def is_vae_name(path: Path) -> bool:
    return path.stem.lower().endswith(".vae")


def model_files(directories: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Model files as (folder given, path), each once; folders that are named like a file too, and those in diffusers'
    layout as one. Links are followed.
    """
    for folder, root, folders, files in walked(directories):
        if root != folder and is_diffusers_folder(root):
            yield folder, root
            folders.clear()
            continue
        for name in (*files, *folders):
            if name.lower().endswith(SUFFIXES):
                yield folder, root / name


def walked(directories: Iterable[Path]) -> Iterator[tuple[Path, Path, list[str], list[str]]]:
    """Folders below those given, as (folder given, folder, names of the folders in it, of its files), each once however
    links run; what is taken out of its folders is not walked through. Passes over hidden names, and over such as
    cannot be written, which is said in the log.
    """
    seen: set[str] = set()
    for folder in directories:
        for root, folders, files in os.walk(folder, followlinks=True):
            if (real := os.path.realpath(root)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:], shown = _shown(root, folders), _shown(root, files)
            yield folder, Path(root), folders, shown


def _shown(root: str, names: Iterable[str]) -> list[str]:
    visible = sorted(name for name in names if not name.startswith("."))
    if all(map(is_text, visible)):
        return visible
    odd = [name for name in visible if not is_text(name)]
    log.warning(
        "Passed over in %s, since their names are not UTF-8: %s. Rename them.", root, ", ".join(map(ascii, odd))
    )
    return [name for name in visible if is_text(name)]


def _examine(folder: Path, path: Path, wanted: str, hashes: HashCache | None) -> ModelFile:
    """The file's row. Whatever is wrong with it becomes the row's problem: one bad file must not hide the others."""
    label = path.relative_to(folder).as_posix()
    blank = ModelFile(path, label, "unknown", "", "", "", "", "", 0, 0)
    try:
        size, changed = _identity(path)
        known = hashes.known(path) if hashes else None
        digest = short_hash(known) if known else ""
        blank = replace(blank, size=size, mtime_ns=changed, short_hash=digest)
        known_as = _recognised(path, (size, changed), hashes)
    except UserError as error:
        return replace(blank, problem=str(error))
    except OSError as error:
        return replace(blank, problem=f"{path.name} cannot be read: {error.strerror}.")
    found = known_as.detection
    return replace(
        blank,
        kind=found.kind,
        family_id=found.family_id,
        variant=found.variant,
        reason=found.reason,
        declared=known_as.declared,
        problem=_problem(path, found.kind, found.family_id, found.variant, found.reason, wanted),
    )


def _identity(path: Path) -> tuple[int, int]:
    """Size and time of change of a file or a diffusers folder. Raises OSError."""
    if is_diffusers_folder(path):
        return folder_stamp(path)
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _recognised(path: Path, identity: tuple[int, int], hashes: HashCache | None) -> Recognised:
    """What the file is; what it says itself is read once for as long as it stays as it is. Raises UserError."""
    remembered = hashes.found(path, identity, EDITION) if hashes else None
    if remembered:
        found = Found.from_text(remembered)
    else:
        found = found_in_folder(path) if is_diffusers_folder(path) else found_in(read_tensors(path))
    if hashes and not remembered:
        hashes.remember_found(path, identity, EDITION, found.as_text())
    return with_everything(path, found, read_card(path))


def _problem(path: Path, kind: str, family_id: str, variant: str, reason: str, wanted: str) -> str:
    """Why a readable file cannot serve as `wanted`, or ""."""
    family = FAMILIES.get(family_id)
    name = f"{family.name} {kind}" if family else kind
    if wanted == "upscaler" and kind not in ("checkpoint", "UNet", "VAE"):
        return ""
    if kind == "diffusers folder" and wanted == "checkpoint":
        what = f"{path.name} is a {name} ({variant})" if variant else f"{path.name} is a {name}"
        return f"{what}, which cannot be loaded: {reason}. Complete it, or use the single file of the same model."
    if kind == "unknown":
        return f"{path.name} is not a Stable Diffusion {wanted}: {reason}."
    if kind != wanted:
        hint = f" Files of that kind go to {FOLDERS[kind]}." if kind in FOLDERS else ""
        return f"{path.name} is not a {wanted} but a file of kind {name}: {reason}.{hint}"
    if kind == "checkpoint" and (family is None or not family.loadable or variant not in PAINTING):
        detail = name if variant == "base" else f"{name} ({variant})"
        return f"{path.name} is a file of kind {detail}, which cannot be loaded yet: {reason}."
    if kind == "VAE" and variant:
        return f"{path.name} is a VAE of the form {variant}, which cannot be loaded yet: {reason}."
    return ""


def _sorted(models: Iterable[ModelFile]) -> list[ModelFile]:
    return sorted(models, key=lambda model: (model.label.casefold(), model.label))


def _not_found(models: Sequence[ModelFile], wanted: str) -> UserError:
    if not models:
        return UserError(
            f"There is no model called {wanted!r}: the folder has none.", hint="Put one there and refresh."
        )
    names = {name.casefold(): model.title for model in models for name in (model.name, model.label)}
    near = difflib.get_close_matches(wanted.strip().casefold(), names, n=3, cutoff=0.4)
    if near:
        return UserError(
            f"There is no model called {wanted!r}.",
            hint=f"Did you mean {' or '.join(dict.fromkeys(names[name] for name in near))}?",
        )
    some = ", ".join(model.title for model in models[:5])
    return UserError(f"There is no model called {wanted!r}.", hint=f"There are: {some}{', ...' * (len(models) > 5)}.")

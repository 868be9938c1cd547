"""Reads ComfyUI's `extra_model_paths.yaml`, so that its folders, or those that it shares with others, serve in place.

Each section names a `base_path` and, by kind, one folder or several (one on a line) below it or anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import UserError

KINDS = {
    "checkpoints": "checkpoint",
    "diffusion_models": "checkpoint",
    "unet": "checkpoint",
    "text_encoders": "text encoder",
    "clip": "text encoder",
    "vae": "VAE",
    "loras": "LoRA",
    "embeddings": "embedding",
}
LARGEST = 1 << 20  # bytes


def extra_folders(file: Path) -> dict[str, tuple[Path, ...]]:
    """The folders that exist, by kind of model, in the file's order. Raises UserError when it cannot be read."""
    found: dict[str, dict[Path, None]] = {kind: {} for kind in KINDS.values()}
    for section in _sections(file):
        base = _absolute(file.parent, str(section.get("base_path") or ""))
        for name, kind in KINDS.items():
            for line in str(section.get(name) or "").splitlines():
                if line.strip() and (folder := _absolute(base, line.strip())).is_dir():
                    found[kind][folder] = None
    return {kind: tuple(folders) for kind, folders in found.items()}


def _absolute(base: Path, path: str) -> Path:
    return base / Path(path).expanduser() if path else base


def _sections(file: Path) -> list[Mapping[str, Any]]:
    try:
        if file.stat().st_size > LARGEST:
            raise UserError(f"{file} is too large for a list of folders.", hint="Is it what its name says?")
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.", hint="Check its path.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"{file} is not a list of folders as ComfyUI has it."
        raise UserError(what, hint="Mend it, or leave it out.") from error
    return [section for section in content.values() if isinstance(section, dict)] if isinstance(content, dict) else []

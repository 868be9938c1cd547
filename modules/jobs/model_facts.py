"""What is worth showing of a model: the page that its `.civitai.info` describes, and what its header says."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog.beside import preview_of, stem_of
from ..catalog.checkpoint_tensors import read_checkpoint
from ..core.errors import UserError

LONGEST_VALUE = 4000  # characters of one piece of metadata that are shown
MOST_TAGS = 24  # of the tags that a LoRA was trained on


def page_of(civitai: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth showing of a model's page on Civitai; {} without one."""
    model = civitai.get("model") if isinstance(civitai.get("model"), dict) else {}
    number = civitai.get("modelId")
    told = {
        "name": " · ".join(str(part) for part in (model.get("name"), civitai.get("name")) if part),
        "base": str(civitai.get("baseModel") or ""),
        "description": _plain(str(civitai.get("description") or "")),
        "address": f"https://civitai.com/models/{number}" if isinstance(number, int) else "",
    }
    return told if civitai else {}


def _plain(markup: str) -> str:
    """The words of a page's description."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]{0,500}>", " ", markup)).strip()[:LONGEST_VALUE]


def inside(path: Path) -> dict[str, Any]:
    """What a file's header says: its metadata, the tags it was trained on, how many tensors of which kind."""
    try:
        header = read_checkpoint(path)
    except UserError:
        return {"metadata": {}, "tags": [], "tensors": 0, "types": [], "ema": False}
    metadata = {name: value[:LONGEST_VALUE] for name, value in header.metadata.items() if name != "ss_tag_frequency"}
    return {
        "metadata": metadata,
        "tags": _most_frequent(header.metadata.get("ss_tag_frequency", "")),
        "tensors": len(header.tensors),
        "types": [name for name, _ in Counter(entry.dtype for entry in header.tensors.values()).most_common()],
        "ema": any(name.startswith("model_ema.") for name in header.tensors),
    }


def _most_frequent(text: str) -> list[str]:
    """The tags that kohya's scripts count in a LoRA's metadata, the most frequent first."""
    counts: Counter[str] = Counter()
    try:
        tables = json.loads(text) if text else {}
        for table in tables.values():
            for tag, number in table.items():
                counts[str(tag).strip()[:80]] += int(number)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []  # a foreign remark: without it nothing is lost but a suggestion
    return [tag for tag, _ in counts.most_common(MOST_TAGS) if tag]


class Names:
    """What each folder holds, looked at once, so that no file is sought that is not there."""

    def __init__(self) -> None:
        self._folders: dict[Path, frozenset[str]] = {}

    def around(self, path: Path) -> frozenset[str]:
        """The names in the file's folder."""
        folder = path.parent
        if folder not in self._folders:
            try:
                self._folders[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._folders[folder] = frozenset()
        return self._folders[folder]

    def stamp(self, path: Path) -> tuple[Any, ...]:
        """Changes when the model does, or the files beside it that its entry is made of."""
        there, stem = self.around(path), stem_of(path)
        preview = preview_of(path, there)
        beside_it = [f"{stem}{ending}" for ending in (".json", ".yaml") if f"{stem}{ending}" in there]
        return tuple(stamp_of(file) for file in (path, *(path.with_name(name) for name in beside_it), preview) if file)


def stamp_of(path: Path) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return path.name, -1, -1
    return path.name, status.st_size, status.st_mtime_ns

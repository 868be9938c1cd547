"""Which extensions there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Extension:
    """A folder with an `extension.py` in it. Built-in ones ship inside `modules/plugins/builtin`."""

    name: str
    folder: Path
    builtin: bool = False

    @property
    def entry(self) -> Path:
        return self.folder / "extension.py"


BUILTIN = Path(__file__).with_name("builtin")


def discover(folders: Iterable[Path], disabled: Iterable[str] = ()) -> list[Extension]:
    """Built-in extensions, then those in `folders`, by name. The first of a name wins; disabled ones are left out."""
    found: dict[str, Extension] = {}
    for parent in (BUILTIN, *folders):
        for entry in sorted(parent.glob("*/extension.py")):
            name = entry.parent.name
            if name not in found and name not in set(disabled) and not name.startswith((".", "_")):
                found[name] = Extension(name, entry.parent, builtin=parent == BUILTIN)
    return list(found.values())

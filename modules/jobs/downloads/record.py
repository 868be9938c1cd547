"""A download as it stands: what the page shows of it, and the note on disk by which it outlives the program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import UserError
from ...core.files import write_atomically
from .transfer import UNTOLD, Told

NOTE, PART = "download.json", "model.part"
STATES = ("waiting", "running", "checking", "finished", "stopped", "failed")
NOTED = ("url", "sha256", "kind", "state", "message", "hint")


@dataclass(frozen=True)
class Download:
    """`sha256` and `kind` are the person's word, "" for none. `speed` in bytes per second. `placed`: where the model
    lies, below its models folder, and `known_as` what it is, once it is finished.
    """

    id: str
    url: str
    sha256: str = ""
    kind: str = ""
    told: Told = UNTOLD
    state: str = "waiting"
    received: int = 0
    speed: float = 0.0
    message: str = ""
    hint: str = ""
    placed: str = ""
    known_as: str = ""

    @property
    def over(self) -> bool:
        return self.state in ("finished", "stopped", "failed")

    @property
    def promised(self) -> str:
        """The SHA-256 that the file must have, "" when nobody said one."""
        return self.sha256 or self.told.sha256

    def as_json(self) -> dict[str, Any]:
        """What the page shows. Of the address only the host and the last part: the rest may hold keys."""
        address = urlsplit(self.url)
        left = (self.told.total or 0) - self.received
        return {
            "id": self.id,
            "name": self.told.name or address.path.rpartition("/")[2] or address.netloc,
            "host": address.hostname or "",
            "state": self.state,
            "received": self.received,
            "total": self.told.total,
            "speed": round(self.speed),
            "seconds_left": round(left / self.speed) if self.speed > 0 and left > 0 else None,
            "message": self.message,
            "hint": self.hint,
            "placed": self.placed,
            "known_as": self.known_as,
        }

    def write(self, folder: Path) -> None:
        """Notes it in its folder, so that it can be gone on with after the program ended. Raises UserError."""
        note = {**{name: getattr(self, name) for name in NOTED}, "told": asdict(self.told)}
        try:
            write_atomically(folder / NOTE, json.dumps(note).encode("ascii"))
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}.", hint="Is the disk full?") from error


def bytes_there(folder: Path) -> int:
    """How many bytes have arrived of the download that a folder is of."""
    part = folder / PART
    return part.stat().st_size if part.exists() else 0


def noted(folder: Path) -> Download | None:
    """The download that a folder is of, stopped; None when its note is not one of ours."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="ascii"))
        told, facts = Told(**note.pop("told")), {name: str(note[name]) for name in NOTED}
        received = bytes_there(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if facts["state"] not in ("stopped", "failed"):
        facts |= {"state": "stopped", "message": "The program ended before it was complete.", "hint": ""}
    return Download(id=folder.name, told=told, received=received, **facts)

"""From pip's last words to one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modules.core.errors import UserError

from .space import SIZES

NO_SPACE = ("No space left on device", "[Errno 28]", "[WinError 112]", "Disk quota exceeded")
NO_CONNECTION = (
    "Retrying (Retry(",
    "NewConnectionError",
    "NameResolutionError",
    "ReadTimeoutError",
    "ConnectionResetError",
    "IncompleteRead",
)


def explain(lines: Sequence[str], log: Path) -> UserError:
    """What went wrong in an installation that printed `lines`. The most telling reason wins; pip's own words last."""
    if _any_contains(lines, NO_SPACE):
        message = "The disk ran full while packages were being installed."
        hint = f"Free some space (the installation takes {SIZES}) and start again."
    elif _any_contains(lines, NO_CONNECTION):
        message = "The package index could not be reached, so the installation could not be completed."
        hint = "Check the connection (behind a proxy, set HTTPS_PROXY; for a mirror, PIP_INDEX_URL) and start again."
    else:
        message = f"The installation failed: {_last_words(lines)}"
        hint = "Start again to retry; if it fails in the same way, delete the folder .venv first."
    return UserError(message, hint=f"{hint} The full log is in {log}.")


def _any_contains(lines: Sequence[str], signs: Sequence[str]) -> bool:
    return any(sign in line for line in lines for sign in signs)


def _last_words(lines: Sequence[str]) -> str:
    """The last line that pip marks as an error, else the last line that says anything."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.startswith("ERROR: ")]
    last = errors[-1].removeprefix("ERROR: ") if errors else (said[-1] if said else "pip said nothing.")
    return last if last.endswith((".", "!", "?")) else f"{last}."

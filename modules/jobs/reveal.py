"""Shows a file in the file manager of the machine that the program runs on. No shell reads a word of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..core.errors import UserError


def show_in_folder(path: Path) -> None:
    """Opens the folder of a file. Raises UserError when the file is gone, or there is no desktop to show it on."""
    path = path.absolute()
    if not path.is_file():
        raise UserError(f"{path} is no longer there.", hint="It was moved or deleted.")
    try:
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen(_command(path), start_new_session=True, **silent)
    except OSError as error:
        raise UserError(
            f"The file manager could not be started: {error.strerror}.", hint=f"The file is {path}"
        ) from error


def _command(path: Path) -> list[str] | str:
    """What starts the file manager. Windows' takes one line, in which a file's name cannot end the quotes."""
    if sys.platform == "win32":
        return f'explorer /select,"{path}"'
    if sys.platform == "darwin":
        return ["open", "-R", str(path)]
    opener = shutil.which("xdg-open")
    if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError("The machine that the program runs on has no desktop.", hint=f"The file is {path}")
    return [opener, str(path.parent)]

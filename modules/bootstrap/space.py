"""How much room an installation takes, and whether the disk has it."""

from __future__ import annotations

import sys

from modules.core.errors import UserError

from .environment import Environment

# Bytes, with the downloads beside what they unpack to. Measured: 1.6 GB unpacked without CUDA, 5.2 GB with.
LEAST = 3e9
WITH_CUDA = 9e9
SIZES = f"{LEAST / 1e9:.0f} GB ({WITH_CUDA / 1e9:.0f} GB with CUDA)"


def check_space(environment: Environment, free: float) -> None:
    """Raises UserError when `free` bytes cannot hold even the smallest installation; what is there already counts.

    How large it will be is known only once pip has downloaded it: between the two sizes a warning must do.
    """
    room = free + sum(file.lstat().st_size for file in environment.folder.rglob("*"))
    if room < LEAST:
        raise UserError(
            f"The disk of {environment.folder.parent} has {free / 1e9:.1f} GB free, and the installation takes at "
            f"least {SIZES}.",
            hint="Free some space, or move the program to a larger disk, and start again.",
        )
    if room < WITH_CUDA and sys.platform == "linux":  # elsewhere torch comes without CUDA
        print(f"The disk has {free / 1e9:.1f} GB free, and the installation takes {SIZES}.", flush=True)

"""ComfyUI as a peer of the benchmarks, where somebody has it installed beside: `--comfyui DIR [--comfyui-python PATH]`.

It runs in processes of its own Python, on the CPU, and is called as its node that loads checkpoints calls it.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# The start of a program: its folder is the first argument that is left, the others are its own flags.
START = """
folder = flags.pop(0)
sys.path.insert(0, folder)
sys.argv = ["main.py", "--cpu", *flags]
import comfy.options
comfy.options.enable_args_parsing()
import comfy.sd
"""
LOAD = "patcher, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(str(path))"
FP16_KEPT = ("--fp16-unet", "--fp16-text-enc", "--fp16-vae")


@dataclass(frozen=True)
class ComfyUI:
    """Its folder, and the Python that has what it needs."""

    folder: Path
    python: Path

    @property
    def version(self) -> str:
        """What it calls itself. Raises FileNotFoundError where the folder is not ComfyUI's."""
        found = re.search(r'"(.+?)"', (self.folder / "comfyui_version.py").read_text())
        return f"ComfyUI {found[1] if found else '?'}"

    def flags(self, *flags: str) -> tuple[str, ...]:
        """The arguments that a program with `START` is given."""
        return str(self.folder), *flags


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--comfyui", type=Path, metavar="DIR", help="measure the ComfyUI in this folder too")
    parser.add_argument(
        "--comfyui-python", type=Path, metavar="PATH", default=Path(sys.executable), help="the Python that runs it"
    )


def chosen(options: argparse.Namespace) -> ComfyUI | None:
    return ComfyUI(options.comfyui.resolve(), options.comfyui_python.absolute()) if options.comfyui else None

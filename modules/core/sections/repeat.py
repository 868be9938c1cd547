"""Starting again and again: from the result (loopback), or from one file after another."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import EXTRAS, IMG2IMG, INPAINT, param

CURVES = ("Linear", "Aggressive", "Lazy")
LINEAR, AGGRESSIVE, LAZY = CURVES
TEXT_PARTS = ("Prompt", "Negative prompt", "Seed", "CFG scale", "Sampler", "Steps", "Model hash")
MOST_LETTERS = 2_000_000


class Repeating(BaseModel):
    """Loopback, and batches of files."""

    loopback: int = param(
        1,
        ge=1,
        le=100,
        slider=(1, 32, 1),
        label="Loops",
        infotext="",
        group="loopback",
        tabs=(IMG2IMG, INPAINT),
        help="How often the result is the next picture to start from. Every one of them is kept.",
    )
    final_denoising_strength: float = param(
        0.5,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Final denoising strength",
        needs="loops",
        group="loopback",
        tabs=(IMG2IMG, INPAINT),
        help="The denoising strength of the last loop.",
    )
    denoising_curve: str = param(
        LINEAR,
        choices=CURVES,
        label="Denoising curve",
        needs="loops",
        group="loopback",
        tabs=(IMG2IMG, INPAINT),
        help="How the denoising strength gets there: evenly, soon (aggressive) or late (lazy).",
    )
    batch_files: str = param(
        "",
        max_length=MOST_LETTERS,
        lines=4,
        label="Files to start from",
        infotext="",
        group="files",
        tabs=(IMG2IMG, INPAINT, EXTRAS),
        help="One a line: a picture's file, a folder of them, or the id of a kept picture. Each is taken in turn.",
    )
    batch_masks: str = param(
        "",
        max_length=MOST_LETTERS,
        label="Folder of masks",
        infotext="",
        group="files",
        tabs=(INPAINT,),
        help="For files to start from: the mask that is named like a file is used for it. A single mask is for them "
        "all. White is painted anew.",
    )
    batch_output: str = param(
        "",
        max_length=1000,
        label="Folder for the results",
        infotext="",
        group="files",
        tabs=(IMG2IMG, INPAINT, EXTRAS),
        help="Inside outputs, or absolute. The results are named like their files. Empty: the usual folder.",
    )
    batch_png_info: str = param(
        "",
        max_length=200,
        label="Taken from each file's text",
        infotext="",
        group="files",
        tabs=(IMG2IMG, INPAINT),
        help=f"Settings in the file that are used for it, with commas between: {', '.join(TEXT_PARTS)}. "
        "Its prompts are put behind yours.",
    )

    @property
    def files(self) -> tuple[str, ...]:
        """What `batch_files` lists."""
        return _lines(self.batch_files)

    @property
    def mask_files(self) -> tuple[str, ...]:
        """What `batch_masks` lists."""
        return _lines(self.batch_masks)

    @property
    def loops(self) -> bool:
        """Whether results are started from again."""
        return self.loopback > 1


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())

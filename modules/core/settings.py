"""Settings: what a person chooses once. A setting is declared once; the page, the file and the docs are computed.

A value comes from the first of these that has one: the command line, the environment (`EASEL_<NAME>`), the settings
file, the default. A setting with `pixels=True` is only the default of the request field of the same name: it is copied
into each job when that is queued, so the engine never reads settings.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import write_atomically
from .sections.language import EMPHASIS
from .sections.prompt import FOUND_STYLES
from .setting import HIDDEN, Setting, SettingDeclarations

SETTINGS = SettingDeclarations(
    (
        Setting(
            "samples_format",
            "png",
            "Picture format",
            "PNG keeps every pixel.",
            "Saving",
            choices=("png", "jpg", "webp"),
        ),
        Setting("jpeg_quality", 90, "JPEG and WebP quality", "", "Saving", ge=1, le=100),
        Setting(
            "samples_filename_pattern",
            "[seed]",
            "File name pattern",
            "A five-digit number is put in front, so that no file is ever overwritten.",
            "Saving",
        ),
        Setting("directories_filename_pattern", "[date]", "Folder pattern", "Inside the output folder.", "Saving"),
        Setting(
            "save_txt",
            False,
            "Settings beside",
            "Write each picture's settings text as a .txt beside it too.",
            "Saving",
        ),
        Setting(
            "outdir_txt2img_samples", "txt2img-images", "Folder for txt2img", "Inside outputs, or absolute.", "Saving"
        ),
        Setting(
            "outdir_img2img_samples",
            "img2img-images",
            "Folder for img2img",
            "For all that starts from a picture. Inside outputs, or absolute.",
            "Saving",
        ),
        Setting(
            "outdir_txt2img_grids",
            "txt2img-grids",
            "Folder for txt2img grids",
            "Inside outputs, or absolute.",
            "Saving",
        ),
        Setting(
            "outdir_img2img_grids",
            "img2img-grids",
            "Folder for img2img grids",
            "Inside outputs, or absolute.",
            "Saving",
        ),
        Setting(
            "grid_format",
            "png",
            "Grid format",
            "Grids become large: JPEG makes them a tenth of the size.",
            "Saving",
            choices=("png", "jpg", "webp"),
        ),
        Setting(
            "outdir_extras_samples", "extras-images", "Folder for Extras", "Inside outputs, or absolute.", "Saving"
        ),
        Setting("live_previews_enable", True, "Live preview", "Show the picture while it is made.", "While it works"),
        Setting(
            "show_progress_every_n_steps",
            1,
            "Steps between previews",
            "A preview costs about a millisecond.",
            "While it works",
            ge=1,
            le=100,
        ),
        Setting(
            "show_progress_type",
            "Approx cheap",
            "Preview by",
            "TAESD shows more, but a preview then costs as much as a step at small sizes. Its file belongs into "
            "models/VAE-approx; without it the cheap way is used.",
            "While it works",
            choices=("Approx cheap", "TAESD"),
        ),
        Setting(
            "checkpoint", "", "Checkpoint at start", "Empty takes the last one used.", "Model", choices="checkpoints"
        ),
        Setting(
            "checkpoint_memory",
            -1.0,
            "Memory for checkpoints used lately, in GB",
            "They stay loaded, so that going back to one takes no time; the one used longest ago goes first. "
            "-1 takes half of what is free, 0 keeps none but the open one.",
            "Model",
            ge=-1,
            le=1024,
        ),
        Setting(
            "civitai_api_key",
            "",
            "Civitai API key",
            "Some models are given only to accounts: make a key in yours. It is sent to civitai.com alone.",
            "Downloads",
            secret=True,
        ),
        Setting(
            "huggingface_token",
            "",
            "Hugging Face access token",
            "For models whose terms must be accepted first. It is sent to huggingface.co alone.",
            "Downloads",
            secret=True,
        ),
        Setting(
            "noise_source",
            "NV",
            "Noise source",
            "NV gives the same picture on every machine.",
            "Model",
            choices=("NV", "CPU", "GPU"),
            pixels=True,
        ),
        Setting("clip_skip", 1, "Clip skip", "Default for new pictures.", "Model", ge=1, le=12, pixels=True),
        Setting(
            "sdxl_clip_l_skip",
            False,
            "Clip skip SDXL",
            "Clip skip counts in SDXL's smaller text encoder too. Default for new pictures.",
            "Model",
            pixels=True,
        ),
        Setting(
            "emphasis",
            "Original",
            "Emphasis",
            "What (word:1.2) does. Default for new pictures.",
            "Prompts",
            choices=EMPHASIS,
            pixels=True,
        ),
        Setting(
            "infotext_styles",
            FOUND_STYLES[-1],
            "Styles in pasted prompts",
            "Apply chooses the styles whose words stand there in place of the words; Discard only takes the words out.",
            "Prompts",
            choices=FOUND_STYLES,
        ),
        Setting(
            "comma_padding_backtrack",
            20,
            "Comma padding backtrack",
            "How many tokens back a long prompt may be cut at a comma. Default for new pictures.",
            "Prompts",
            ge=0,
            le=74,
            pixels=True,
        ),
        Setting(
            "enable_prompt_comments",
            True,
            "Prompt comments",
            "What follows a # on a line is not painted. Default for new pictures.",
            "Prompts",
            pixels=True,
        ),
        Setting(
            "pad_cond_uncond",
            False,
            "Pad conds",
            "Make prompt and negative prompt equally long, to compute both at once. Default for new pictures.",
            "Prompts",
            pixels=True,
        ),
    )
)


class Settings:
    """The values in force, from four layers. Safe to read and write from several threads."""

    def __init__(
        self,
        path: Path,
        command_line: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        declared: SettingDeclarations = SETTINGS,
    ) -> None:
        self._path = path
        self._declared = declared
        self._lock = threading.Lock()
        self._command_line = dict(command_line or {})
        self._environment = dict(os.environ if environment is None else environment)
        self.problems: list[str] = []
        self._file = self._read_file()

    def __getitem__(self, name: str) -> Any:
        return self.explain(name)[0]

    def explain(self, name: str) -> tuple[Any, str]:
        """The value of a setting and where it comes from: "command line", "environment", "file" or "default"."""
        setting = self._declared.get(name)
        layers = (
            ("command line", self._command_line.get(name)),
            ("environment", self._environment.get(f"EASEL_{name.upper()}")),
            ("file", self._file.get(name)),
        )
        for source, value in layers:
            if value is None:
                continue
            try:
                return setting.checked(value), source
            except UserError as error:
                if source != "file":
                    raise UserError(error.message, hint=f"It was given by the {source}: mend it there.") from error
                self._note(f"{self._path.name}: {error.message} The default is used.")
        return setting.default, "default"

    def set(self, changes: Mapping[str, Any]) -> None:
        """Checks all changes, then writes them to the file in one go. Raises UserError, and then changes nothing. What
        is shown in place of a secret leaves that as it is.
        """
        checked = {name: self._declared.get(name).checked(value) for name, value in changes.items()}
        checked = {name: value for name, value in checked.items() if not self._hides(name, value)}
        with self._lock:
            merged = {**self._file, **checked}
            write_atomically(self._path, json.dumps(merged, indent=2, ensure_ascii=False).encode())
            self._file = merged

    @property
    def declared(self) -> SettingDeclarations:
        """What settings there are."""
        return self._declared

    def pixels(self) -> dict[str, Any]:
        """The defaults for request fields."""
        return {setting.name: self[setting.name] for setting in self._declared if setting.pixels}

    def all(self) -> dict[str, Any]:
        return {setting.name: self[setting.name] for setting in self._declared}

    def _hides(self, name: str, value: Any) -> bool:
        return self._declared.get(name).secret and value == HIDDEN

    def _read_file(self) -> dict[str, Any]:
        """The file's values. A broken file is set aside, not deleted: its text may be worth mending."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UserError(f"{self._path} cannot be read: {error.strerror}.", hint="Mend its permissions.") from error
        try:
            values = json.loads(content.decode("utf-8-sig"))
            if not isinstance(values, dict):
                raise ValueError("it is not an object")
            return values
        except (ValueError, RecursionError) as error:
            aside = self._path.with_suffix(".broken.json")
            self._path.replace(aside)
            self._note(
                f"{self._path.name} could not be read ({error}); it was renamed to {aside.name}, defaults are used."
            )
            return {}

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

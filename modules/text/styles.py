"""Styles: words kept under a name, to be added to prompts. In A1111's files, which are never lost.

A styles file is CSV in UTF-8 with the columns name, prompt, negative_prompt (once: name, text). In a style's prompt
`{prompt}` stands for the prompt that it is added to; without it, the style follows after a comma.
"""

from __future__ import annotations

import csv
import difflib
import io
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path

from ..core.errors import UserError
from ..core.files import write_atomically
from ..core.request import GenerationRequest

COLUMNS = ("name", "prompt", "negative_prompt")
LONGEST = 20_000  # characters of each text, as many as a prompt may have
PLACE = "{prompt}"


@dataclass(frozen=True)
class Style:
    """A name, and what it adds to the prompt and the negative prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


@dataclass(frozen=True)
class StylesFile:
    """A file's columns and rows as they stand there, with what could not be read of it."""

    path: Path
    columns: tuple[str, ...] = COLUMNS
    rows: tuple[dict[str, str], ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def styles(self) -> list[Style]:
        """The styles; rows named with a # divide lists and are none."""
        return [_style(row) for row in self.rows if row["name"].strip() and not row["name"].startswith("#")]


class Styles:
    """All styles of several files. Of two with the same name, the one in the earlier file counts."""

    def __init__(self, patterns: Sequence[Path]) -> None:
        """`patterns`: files, or what they match (`styles*.csv`). New styles go into the first file."""
        self._patterns = list(patterns)
        self._lock = threading.Lock()

    def files(self) -> list[StylesFile]:
        """The files there are, as they are now."""
        paths = (Path(found) for pattern in self._patterns for found in sorted(glob(str(pattern))))
        return [read_styles(path) for path in dict.fromkeys(paths) if path.is_file()]

    def all(self) -> list[Style]:
        found: dict[str, Style] = {}
        for file in self.files():
            for style in file.styles:
                found.setdefault(style.name, style)
        return list(found.values())

    def problems(self) -> list[str]:
        return [problem for file in self.files() for problem in file.problems]

    def named(self, names: Iterable[str]) -> list[Style]:
        """The styles of these names. Raises UserError, with the nearest names, when there is none such."""
        known = {style.name: style for style in self.all()}
        for name in (names := list(names)):
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
                hint = f"Did you mean {' or '.join(near)}?" if near else "Save one beside the prompt."
                raise UserError(f"There is no style called {name[:60]!r}.", hint=hint)
        return [known[name] for name in names]

    def save(self, style: Style, *, replacing: bool = False) -> None:
        """Keeps a style. Raises UserError when the name cannot be one, or is taken and not to be replaced."""
        _check(style)
        row = dict(zip(COLUMNS, (style.name, style.prompt, style.negative_prompt), strict=True))
        with self._lock:
            file = self._holder(style.name)
            if file is None:
                first = self._first()
                write_styles(replace(first, rows=(*first.rows, row)))
            elif replacing:
                rows = tuple(old | row if old["name"] == style.name else old for old in file.rows)
                write_styles(replace(file, rows=rows))
            else:
                raise UserError(
                    f"There is a style called {style.name!r} already.", hint="Replace it, or choose another name."
                )

    def remove(self, name: str) -> None:
        """Forgets a style. Raises UserError when there is none of that name."""
        with self._lock:
            self.named([name])
            file = self._holder(name)
            write_styles(replace(file, rows=tuple(row for row in file.rows if row["name"] != name)))

    def _holder(self, name: str) -> StylesFile | None:
        return next((file for file in self.files() if any(style.name == name for style in file.styles)), None)

    def _first(self) -> StylesFile:
        plain = next((path for path in self._patterns if not set(str(path)) & set("*?[")), None)
        return next(iter(self.files()), StylesFile(plain or self._patterns[0].parent / "styles.csv"))


def with_styles(request: GenerationRequest, styles: Styles) -> GenerationRequest:
    """The request with the words of its styles in all its prompts. Raises UserError when there is no such style."""
    if not request.style_names:
        return request
    named = styles.named(request.style_names)
    prompt, negative = [one.prompt for one in named], [one.negative_prompt for one in named]
    changed = {
        "prompt": styled(request.prompt, prompt),
        "negative_prompt": styled(request.negative_prompt, negative),
        "hr_prompt": request.hr_prompt and styled(request.hr_prompt, prompt),
        "hr_negative_prompt": request.hr_negative_prompt and styled(request.hr_negative_prompt, negative),
        "styles": "",
        "styled": {name: getattr(request, name) for name in ("styles", "prompt", "negative_prompt")},
    }
    return request.checked({**request.model_dump(exclude_unset=True), **changed})


def styled(prompt: str, additions: Iterable[str]) -> str:
    """The prompt with the styles' texts added one after another."""
    for addition in additions:
        if PLACE in addition:
            prompt = addition.replace(PLACE, prompt)
        else:
            prompt = ", ".join(part for part in (prompt.strip(), addition.strip()) if part)
        if len(prompt) > LONGEST:
            raise UserError(f"With its styles the prompt has more than {LONGEST:,} characters.", hint="Choose fewer.")
    return prompt


def read_styles(path: Path) -> StylesFile:
    """What a file holds. What cannot be read becomes a sentence in `problems`; nothing raises."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return StylesFile(path, problems=(f"{path.name} cannot be read: {error.strerror}.",))
    problems: list[str] = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        problems.append(f"{path.name} is not UTF-8: letters beyond English may be wrong.")
    rows: list[dict[str, str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        columns = tuple(next(reader, COLUMNS))
        if "name" not in columns or not {"prompt", "text"} & set(columns):
            problems.append(f"{path.name} has no columns called name and prompt: it is left out.")
            return StylesFile(path, problems=tuple(problems))
        for cells in reader:
            if len(cells) > len(columns):
                problems.append(f"{path.name}, line {reader.line_num}: it has {len(cells)} cells, not {len(columns)}.")
            if cells:
                rows.append(_row(columns, cells))
    except csv.Error as error:
        problems.append(f"{path.name}, line {reader.line_num}: {error}. What follows is left out.")
    return StylesFile(path, columns, tuple(rows), tuple(problems))


def write_styles(file: StylesFile) -> None:
    """Writes a file anew, in one go. What was there before is kept as `.bak`; if a part of that could not be read, also
    under a name of its own that nothing overwrites. Raises UserError when the disk does not let us.
    """
    columns = tuple(dict.fromkeys((*COLUMNS, *(column for column in file.columns if column != "text"))))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(file.rows)
    try:
        if file.path.exists():
            before = file.path.read_bytes()
            write_atomically(file.path.with_name(f"{file.path.name}.bak"), before)
            if file.problems:
                write_atomically(file.path.with_name(f"{file.path.name}.{time.time_ns()}.broken"), before)
        write_atomically(file.path, text.getvalue().encode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{file.path} cannot be written: {error.strerror}.", hint="Mend its permissions.") from error


def _row(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """A row by column, with the old column "text" under its new name."""
    row = dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=False))
    if "prompt" not in row:
        row["prompt"] = row["text"]
    return row


def _style(row: dict[str, str]) -> Style:
    return Style(row["name"], row["prompt"], row.get("negative_prompt", ""))


def _check(style: Style) -> None:
    name = style.name
    if not name.strip() or name != name.strip() or len(name) > 100 or not name.isprintable() or name.startswith("#"):
        raise UserError("A style's name has 1 to 100 characters on one line, and does not begin with #.")
    if max(len(style.prompt), len(style.negative_prompt)) > LONGEST:
        raise UserError(f"A style has at most {LONGEST:,} characters.")
    if not style.prompt.strip() and not style.negative_prompt.strip():
        raise UserError("There is nothing to keep: both prompts are empty.", hint="Write a prompt first.")

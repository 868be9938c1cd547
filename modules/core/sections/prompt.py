"""What to paint, in words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator

from ..params import ALL, param

LONGEST_PROMPT = 20_000
# What becomes of styles whose words stand in a pasted prompt, by A1111's names for it.
FOUND_STYLES = ("Ignore", "Apply", "Discard", "Apply if any")


class Prompt(BaseModel):
    """Both prompts."""

    prompt: str = param(
        "",
        label="Prompt",
        group="prompt",
        tabs=ALL,
        lines=3,
        max_length=LONGEST_PROMPT,
        infotext="",
        help="What the picture should show. (word:1.2) gives a word more weight, [word] less.",
    )
    negative_prompt: str = param(
        "",
        label="Negative prompt",
        group="prompt",
        tabs=ALL,
        lines=2,
        max_length=LONGEST_PROMPT,
        infotext="",
        help="What the picture should not show. It has no effect at CFG scale 1.",
    )
    styles: str = param(
        "",
        label="Styles",
        group="styles",
        tabs=ALL,
        drawn=True,
        max_length=LONGEST_PROMPT,
        infotext="",
        help="Names of styles, one a line, whose words are added to both prompts when the job is queued.",
    )

    @field_validator("styles", mode="before")
    @classmethod
    def _names_by_line(cls, value: Any) -> Any:
        named = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        return "\n".join(value) if named else value

    @property
    def style_names(self) -> list[str]:
        """The styles that are still to be added."""
        return [name for name in self.styles.split("\n") if name.strip()]

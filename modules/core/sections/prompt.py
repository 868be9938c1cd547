"""What to paint, in words."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import ALL, param

LONGEST_PROMPT = 20_000


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

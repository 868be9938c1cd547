"""How prompts are read."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

EMPHASIS = ("None", "Ignore", "Original", "No norm")
NO_EMPHASIS, IGNORED_EMPHASIS, ORIGINAL_EMPHASIS, EMPHASIS_WITHOUT_NORM = EMPHASIS


class Language(BaseModel):
    """What brackets, commas and comments do. The defaults are A1111's."""

    emphasis: str = param(
        ORIGINAL_EMPHASIS,
        choices=EMPHASIS,
        label="Emphasis",
        written="noted",
        group="language",
        help="What (word:1.2) does. Original: more weight, with the mean of all restored; No norm: without that, which "
        "some SDXL models prefer; Ignore: nothing; None: brackets are characters like others.",
    )
    comma_padding_backtrack: int = param(
        20,
        ge=0,
        le=74,
        slider=(0, 74, 1),
        label="Comma padding backtrack",
        written="changed",
        group="language",
        help="A prompt beyond 75 tokens is cut at a comma that is at most this many tokens back.",
    )
    enable_prompt_comments: bool = param(
        True,
        label="Prompt comments",
        written="changed",
        group="language",
        help="What follows a # on a line is not painted.",
    )
    pad_cond_uncond: bool = param(
        False,
        label="Pad conds",
        written="noted",
        group="language",
        help="Make prompt and negative prompt equally long with nothing, so that both are computed at once.",
    )
    pad_cond_uncond_v0: bool = param(
        False,
        label="Pad conds v0",
        written="noted",
        group="language",
        help="Likewise as A1111 did before version 1.6 for DDIM: repeat the negative prompt's last token, or cut it.",
    )
    sdxl_clip_l_skip: bool = param(
        False,
        label="Clip skip SDXL",
        written="noted",
        group="language",
        help="Clip skip counts in SDXL's smaller text encoder too. Without this it does nothing for SD 2 and SDXL.",
    )
    use_old_scheduling: bool = param(
        False,
        label="Old prompt editing timelines",
        written="noted",
        group="language",
        help="Read [from:to:when] as A1111 did before version 1.6: below 1 it is a part of the steps, in both passes.",
    )

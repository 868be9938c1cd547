"""What helps writing prompts, over HTTP: counting tokens, and styles."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from ..core.errors import UserError
from ..studio import Studio
from ..text.styles import Style, styled
from .answers import Json
from .jobs_routes import Sent


def prompt_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/tokens")
    def tokens(text: str = "") -> Json:
        """How many tokens a prompt takes, the room that its chunks have, and remarks on its brackets."""
        return Json(_tokens(studio, {"text": text}))

    @router.post("/tokens")
    def tokens_of_long_text(values: Sent) -> Json:
        """The same for a text too long for an address; with "negative", and request fields that it depends on: steps,
        styles, emphasis, comma_padding_backtrack, enable_prompt_comments.
        """
        return Json(_tokens(studio, values))

    @router.get("/styles")
    def styles() -> Json:
        """The styles there are: name, prompt, negative_prompt; and what of their files could not be read."""
        return Json(_styles(studio))

    @router.post("/styles")
    def save_style(values: Sent) -> Json:
        """Keeps a style: name, prompt, negative_prompt. One that is there already only with "replace"."""
        style = Style(*(_text(values, name) for name in ("name", "prompt", "negative_prompt")))
        studio.styles.save(style, replacing=values.get("replace") is True)
        return Json(_styles(studio))

    @router.post("/styles/remove")
    def remove_style(values: Sent) -> Json:
        """Forgets the style called "name". Its file as it was stays beside it, with .bak behind its name."""
        studio.styles.remove(_text(values, "name"))
        return Json(_styles(studio))

    @router.post("/styles/apply")
    def apply_styles(values: Sent) -> Json:
        """Both prompts with the words of "styles" (names, one a line) in them."""
        named = studio.styles.named(name for name in _text(values, "styles").split("\n") if name.strip())
        return Json(
            {
                "prompt": styled(_text(values, "prompt"), [one.prompt for one in named]),
                "negative_prompt": styled(_text(values, "negative_prompt"), [one.negative_prompt for one in named]),
            }
        )

    return router


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise UserError(f"{name!r} must be text, not {type(value).__name__}.")
    return value


def _tokens(studio: Studio, values: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in values.items() if name not in ("text", "negative")}
    counted = studio.count_tokens(_text(values, "text"), negative=values.get("negative") is True, fields=fields)
    return dict(zip(("tokens", "room", "remarks"), counted, strict=True))


def _styles(studio: Studio) -> dict[str, Any]:
    return {"styles": [asdict(style) for style in studio.styles.all()], "problems": studio.styles.problems()}

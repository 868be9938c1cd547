"""A whole prompt, read: the parts that guide a picture together, and the text of each at every moment.

This is where the pieces of the language meet. A1111's order: comments, extra networks, AND, editing, attention.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..core.request import GenerationRequest
from ..core.sections.language import IGNORED_EMPHASIS, NO_EMPHASIS, ORIGINAL_EMPHASIS
from .chunks import ROOM, tokens_of
from .editing import Span, spans
from .grammar import BREAK, Piece, attention, extra_networks, remarks, split_and, strip_comments
from .words import NO_WORDS, Vocabulary


@dataclass(frozen=True)
class Timing:
    """What prompts that change need to know: how often the sampler asks the network (A1111 counts that, not steps), in
    hires fix's second pass also how often the first pass did; and whether `when` is read as before A1111 1.6.
    `begins_anew`: it may ask more often, and then A1111 takes the first text again.
    """

    calls: int = 20
    first_pass: int | None = None
    old: bool = False
    begins_anew: bool = False


ONCE: Final = Timing()
USUAL: Final = GenerationRequest()
MOST_STEPS: Final = 150  # that are looked at to count tokens while somebody types


class Part(NamedTuple):
    """One of the prompts joined by AND: its texts in order of time, the same one possibly again, and its weight."""

    spans: tuple[Span, ...]
    weight: float
    begins_anew: bool = False

    @property
    def changes(self) -> list[int]:
        """The calls from which on another text may hold."""
        return [span.until + 1 for span in (self.spans if self.begins_anew else self.spans[:-1])]

    def at(self, call: int) -> str:
        """The text for a call of the network. A1111 counts calls from 0: a text lasts one call longer than it says."""
        last = self.spans[0 if self.begins_anew else -1].text
        return next((span.text for span in self.spans if call <= span.until), last)


def parts(prompt: str, timing: Timing = ONCE, *, negative: bool = False) -> list[Part]:
    """A prompt without comments, as its parts. In a negative prompt AND and extra networks are words like others."""
    if negative:
        return [_part(prompt, 1.0, timing)]
    text, _ = extra_networks(prompt)
    return [_part(part, weight, timing) for part, weight in split_and(text)]


def pieces(text: str, emphasis: str = ORIGINAL_EMPHASIS) -> list[Piece]:
    """A text in pieces of equal weight by an emphasis mode. None: brackets, and BREAK, are characters."""
    if emphasis == NO_EMPHASIS:
        return [Piece(text, 1.0)] if text else []
    found = attention(text)
    return [one if one == BREAK else Piece(one.text, 1.0) for one in found] if emphasis == IGNORED_EMPHASIS else found


def emphasises(prompts: Iterable[str]) -> bool:
    """Whether any of the prompts has brackets, so that the emphasis mode matters."""
    return any("(" in prompt or "[" in prompt for prompt in prompts)


def count(
    prompt: str, request: GenerationRequest = USUAL, *, negative: bool = False, vocabulary: Vocabulary = NO_WORDS
) -> tuple[int, int]:
    """Tokens that a whole prompt takes and the room its chunks have, as in "12/75".

    Of a prompt of several texts (AND, editing), the longest counts; extra networks take none, a word of the vocabulary
    as many as it has vectors. Chunks ended early count as full.
    """
    text, _ = extra_networks(_without_comments(prompt, request))
    timing = Timing(min(request.steps, MOST_STEPS), old=request.use_old_scheduling)
    texts = {span.text for part in parts(text, timing, negative=negative) for span in part.spans}
    backtrack = request.comma_padding_backtrack
    tokens = max(tokens_of(pieces(one, request.emphasis), backtrack, vocabulary) for one in texts)
    return tokens, max(1, -(-tokens // ROOM)) * ROOM


def remarks_of(prompt: str, request: GenerationRequest = USUAL) -> tuple[str, ...]:
    """What the writer of a whole prompt should know, in sentences. Where brackets mean nothing, nothing."""
    return () if request.emphasis == NO_EMPHASIS else remarks(_without_comments(prompt, request))


def _without_comments(prompt: str, request: GenerationRequest) -> str:
    return strip_comments(prompt) if request.enable_prompt_comments else prompt


def _part(text: str, weight: float, timing: Timing) -> Part:
    found = spans(text, timing.calls, timing.first_pass, old=timing.old)
    return Part(tuple(found), weight, timing.begins_anew)

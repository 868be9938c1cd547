"""Wildcards and choices: parts of a prompt that are drawn by the seed.

    __animal__          a line of the file animal.txt, which may hold wildcards and choices itself
    {red|blue|2::green} one of the options; a number before `::` is its weight, 1 when absent

Drawing is seeded, so one seed and one set of files give one prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

DEEPEST = 10
LONGEST = 20_000  # characters; files that name each other could otherwise grow without end

_WILDCARD = re.compile(r"__([\w\-/. ]+?)__")
_INNERMOST = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")

Lines = Callable[[str], Sequence[str]]


def has_wildcards(prompt: str) -> bool:
    """Whether anything would be drawn."""
    return bool(_WILDCARD.search(prompt) or _INNERMOST.search(prompt))


def expand(prompt: str, seed: int, lines: Lines) -> str:
    """The prompt with everything drawn. `lines(name)` gives a wildcard's options; none leaves its mark in place."""
    random = Random(seed)
    for _ in range(DEEPEST):
        before = prompt
        prompt = _INNERMOST.sub(lambda match: _chosen(match[1].split("|"), random), prompt)
        prompt = _WILDCARD.sub(lambda match: _line(match, lines, random), prompt)[:LONGEST]
        if prompt == before:
            break
    return prompt


def _chosen(options: list[str], random: Random) -> str:
    weights = [float(match[1]) if (match := _WEIGHT.match(option)) else 1.0 for option in options]
    texts = [_WEIGHT.sub("", option, count=1) for option in options]
    return random.choices(texts, weights)[0] if any(weights) else random.choice(texts)


def _line(match: re.Match[str], lines: Lines, random: Random) -> str:
    options = lines(match[1].strip())
    return random.choice(options) if options else match[0]

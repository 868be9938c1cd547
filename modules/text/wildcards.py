"""Wildcards and choices: parts of a prompt that are drawn by the seed.

    __animal__          a line of the file animal.txt, which may hold wildcards and choices itself
    {red|blue|2::green} one of the options; a number before `::` is its weight, 1 when absent

Drawing is seeded, so one seed and one set of files give one prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

DEEPEST = 10
LONGEST = 20_000  # characters; files that name each other could otherwise grow without end

_WILDCARD = re.compile(r"__([\w\-/. ]+?)__")
_INNERMOST = re.compile(r"\{([^{}|]*\|[^{}]*)\}")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)::")

Lines = Callable[[str], Sequence[str]]


def has_wildcards(prompt: str) -> bool:
    """Whether anything would be drawn."""
    return bool(_WILDCARD.search(prompt) or _INNERMOST.search(prompt))


def expand(prompt: str, seed: int, lines: Lines) -> str:
    """The prompt with everything drawn. `lines(name)` gives a wildcard's options; none leaves its mark in place."""
    random = Random(seed)
    known = cache(lines)  # a file is read once, however often a prompt names it
    for _ in range(DEEPEST):
        before = prompt
        prompt = _replaced(_INNERMOST, prompt, lambda match: _chosen(match[1].split("|"), random))
        prompt = _replaced(_WILDCARD, prompt, lambda match: _line(match, known, random))
        if prompt == before:
            break
    return prompt


def _replaced(pattern: re.Pattern[str], prompt: str, replacement: Callable[[re.Match[str]], str]) -> str:
    """Like `re.sub`, but ends where the result would grow beyond LONGEST characters."""
    done, length, position = [], 0, 0
    for match in pattern.finditer(prompt):
        done += [prompt[position : match.start()], replacement(match)[:LONGEST]]
        length += len(done[-2]) + len(done[-1])
        position = match.end()
        if length > LONGEST:
            break
    return "".join([*done, prompt[position:]])[:LONGEST]


def _chosen(options: list[str], random: Random) -> str:
    found = [_WEIGHT.match(option) for option in options]
    weights = [float(match[1]) if match else 1.0 for match in found]
    texts = [option[match.end() :] if match else option for option, match in zip(options, found, strict=True)]
    return random.choices(texts, weights)[0] if any(weights) else random.choice(texts)


def _line(match: re.Match[str], lines: Lines, random: Random) -> str:
    options = lines(match[1].strip())
    return random.choice(options) if options else match[0]

r"""The prompt language: what each mark in a prompt means. One function per mark, all of them total and linear.

    (x)  [x]  (x:1.3)           attention: `attention`, with `remarks` for what the writer should know
    \( \) \[ \] \\              the character itself
    BREAK                       the current chunk of tokens ends here
    a AND b :0.5                several prompts guiding one picture: `split_and`
    <lora:name:0.8>             extra networks: `extra_networks`
    # words to the end of line  a comment: `strip_comments`
    [from:to:when]  [a|b]       prompts that change while sampling: `modules.text.editing`

The order in which a prompt is read is A1111's: comments, extra networks, AND, editing, attention.
Anybody can type anything, so no function here raises, and all take time proportional to the prompt's length. Hence
hand-made scanners: a general parser of this grammar, which is ambiguous on purpose (every stray bracket is also plain
text), needs backtracking or an Earley chart, and a page of opening brackets then costs minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

ROUND: Final = 1.1
SQUARE: Final = 1 / 1.1
WEIGHT_LIMIT: Final = 1000.0  # far beyond any use; keeps products finite in float16


class Piece(NamedTuple):
    """A stretch of prompt and the attention it gets: 1 is plain, 0 none, negative turns away."""

    text: str
    weight: float


BREAK: Final = Piece("BREAK", -1.0)  # the mark itself, as A1111 writes it


class Tag(NamedTuple):
    """An extra network asked for in a prompt: `<kind:arg:arg:key=value>`."""

    kind: str
    args: tuple[str, ...]
    named: dict[str, str]


_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"  # no two ways to match the same digits, so no backtracking
_ATTENTION = re.compile(rf"\\[()\[\]\\]|\\|[(\[\])]|:\s*({_NUMBER})\s*\)|[^\\()\[\]:]+|:")
_NO_WEIGHT = re.compile(rf":\s*(?!{_NUMBER}\s*\))[+-]?(?:[\d.]+(?:e[+-]?\d+)?|nan|inf)\s*\)", re.IGNORECASE)
_BREAK_WORD = re.compile(r"\bBREAK\b")
_AND_WORD = re.compile(r"\bAND\b")
_AND_WEIGHT = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)")
_TAG_START = re.compile(r"<(\w+):")
_SURROGATE = re.compile("[\ud800-\udfff]")


def attention(prompt: str) -> list[Piece]:
    """The prompt as pieces of equal weight, with `BREAK` between chunks. Empty text gives no pieces.

    Nested weights multiply, a bracket that is never closed runs to the end, a closing one without an opening one is
    text, and a lone backslash vanishes, as in A1111. BREAK ends the chunk inside brackets too (there A1111 takes it
    for a word). Weights are held within +-WEIGHT_LIMIT.
    """
    return _merge(_weighted(_Scan(prompt)))


def remarks(prompt: str) -> tuple[str, ...]:
    """What the writer of this prompt should know, in sentences: brackets that do not pair, weights held back."""
    scan = _Scan(prompt)
    pieces = _weighted(scan)
    return tuple(_remarks(prompt, scan, any(abs(piece.weight) >= WEIGHT_LIMIT for piece in pieces)))


def split_and(prompt: str) -> list[tuple[str, float]]:
    """The prompts joined by the word AND, each with its weight: `a AND b :0.5` gives ("a", 1.0), ("b", 0.5)."""
    return [_weighted_part(part) for part in _AND_WORD.split(prompt)]


def extra_networks(prompt: str) -> tuple[str, list[Tag]]:
    """The prompt without its `<kind:...>` tags, and the tags in order."""
    kept, tags, position = [], [], 0
    for start, end, tag in _tags(prompt):
        kept.append(prompt[position:start])
        tags.append(tag)
        position = end
    return "".join([*kept, prompt[position:]]), tags


def strip_comments(prompt: str) -> str:
    """The prompt without what follows a `#` on a line; lines that are nothing but comment disappear."""
    lines = (line for line in prompt.split("\n") if not line.startswith("#"))
    return "\n".join(line.partition("#")[0] for line in lines)


class _Scan:
    """The marks of a prompt, brackets paired. Round and square brackets pair independently of each other."""

    def __init__(self, prompt: str) -> None:
        self.marks = [(m[0], m[1]) for m in _ATTENTION.finditer(prompt)]
        self.factors: dict[int, float] = {}  # mark number of an opening bracket -> what it multiplies by
        self.closers: set[int] = set()
        self.unopened: list[str] = []
        opened: dict[str, list[int]] = {"(": [], "[": []}
        for index, (mark, number) in enumerate(self.marks):
            if mark in opened:
                opened[mark].append(index)
                self.factors[index] = ROUND if mark == "(" else SQUARE
            elif mark in ("]", ")") or number:
                self._close(index, opened["[" if mark == "]" else "("], number)
        self.unclosed = {kind: len(indices) for kind, indices in opened.items()}

    def _close(self, index: int, opened: list[int], number: str | None) -> None:
        if not opened:
            self.unopened.append(self.marks[index][0])
            return
        self.closers.add(index)
        start = opened.pop()
        if number:
            self.factors[start] = _held(float(number))


def _weighted(scan: _Scan) -> list[Piece]:
    """The texts between the brackets, each with the product of the factors around it, not yet merged."""
    pieces: list[Piece] = []
    around = {"(": [1.0], "[": [1.0]}  # products of the open brackets' factors, outermost first
    for index, (mark, _) in enumerate(scan.marks):
        if index in scan.factors:
            around[mark].append(_held(around[mark][-1] * scan.factors[index]))
        elif index in scan.closers:
            around["[" if mark == "]" else "("].pop()
        else:
            weight = _held(around["("][-1] * around["["][-1])
            pieces += _broken(mark[1:] if mark[0] == "\\" else mark, weight)
    return pieces


def _broken(text: str, weight: float) -> Iterator[Piece]:
    """The text cut at every BREAK, the white space around the word dropped."""
    parts = _BREAK_WORD.split(text)
    for index, part in enumerate(parts):
        if index > 0:
            yield BREAK
            part = part.lstrip()
        if index < len(parts) - 1:
            part = part.rstrip()
        if part:
            yield Piece(part, weight)


def _merge(pieces: list[Piece]) -> list[Piece]:
    """Joins neighbours of equal weight, so that a word is one word for the tokenizer however it was bracketed."""
    merged: list[Piece] = []
    texts: list[str] = []
    for index, piece in enumerate(pieces):
        texts.append(piece.text)
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        if following is None or following.weight != piece.weight or BREAK in (piece, following):
            merged.append(Piece("".join(texts), piece.weight))
            texts.clear()
    return merged


def _held(weight: float) -> float:
    return max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT, weight))


def _remarks(prompt: str, scan: _Scan, held: bool) -> Iterator[str]:
    for bracket, count in scan.unclosed.items():
        if count:
            yield f"{count} opening “{bracket}” never closed: the attention runs to the end of the prompt."
    if scan.unopened:
        yield f"{len(scan.unopened)} closing bracket(s) without an opening one: taken as text."
    for found in _NO_WEIGHT.findall(prompt)[:1]:
        yield f"“{found[:40]}” is not a weight: digits with one dot are. It is taken as text."
    if held:
        yield f"A weight reaches the limit of {WEIGHT_LIMIT:g}: larger ones are held there."
    if _SURROGATE.search(prompt):
        yield "Half a character (a lone surrogate) is in the prompt: it is read as “\ufffd”."


def _weighted_part(part: str) -> tuple[str, float]:
    text, colon, number = part.rpartition(":")
    if colon and _AND_WEIGHT.fullmatch(number.strip()):
        return text.strip(), _held(float(number))
    return part.strip(), 1.0


def _tags(prompt: str) -> Iterator[tuple[int, int, Tag]]:
    position = 0
    while found := _TAG_START.search(prompt, position):
        end = prompt.find(">", found.end())
        if end < 0:
            return
        position = end + 1
        if end > found.end():
            yield found.start(), position, _tag(found[1], prompt[found.end() : end])


def _tag(kind: str, body: str) -> Tag:
    args, named = [], {}
    for item in body.split(":"):
        key, equals, value = item.partition("=")
        if equals:
            named[key] = value
        else:
            args.append(item)
    return Tag(kind, tuple(args), named)

"""Prompts that change while sampling: which text is encoded at which step.

    [from:to:when]   `from` up to step `when`, then `to`; [to:when] starts with nothing, [from::when] ends with nothing
    [a|b|c]          one option per step, in turn; options may be empty

They nest, and attention brackets inside them are kept for `grammar.attention`. As in A1111, brackets that do not form
one of these are plain text, and a bar outside an alternation makes the whole prompt plain text. Compared with A1111's
Earley parser on random prompts, only one thing differs: with several stray brackets right behind an edit
(`[a:b:3])(`), that parser may take the edit for text too; here it stays an edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_MARKS = re.compile(r"\\.|[][():|]|[^][():|\\]+|\\", re.DOTALL)
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_PAIRS: Final = {"(": ")", "[": "]"}


class Span(NamedTuple):
    """`text` holds up to and including step `until`, counted from 1."""

    until: int
    text: str


def schedule(prompt: str, steps: int, first_pass_steps: int | None = None, *, old: bool = False) -> list[Span]:
    """The texts of a prompt in order, neighbours different, the last one until `steps`. Never empty.

    `when` with a dot is a fraction of the steps, without one it is a step. In the hires pass, told by
    `first_pass_steps`, fractions count from 1.0 and steps from the end of the first pass. Samplers that call the
    model twice a step are given twice the steps by the caller. `old`: the rule before A1111 1.6, by which a number
    below 1 is a fraction, and both passes count alike.
    """
    found: list[Span] = []
    for span in spans(prompt, steps, first_pass_steps, old=old):
        if found and found[-1].text == span.text:
            found.pop()
        found.append(span)
    return found


def spans(prompt: str, steps: int, first_pass_steps: int | None = None, *, old: bool = False) -> list[Span]:
    """Like `schedule`, with a span for every moment at which the prompt says that it changes, even if it does not."""
    root = _parse(prompt)
    if root is None:
        return [Span(steps, prompt)]
    count = _Count(steps, None if old else first_pass_steps, old)
    return [Span(until, "".join(_texts(root, until, count))) for until in _ends(root, count)]


class _Count(NamedTuple):
    """How `when` is counted."""

    steps: int
    first_pass_steps: int | None
    old: bool

    def switch(self, when: str) -> int:
        """The last step that shows what stands before the switch; below 1 it never shows."""
        value = float(when)
        if value < 1 if self.old else "." in when:
            value = (value - (self.first_pass_steps is not None)) * self.steps
        else:
            value -= self.first_pass_steps or 0
        return int(max(-1, min(self.steps, value)))


@dataclass(eq=False)
class _Bracket:
    """A bracket and what it holds: parts between its separators, each a list of texts and brackets."""

    opening: str = ""
    closing: str = ""
    parts: list[list[str | _Bracket]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)
    when: str | None = None  # of [from:to:when], as written
    alternates: bool = False
    broken: bool = False  # holds something that fits no rule, so it and all around it are plain text

    def shown(self, step: int, count: _Count) -> list[str | _Bracket]:
        """What stands here at `step`, inner brackets not yet resolved."""
        if self.alternates:
            return self.parts[(step - 1) % len(self.parts)]
        if self.when is not None:
            before, after = self.parts if len(self.parts) == 2 else ([], self.parts[0])
            return before if step <= count.switch(self.when) else after
        items: list[str | _Bracket] = [self.opening, *self.parts[0]]
        for separator, part in zip(self.separators, self.parts[1:], strict=True):
            items += [separator, *part]
        return [*items, self.closing]


def _parse(prompt: str) -> _Bracket | None:
    """The prompt as a tree, or None when a bar stands where no alternation can be made of it."""
    open_brackets = [_Bracket()]
    for mark in _MARKS.findall(prompt):
        current = open_brackets[-1]
        if mark in _PAIRS:
            open_brackets.append(_Bracket(opening=mark))
        elif mark in (":", "|"):
            current.separators.append(mark)
            current.parts.append([])
        elif mark not in ("]", ")"):
            current.parts[-1].append(mark)
        elif mark == _PAIRS.get(current.opening):
            current.closing = mark
            _close(open_brackets)
        else:
            _abandon(open_brackets)
            open_brackets[0].parts[-1].append(mark)
    _abandon(open_brackets)
    return None if "|" in open_brackets[0].separators else open_brackets[0]


def _close(open_brackets: list[_Bracket]) -> None:
    """Decides what the innermost bracket means and puts it into the one around it."""
    bracket, outer = open_brackets.pop(), open_brackets[-1]
    colons, bars = bracket.separators.count(":"), bracket.separators.count("|")
    if bracket.opening == "[" and not bracket.broken and bars and not colons:
        bracket.alternates = True
    elif bracket.opening == "[" and not bracket.broken and not bars and colons in (1, 2) and _when(bracket.parts[-1]):
        bracket.when = _when(bracket.parts.pop())
    elif bracket.broken or bars or colons > (1 if bracket.opening == "(" else 0):
        _spoil(bracket, open_brackets)
    outer.parts[-1].append(bracket)


def _abandon(open_brackets: list[_Bracket]) -> None:
    """Makes plain text of every bracket that is still open, innermost first."""
    while len(open_brackets) > 1:
        bracket = open_brackets.pop()
        _spoil(bracket, open_brackets)
        open_brackets[-1].parts[-1].append(bracket)


def _spoil(bracket: _Bracket, around: list[_Bracket]) -> None:
    """A bracket that fits no rule is plain text, and so is the one that holds it. A bar in it counts as the root's."""
    around[-1].broken = True
    if "|" in bracket.separators:
        around[0].separators.append("|")
        around[0].parts.append([])


def _when(part: list[str | _Bracket]) -> str | None:
    """The number that the last part of [from:to:when] consists of, or None."""
    if len(part) != 1 or not isinstance(part[0], str):
        return None
    number = _WHEN.fullmatch(part[0])
    return number and number[1]


def _ends(root: _Bracket, count: _Count) -> list[int]:
    """The steps after which the text may change, ascending, the last of all at the end."""
    brackets, steps = [root], count.steps
    ends = {steps}
    for bracket in brackets:
        brackets += [item for part in bracket.parts for item in part if isinstance(item, _Bracket)]
        if bracket.alternates:
            return list(range(1, steps + 1)) or [steps]
        if bracket.when is not None:
            ends.add(count.switch(bracket.when))
    return sorted(end for end in ends if end >= 1) or [steps]


def _texts(root: _Bracket, step: int, count: _Count) -> Iterator[str]:
    """The tree at one step, flattened without recursion: people nest brackets deeper than Python's stack."""
    walks = [iter([root])]
    while walks:
        item = next(walks[-1], None)
        if item is None:
            walks.pop()
        elif isinstance(item, str):
            yield item
        else:
            walks.append(iter(item.shown(step, count)))

"""CLIP's byte pair encoding, offline: the vocabulary comes inside the package `instant-clip-tokenizer`.

Before encoding, text is cleaned as A1111's installations clean it (transformers' CLIPTokenizer with ftfy): entities,
curly quotes, ligatures and full-width forms become plain, control characters go, lone surrogates become U+FFFD, NFC.
White space and case are the tokenizer's. What ftfy does beyond that, mending text decoded with the wrong encoding
("schÃ¶n"), is left out. Words (stretches without white space) beyond 4096 characters are encoded in pieces.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from instant_clip_tokenizer import Tokenizer

BOS: Final = 49406  # <|startoftext|>
EOS: Final = 49407  # <|endoftext|>
COMMA: Final = 267  # a comma that ends a word
LONGEST_WORD: Final = 4096  # the package's time grows with the square of a word's length

_SPECIAL: Final = {"<|startoftext|>": BOS, "<|endoftext|>": EOS}
_SPECIALS = re.compile(r"(<\|startoftext\|>|<\|endoftext\|>)")
_LONG_WORD = re.compile(rf"(\S{{{LONGEST_WORD}}})(?=\S)")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL: Final = [*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD)]

_LATIN_LIGATURES: Final = [0x132, 0x133, 0x149, *range(0x1C4, 0x1CD), *range(0x1F1, 0x1F4), *range(0xFB00, 0xFB07)]


def encode(text: str) -> list[int]:
    """Token numbers of `text`, 0..49407, without BOS and EOS around them. Never raises; linear in the length."""
    tokens: list[int] = []
    for part in _SPECIALS.split(clean(text)):
        tokens += [_SPECIAL[part]] if part in _SPECIAL else _byte_pairs()(_LONG_WORD.sub(r"\1 ", part))
    return tokens


def decode(token: int) -> str:
    """What a token stands for, lower case, with a space behind it where it ends a word; of half a character U+FFFD."""
    return _tokenizer().decode([token])


def clean(text: str) -> str:
    """The text as CLIP gets to read it, but for case and white space. Always encodable as UTF-8."""
    if text.isascii() and "&" not in text and text.isprintable():
        return text
    if "<" not in text:  # where tags stand, entities are meant as written
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    text = _SURROGATE.sub("\ufffd", text)
    return unicodedata.normalize("NFC", text.translate(_plain_forms()))


@cache
def _byte_pairs() -> Callable[[str], list[int]]:
    """The package's encoder."""
    return _tokenizer().encode


@cache
def _tokenizer() -> Tokenizer:
    """The package's tokenizer. Loaded at first use: it takes 0.07 s, which the page's start need not wait for."""
    from instant_clip_tokenizer import Tokenizer

    return Tokenizer()


@cache
def _plain_forms() -> dict[int, str | None]:
    """Character numbers that have a plainer form, and the form; None for those that are dropped."""
    return {ord(written): plain for written, plain in _respelt()} | dict.fromkeys(_CONTROL)


def _respelt() -> Iterator[tuple[str, str]]:
    yield from (("\u2028", "\n"), ("\u2029", "\n"), ("\u3000", " "))
    yield from ((quote, "'") for quote in "\u02bc\u2018\u2019\u201a\u201b")
    yield from ((quote, '"') for quote in "\u201c\u201d\u201e\u201f")
    for number in (*_LATIN_LIGATURES, *range(0xFF01, 0xFFF0)):
        yield chr(number), unicodedata.normalize("NFKC", chr(number)).replace("\u02bc", "'")

"""A prompt as the text encoder gets to read it: every token with its number and weight, where chunks end and why, and
which text holds in which steps. No model is needed for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..core.registry import SAMPLERS
from ..core.request import GenerationRequest
from .chunks import LENGTH, ROOM, Chunk, chunk
from .grammar import BREAK, Piece, Tag, extra_networks, strip_comments
from .prompt import Part, Timing, parts, pieces, remarks_of
from .tokenizer import EOS, decode
from .words import NO_WORDS, Vocabulary

FULL, COMMA_BORDER = "full", "comma"
MOST_TEXTS = 40  # of one part; more than a person reads


@dataclass(frozen=True)
class SeenToken:
    """`text` as the tokenizer spells it, a space at the end of each word. `word`: the embedding in its place."""

    text: str
    number: int
    weight: float
    word: str = ""


@dataclass(frozen=True)
class SeenChunk:
    """What is encoded at once. `border` is why another chunk follows: "BREAK", "comma" (the words after the last comma
    moved on, to stay together) or "full"; "" for the last one.
    """

    tokens: list[SeenToken]
    border: str
    room: int = ROOM


@dataclass(frozen=True)
class SeenText:
    """A text and the steps in which it holds, from 1, both ends included. Where a sampler asks the network more than
    once a step, a step may have two.
    """

    text: str
    steps: list[tuple[int, int]]
    chunks: list[SeenChunk]


@dataclass(frozen=True)
class SeenPart:
    """One of the prompts joined by AND, with its weight, and its first texts of `changes` different ones."""

    weight: float
    texts: list[SeenText]
    changes: int


@dataclass(frozen=True)
class SeenPrompt:
    """`steps`: how many there are. `networks` are the tags that are taken out, as they are written."""

    parts: list[SeenPart]
    steps: int
    networks: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def seen_prompt(
    prompt: str,
    request: GenerationRequest,
    *,
    negative: bool = False,
    first_pass: GenerationRequest | None = None,
    vocabulary: Vocabulary = NO_WORDS,
) -> SeenPrompt:
    """A whole prompt, styles and wildcards already in it, as `request` has it read. In the second pass of hires fix,
    whose `request` has its sampler and steps, `first_pass` is that of the first.
    """
    plain = strip_comments(prompt) if request.enable_prompt_comments else prompt
    calls = calls_a_step(request)
    earlier = first_pass and first_pass.steps * calls_a_step(first_pass)
    timing = Timing(request.steps * calls, earlier, request.use_old_scheduling)
    text, tags = (plain, []) if negative else extra_networks(plain)
    found = [_part(part, request, calls, vocabulary) for part in parts(text, timing, negative=negative)]
    return SeenPrompt(found, request.steps, [_written(tag) for tag in tags], list(remarks_of(prompt, request)))


def calls_a_step(request: GenerationRequest) -> int:
    """How often the sampler asks the network in a step: by this A1111 counts the steps of prompts that change."""
    facts = SAMPLERS.get(request.sampler).facts if request.sampler in SAMPLERS else {}
    return 1 if facts.get("endless") else facts.get("model_calls", 1)


def _part(part: Part, request: GenerationRequest, calls: int, vocabulary: Vocabulary) -> SeenPart:
    """A part with each of its texts once, and all the steps in which it holds."""
    held: dict[str, list[tuple[int, int]]] = {}
    for call in range(request.steps * calls):
        step = call // calls + 1
        ranges = held.setdefault(part.at(call), [])
        if ranges and ranges[-1][1] >= step - 1:
            ranges[-1] = ranges[-1][0], step
        else:
            ranges.append((step, step))
    texts = [
        SeenText(text, steps, list(_chunks(pieces(text, request.emphasis), request, vocabulary)))
        for text, steps in list(held.items())[:MOST_TEXTS]
    ]
    return SeenPart(part.weight, texts, len(held))


def _chunks(found: list[Piece], request: GenerationRequest, vocabulary: Vocabulary) -> Iterable[SeenChunk]:
    """The chunks, and why each ends. BREAK alone divides what is before it from what follows, so each is cut apart."""
    stretches: list[list[Piece]] = [[]]
    for piece in found:
        if piece == BREAK:
            stretches.append([])
        else:
            stretches[-1].append(piece)
    if len(stretches) > 1 and not stretches[-1]:
        stretches.pop()
    for number, stretch in enumerate(stretches, 1):
        chunks = [_tokens(one) for one in chunk(stretch, request.comma_padding_backtrack, vocabulary=vocabulary)]
        for tokens in chunks[:-1]:
            yield SeenChunk(tokens, FULL if len(tokens) == ROOM else COMMA_BORDER)
        yield SeenChunk(chunks[-1], BREAK.text if number < len(stretches) else "")


def _tokens(one: Chunk) -> list[SeenToken]:
    """The tokens of a chunk without those around them; of EOS that somebody wrote, without those at the end."""
    words, end = dict(one.words), LENGTH - 1
    while end > 1 and one.tokens[end] == EOS == one.tokens[end - 1]:
        end -= 1
    vectors: list[SeenToken] = []
    word, left = "", 0
    for place in range(1, end):
        if place in words:
            word, left = words[place].name, words[place].vectors
        number, left = one.tokens[place], left - 1
        vectors.append(SeenToken(word if left >= 0 else decode(number), number, one.weights[place], word * (left >= 0)))
    return vectors


def _written(tag: Tag) -> str:
    named = (f"{key}={value}" for key, value in tag.named.items())
    return f"<{':'.join((tag.kind, *tag.args, *named))}>"

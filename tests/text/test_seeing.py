"""What people are shown of a prompt: tokens, chunks and their borders, texts and their steps."""

from __future__ import annotations

import pytest

from modules.core.request import GenerationRequest
from modules.text.chunks import chunk
from modules.text.prompt import pieces
from modules.text.seeing import SeenPrompt, seen_prompt
from modules.text.words import Vocabulary, Word


def seen(prompt: str, *, negative: bool = False, vocabulary: Vocabulary | None = None, **fields: object) -> SeenPrompt:
    request = GenerationRequest.checked({"steps": 20, **fields})
    return seen_prompt(prompt, request, negative=negative, vocabulary=vocabulary or Vocabulary())


def test_tokens_have_their_text_number_and_weight() -> None:
    ((text,),) = [part.texts for part in seen("a (red:1.3) extraordinarily").parts]
    (only,) = text.chunks
    assert [(one.text, one.number, one.weight) for one in only.tokens] == [
        ("a ", 320, 1.0),
        ("red ", 736, 1.3),
        ("extraordin", 23628, 1.0),
        ("arily ", 12993, 1.0),
    ]
    assert only.border == "" and text.steps == [(1, 20)]


@pytest.mark.parametrize(
    ("prompt", "borders"),
    [
        ("a BREAK b", [(1, "BREAK"), (1, "")]),
        ("a BREAK BREAK b", [(1, "BREAK"), (0, "BREAK"), (1, "")]),
        ("word " * 80, [(75, "full"), (5, "")]),
        ("word " * 60 + ", " + "word " * 30, [(61, "comma"), (30, "")]),
        ("", [(0, "")]),
    ],
)
def test_chunks_say_why_they_end(prompt: str, borders: list[tuple[int, str]]) -> None:
    chunks = seen(prompt).parts[0].texts[0].chunks
    assert [(len(one.tokens), one.border) for one in chunks] == borders
    # They are the chunks that are encoded.
    encoded = chunk(pieces(prompt))
    assert [[one.number for one in shown.tokens] for shown in chunks] == [
        list(real.tokens[1 : 1 + len(shown.tokens)]) for shown, real in zip(chunks, encoded, strict=True)
    ]


def test_texts_that_change_say_in_which_steps_they_hold() -> None:
    (part,) = seen("a [day:night:10] sky").parts
    assert [(text.text, text.steps) for text in part.texts] == [("a day sky", [(1, 11)]), ("a night sky", [(12, 20)])]
    (part,) = seen("[a|b]", steps=5).parts
    assert {text.text: text.steps for text in part.texts} == {"a": [(1, 2), (4, 4)], "b": [(3, 3), (5, 5)]}


def test_many_texts_are_counted_and_the_first_ones_shown() -> None:
    (part,) = seen(f"[{'|'.join(map(str, range(60)))}]", steps=100).parts
    assert (len(part.texts), part.changes) == (40, 60)


def test_parts_networks_and_comments_are_told_apart() -> None:
    found = seen("a cat <lora:ink:0.8> AND a dog :-0.5 # not this")
    assert [(part.weight, part.texts[0].text) for part in found.parts] == [(1.0, "a cat"), (-0.5, "a dog")]
    assert found.networks == ["<lora:ink:0.8>"]
    (part,) = seen("a AND b", negative=True).parts
    assert part.texts[0].text == "a AND b"


def test_vectors_of_an_embedding_bear_its_name() -> None:
    words = Vocabulary.of([Word("mystyle", 2)])
    tokens = seen("a mystyle cat", vocabulary=words).parts[0].texts[0].chunks[0].tokens
    assert [(one.text, one.word) for one in tokens] == [
        ("a ", ""),
        ("mystyle", "mystyle"),
        ("mystyle", "mystyle"),
        ("cat ", ""),
    ]

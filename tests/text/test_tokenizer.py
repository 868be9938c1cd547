"""Tokens: equal to those of the reference implementation, for any text."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.text.tokenizer import BOS, COMMA, EOS, clean, encode


@pytest.fixture(scope="module")
def reference() -> Callable[[str], list[int]]:
    """CLIP's tokenizer in Hugging Face's implementation, with the merges that our package carries in its binary."""
    tokenizers = pytest.importorskip("tokenizers")
    package = Path(pytest.importorskip("instant_clip_tokenizer").__file__).parent
    binary = next(package.glob("instant_clip_tokenizer.*[od]")).read_bytes()
    start = binary.index(b"#version: 0.2\ni n\n")
    lines = binary[start : start + 900_000].decode("utf-8", "replace").split("\n")
    merges = [tuple(line.split(" ")) for line in lines[1:48_895]]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    words = [*letters, *(c + "</w>" for c in letters), *(a + b for a, b in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    model = tokenizers.models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    tokenizer = tokenizers.Tokenizer(model)
    spaces = tokenizers.normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    tokenizer.normalizer = tokenizers.normalizers.Sequence([spaces, tokenizers.normalizers.Lowercase()])
    word = tokenizers.Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    split = tokenizers.pre_tokenizers.Split(word, behavior="removed", invert=True)
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, byte_level])
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def test_known_prompts_have_their_published_numbers() -> None:
    assert encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert encode("a cat, a dog") == [320, 2368, COMMA, 320, 1929]
    assert encode("") == encode(" \n\t ") == []


def test_random_prompts_have_the_reference_tokens(reference: Callable[[str], list[int]]) -> None:
    rng = random.Random(7)
    alphabet = "abc ABC,.'sé123!😀中あ한ßİ\t\n（“ﬁ&;lt|\u0301שا\u200d\ufe0f-_#$½²"
    words = ["it's", "we'LL", "CAFÉ", "straße", "masterpiece", "1girl", "8k", "--ar", "ＦＵＬＬ", "ı", "Σ"]
    for _ in range(3000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(30))) + " " + " ".join(rng.sample(words, 3))
        assert encode(text) == reference(clean(text)), repr(text)


def test_every_letter_of_the_basic_plane_has_the_reference_tokens(reference: Callable[[str], list[int]]) -> None:
    newer = {0x1C89, 0x1C8A, *range(0xA7CB, 0xA7DD)}  # letters of Unicode 16, which the two know differently
    for number in set(range(0x20, 0xD800)) - newer:
        text = clean(f"x{chr(number)}y {chr(number)}")
        assert encode(text) == reference(text), hex(number)


def test_case_and_white_space_do_not_matter() -> None:
    assert encode("A  Photo\nOF\u3000a CAT") == encode("a photo of a cat")


@pytest.mark.parametrize(
    ("typed", "read"),
    [("it’s “so”", "it's \"so\""), ("ｃａｔ，（ｄｏｇ）", "cat,(dog)"), ("ﬁre", "fire"), ("cafe\u0301", "café"),
     ("a &amp; b", "a & b"), ("<b> &amp;", "<b> &amp;"), ("a\x00b\ufeff", "ab"), ("black&white", "black&white"),
     ("Ǆ", "DŽ"), ("\ud83d\ude00", "😀"), ("x\ud800y", "x\ufffdy")],
)  # fmt: skip
def test_typographic_forms_are_read_as_plain_ones(typed: str, read: str) -> None:
    assert clean(typed) == read


def test_special_tokens_written_in_a_prompt_are_special() -> None:
    assert encode("a<|endoftext|>b") == [320, EOS, 321]
    assert encode("<|startoftext|>") == [BOS]


@given(st.text(alphabet=st.characters(), max_size=50))
@settings(derandomize=True, max_examples=500, deadline=None, database=None)
def test_any_text_is_encoded_into_known_numbers(text: str) -> None:
    assert all(0 <= token <= EOS for token in encode(text))


@pytest.mark.parametrize("text", ["😀", "a", "\ud800", "é", "&amp;", "<|endoftext|>", " ", "!", "中"])
def test_a_hundred_thousand_characters_without_a_space_take_a_moment(text: str) -> None:
    began = time.process_time()
    encode(text * (100_000 // len(text)))
    assert time.process_time() - began < 2  # word length squared would be more


def test_importing_does_not_load_the_vocabulary() -> None:
    script = "import json, sys, modules.text.chunks; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert not {"instant_clip_tokenizer", "torch", "numpy"} & set(loaded)

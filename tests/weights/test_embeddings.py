"""Embeddings of every format, and what the text encoders make of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.catalog.networks import is_embedding_name
from modules.core.errors import UserError
from modules.text.chunks import chunk
from modules.text.grammar import attention
from modules.weights.embeddings import EmbeddingShelf, read_embedding
from modules.weights.emphasis import Reading
from modules.weights.load import load_checkpoint
from modules.weights.weights import Weights
from tests import flow_models
from tests.embedded import in_pixels, in_text, table_of
from tests.open_clip import sd2_shapes, sdxl_shapes
from tests.toy import write_random

VECTORS = torch.randn(3, 32, generator=torch.Generator().manual_seed(4))


def a1111(vectors: Tensor) -> dict:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "old", "step": 100}


FILES = {
    "A1111's .pt": ("word.pt", lambda path: torch.save(a1111(VECTORS), path)),
    "the first .pt": (
        "word.pt",
        lambda path: torch.save(
            {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": nn.ParameterDict({"*": VECTORS})}, path
        ),
    ),
    "a parameter": ("word.pt", lambda path: torch.save(a1111(nn.Parameter(VECTORS)), path)),
    "a concept's .bin": ("word.bin", lambda path: torch.save({"<word>": VECTORS}, path)),
    "kohya's": ("word.safetensors", lambda path: save_file({"emb_params": VECTORS}, path)),
    "fp16": ("word.safetensors", lambda path: save_file({"emb_params": VECTORS.half()}, path)),
    "one of another name": ("word.safetensors", lambda path: save_file({"<word>": VECTORS}, path)),
    "a PNG's text": (
        "x.png",
        lambda path: Image.new("RGB", (8, 8)).save(path, pnginfo=in_text(table_of(VECTORS.numpy(), "word"))),
    ),
    "a picture's pixels": (
        "x.webp",
        lambda path: in_pixels(table_of(VECTORS.numpy(), "word"), Image.new("RGB", (40, 64), "white")).save(
            path, lossless=True
        ),
    ),
}


@pytest.mark.parametrize(("name", "write"), FILES.values(), ids=FILES)
def test_every_format_gives_the_same_vectors(tmp_path: Path, name: str, write: object) -> None:
    write(tmp_path / name)
    found = read_embedding(tmp_path / name)
    assert found.word.name == "word"
    assert found.word.vectors == 3
    torch.testing.assert_close(found.vectors[""], VECTORS, rtol=0, atol=1e-2 if "16" in name else 2e-3)


def test_a_single_vector_without_an_axis_is_one(tmp_path: Path) -> None:
    torch.save({"<word>": VECTORS[0].clone()}, tmp_path / "word.bin")
    assert read_embedding(tmp_path / "word.bin").word.vectors == 1


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"emb_params": torch.zeros(76, 32)}, "76 vectors; a chunk of a prompt has room for 75"),
        ({"emb_params": torch.full((1, 32), torch.nan)}, "not finite"),
        ({"emb_params": torch.zeros(0, 32)}, "no vectors"),
        ({"a": torch.zeros(1, 32), "b": torch.zeros(1, 32)}, "no vectors"),
        ({"clip_l": torch.zeros(1, 32), "clip_g": torch.zeros(2, 64)}, "1 and 2 vectors"),
    ],
)
def test_what_is_no_embedding_is_refused_by_name(tmp_path: Path, tensors: dict, said: str) -> None:
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match=rf"odd\.safetensors.*{said}"):
        read_embedding(tmp_path / "odd.safetensors")


def test_previews_are_not_looked_into(tmp_path: Path) -> None:
    assert is_embedding_name(tmp_path / "word.png")
    assert not is_embedding_name(tmp_path / "word.preview.png")
    assert not is_embedding_name(tmp_path / "word.txt")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "word.png")
    assert read_embedding(tmp_path / "word.png") is None


def states(weights: Weights, text: str) -> tuple[Tensor, ...]:
    found = weights.states(chunk(attention(text), vocabulary=weights.taught.vocabulary)[0], Reading())
    return (*found.hidden, *(() if found.pooled is None else (found.pooled,)))


def own_vectors(layer: nn.Embedding, *tokens: int) -> Tensor:
    return layer.weight[list(tokens)].clone()


def test_vectors_that_are_tokens_own_are_read_as_those_tokens(toy: Path, tmp_path: Path) -> None:
    weights = load_checkpoint(toy)
    layer = weights.text_encoder.embeddings.token_embedding
    save_file({"emb_params": own_vectors(layer, 736, 1212)}, tmp_path / "pair.safetensors")  # "red house"
    EmbeddingShelf([tmp_path]).teach(weights)
    expected = states(weights, "a red house at night")
    found = states(weights, "a pair at night")
    assert len(weights.taught.embeddings) == 1
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert not any(layer._forward_hooks)


SD3 = partial(flow_models.all_in_one, flow_models.SD3_MEDIUM, "clip_l", "clip_g")


@pytest.mark.parametrize("shapes", [sd2_shapes, sdxl_shapes, SD3], ids=["SD 2", "SDXL", "SD 3"])
def test_the_other_families_read_words_too(shapes: object, tmp_path: Path) -> None:
    weights = load_checkpoint(
        write_random(
            tmp_path / "model.safetensors", shapes(), metadata=flow_models.ARCHITECTURE if shapes is SD3 else None
        )
    )
    encoder = weights.text_encoder
    if hasattr(encoder, "large"):
        layers = {"clip_l": encoder.small, "clip_g": encoder.large.clip}
    else:
        layers = {"emb_params": encoder}
    tensors = {name: own_vectors(one.embeddings.token_embedding, 736, 1212) for name, one in layers.items()}
    (tmp_path / "embeddings").mkdir()
    save_file(tensors, tmp_path / "embeddings" / "pair.safetensors")
    EmbeddingShelf([tmp_path / "embeddings"]).teach(weights)
    for one, other in zip(states(weights, "a pair at night"), states(weights, "a red house at night"), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_flux_is_taught_no_words_and_says_why(tmp_path: Path) -> None:
    flow_models.write_tokenizer(tmp_path)
    shapes = flow_models.all_in_one(flow_models.SCHNELL, "clip_l", "t5xxl")
    weights = load_checkpoint(write_random(tmp_path / "flux.safetensors", shapes, metadata=flow_models.ARCHITECTURE))
    (tmp_path / "embeddings").mkdir()
    save_file({"clip_l": torch.zeros(1, flow_models.SMALL)}, tmp_path / "embeddings" / "word.safetensors")
    taught = EmbeddingShelf([tmp_path / "embeddings"]).teach(weights)
    sentence = "The embedding word is left out: it is for CLIP, but FLUX reads prompts with T5."
    assert not taught.embeddings and list(taught.reasons.values()) == [sentence]


def test_what_does_not_fit_is_named_with_both_widths(toy: Path, tmp_path: Path) -> None:
    weights = load_checkpoint(toy)
    save_file({"emb_params": torch.zeros(1, 768)}, tmp_path / "wide.safetensors")
    save_file({"clip_l": torch.zeros(1, 32), "clip_g": torch.zeros(1, 64)}, tmp_path / "pair.safetensors")
    (tmp_path / "broken.pt").write_bytes(b"<html>")
    taught = EmbeddingShelf([tmp_path]).teach(weights)
    assert taught.embeddings == {}
    reasons = {word.name: reason for word, reason in taught.reasons.items()}
    assert "768 wide" in reasons["wide"]
    assert "32" in reasons["wide"]
    assert "32 (clip_l) and 64 (clip_g)" in reasons["pair"]
    assert "broken" in reasons["broken"]


def test_files_that_come_and_go_are_noticed(toy: Path, tmp_path: Path) -> None:
    weights, shelf = load_checkpoint(toy), EmbeddingShelf([tmp_path])
    assert shelf.teach(weights).embeddings == {}
    save_file({"emb_params": VECTORS}, tmp_path / "word.safetensors")
    first = shelf.teach(weights)
    assert len(first.embeddings) == 1
    assert shelf.teach(weights) is first
    (tmp_path / "word.safetensors").unlink()
    assert shelf.teach(weights).embeddings == {}

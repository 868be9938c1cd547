"""Prompts steer as A1111's rules say. The other side is computed plainly: transformers' CLIP on tokens cut by hand,
emphasis and mean restoration in two lines, and k-diffusion's Euler loop with a call counter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.core.hooks import Hooks, hook
from modules.engine.encode import Conditioning
from modules.engine.engine import Engine
from modules.text.tokenizer import encode
from tests.conftest import folders_in
from tests.toy import write_toy_checkpoint

from .conftest import pictures, told

STEPS = 6
GIVEN = {"sampler": "Euler", "schedule": "Uniform", "noise_source": "CPU", "cfg_scale": 4.0, "seed": 5, "steps": STEPS}
CLIP = {
    "vocab_size": 49408,
    "hidden_size": 32,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 49407,
}
Words = list[tuple[str, float]]  # stretches of a chunk's text with their weights
EMPTY: list[Words] = [[]]


@dataclass
class Plain:
    """One prompt as A1111 has it: what each text's chunks hold, up to which call, and with which weight."""

    texts: list[tuple[int, list[Words]]]
    weight: float = 1.0


@dataclass
class Case:
    prompt: str
    toward: list[Plain]
    negative: str = ""
    away: Plain = field(default_factory=lambda: Plain([(99, EMPTY)]))
    changes: dict[str, Any] = field(default_factory=dict)


def said(*chunks: Words, weight: float = 1.0) -> Plain:
    return Plain([(99, list(chunks))], weight)


LONG = ", ".join(["a red cat in fog"] * 20)  # 119 tokens, every sixth a comma
CUT = "a red cat in fog, " * 12, ", ".join(["a red cat in fog"] * 8)  # the 72nd is the last comma that fits
CASES = {
    "attention": Case(
        "a (red:1.4) [house], ((sky))",
        [said([("a ", 1), ("red", 1.4), (" ", 1), ("house", 1 / 1.1), (", ", 1), ("sky", 1.21)])],
        "(fog:0.3)",
        said([("fog", 0.3)]),
    ),
    "no norm": Case(
        "a (red:1.4) house", [said([("a ", 1), ("red", 1.4), (" house", 1)])], changes={"emphasis": "No norm"}
    ),
    "ignored emphasis": Case("a (red:1.4) house", [said([("a red house", 1)])], changes={"emphasis": "Ignore"}),
    "no emphasis": Case(
        "a (red:1.4) BREAK house", [said([("a (red:1.4) BREAK house", 1)])], changes={"emphasis": "None"}
    ),
    "and": Case(
        "a cat AND (red:1.2) sky :0.6 AND fog :-0.4",
        [said([("a cat", 1)]), said([("red", 1.2), (" sky", 1)], weight=0.6), said([("fog", 1)], weight=-0.4)],
        "rain AND snow",
        said([("rain AND snow", 1)]),
    ),
    "and of unlike lengths": Case(
        "a cat BREAK a dog AND sky",
        [said([("a cat", 1)], [("a dog", 1)]), said([("sky", 1)])],
        "fog",
        said([("fog", 1)]),
    ),
    "break": Case("a cat BREAK (a dog:1.3)", [said([("a cat", 1)], [("a dog", 1.3)])]),
    "a long prompt": Case(LONG, [said([(CUT[0], 1)], [(CUT[1], 1)])]),
    "a long prompt without backtracking": Case(
        "red " * 70 + ", cat dog sky fog sea sun",
        [said([("red " * 70 + ", cat dog sky fog", 1)], [("sea sun", 1)])],
        changes={"comma_padding_backtrack": 0},
    ),
    "clip skip 2": Case(
        "a (red:1.2) house", [said([("a ", 1), ("red", 1.2), (" house", 1)])], changes={"clip_skip": 2}
    ),
    "editing": Case(
        "a [(cat:1.3):dog:0.5] here",
        [Plain([(3, [[("a ", 1), ("cat", 1.3), (" here", 1)]]), (99, [[("a dog here", 1)]])])],
        "[fog:2]",
        Plain([(2, EMPTY), (99, [[("fog", 1)]])]),
    ),
    "editing with longer texts": Case(
        "[cat:dog BREAK sky:2]", [Plain([(2, [[("cat", 1)], []]), (99, [[("dog", 1)], [("sky", 1)]])])]
    ),
    "alternation": Case(
        "[cat|(dog:1.5)]",
        [Plain([(call, [[("cat", 1)] if call % 2 else [("dog", 1.5)]]) for call in range(1, STEPS + 1)])],
    ),
    "comments": Case("# a title\na cat # black\nhere", [said([("a cat here", 1)])]),
    "extra networks": Case("a <hypernet:nothing:1>cat", [said([("a cat", 1)])]),
    "old timelines": Case(
        "[cat:dog:1.0]", [Plain([(1, [[("cat", 1)]]), (99, [[("dog", 1)]])])], changes={"use_old_scheduling": True}
    ),
}


class Reference:
    """CLIP run plainly, and what A1111 makes of what it gives."""

    def __init__(self, checkpoint: Path) -> None:
        prefix = "cond_stage_model.transformer.text_model."
        stored = {name: tensor.float() for name, tensor in load_file(checkpoint).items()}
        self.clip = CLIPTextModel(CLIPTextConfig(**CLIP)).eval()
        own = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
        self.clip.load_state_dict(own)

    @torch.inference_mode()
    def vectors(self, plain: Plain, clip_skip: int = 1, restoring: bool = True) -> list[Tensor]:
        """The vectors of each text, all texts' chunks encoded side by side."""
        joined: list[Tensor] = []
        for position in range(max(len(chunks) for _, chunks in plain.texts)):
            rows = [chunks[position] if position < len(chunks) else [] for _, chunks in plain.texts]
            tokens, weights = zip(*(self._filled(words) for words in rows), strict=True)
            states = self.clip(torch.tensor(tokens), output_hidden_states=True).hidden_states[-clip_skip]
            plainly = self.clip.final_layer_norm(states)
            weighted = plainly * torch.tensor(weights)[..., None]
            joined.append(weighted * (plainly.mean() / weighted.mean()) if restoring else weighted)
        return list(torch.cat(joined, dim=1))

    @staticmethod
    def _filled(words: Words) -> tuple[list[int], list[float]]:
        tokens = [(token, float(weight)) for text, weight in words for token in encode(text)]
        numbers = [49406, *(token for token, _ in tokens)]
        weights = [1.0, *(weight for _, weight in tokens)]
        return numbers + [49407] * (77 - len(numbers)), weights + [1.0] * (77 - len(weights))


class Seen:
    """What one run of ours started with and ended with."""

    @hook
    def sampling_starting(self, run: Any, batch: Any, sampling: Any) -> None:
        self.run, self.batch, self.x, self.sigmas = run, batch, sampling.x, sampling.sigmas

    @hook
    def sampled(self, latents: Tensor) -> None:
        self.latents = latents


@pytest.fixture(scope="module")
def reference(toy_checkpoint: Path) -> Reference:
    return Reference(toy_checkpoint)


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path, seen: Seen) -> Iterator[Engine]:
    hooks = Hooks()
    hooks.register(seen, "seen")
    engine = Engine(folders_in(tmp_path_factory.mktemp("prompts"), toy_checkpoint), hooks)
    yield engine
    engine.close()


@pytest.fixture
def paint(painter: Engine, seen: Seen) -> Callable[..., Any]:
    def paint(**changes: Any) -> Any:
        seen.pictures = pictures(told(painter, **{**GIVEN, "negative_prompt": "", **changes}))
        return seen.pictures

    return paint


def at(plain: Plain, vectors: list[Tensor], call: int) -> Tensor:
    """A1111's choice of text: it counts the network's calls from 0, and compares them with steps counted from 1."""
    index = next(i for i, (until, _) in enumerate(plain.texts) if call <= until)
    return vectors[index]


def side_by_side(conds: list[Tensor]) -> list[Tensor]:
    """Conditionals of unlike lengths: the last vector again and again."""
    longest = max(len(cond) for cond in conds)
    return [torch.cat([cond, cond[-1:].repeat(longest - len(cond), 1)]) for cond in conds]


def now(conditioning: Conditioning, call: int) -> tuple[list[Any], Any]:
    """What ours steers by at a call."""
    turn = next((turn for turn in reversed(conditioning.later) if turn.first <= call), conditioning)
    return turn.conditionals, turn.unconditional


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_vectors_are_those_of_a1111s_rules(paint, painter, seen, reference, case):
    paint(prompt=case.prompt, negative_prompt=case.negative, **case.changes)
    found = painter._encoder.encode(seen.run, seen.batch, painter._model, Hooks())
    reading = {"clip_skip": case.changes.get("clip_skip", 1), "restoring": case.changes.get("emphasis") != "No norm"}
    toward = [reference.vectors(plain, **reading) for plain in case.toward]
    away = reference.vectors(case.away, **reading)
    for call in range(STEPS):
        conds, uncond = now(found, call)
        expected = side_by_side([at(plain, vectors, call) for plain, vectors in zip(case.toward, toward, strict=True)])
        for ours, theirs, plain in zip(conds, expected, case.toward, strict=True):
            assert ours.weight == plain.weight
            torch.testing.assert_close(ours.conditioning[0], theirs, rtol=0, atol=1e-5)
        torch.testing.assert_close(uncond[0], at(case.away, away, call), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["and", "editing", "alternation", "a long prompt"])
def test_the_latents_are_those_of_k_diffusions_loop(paint, painter, seen, reference, name):
    case = CASES[name]
    paint(prompt=case.prompt, negative_prompt=case.negative)
    toward = [reference.vectors(plain) for plain in case.toward]
    away = reference.vectors(case.away)
    model, x, levels = painter._model, seen.x, seen.sigmas.tolist()
    for call, (sigma, after) in enumerate(pairwise(levels)):

        def denoised(cond: Tensor, x: Tensor = x, sigma: float = sigma) -> Tensor:
            time = torch.tensor([model.sigmas.timestep(sigma)])
            with torch.inference_mode():
                eps = model.weights.unet(x / (sigma**2 + 1) ** 0.5, time, cond[None], return_dict=False)[0]
            return x - sigma * eps

        uncond = denoised(at(case.away, away, call))
        guided = uncond.clone()
        for plain, vectors in zip(case.toward, toward, strict=True):
            guided += (denoised(at(plain, vectors, call)) - uncond) * plain.weight * 4.0
        x = x + (x - guided) / sigma * (after - sigma)
    torch.testing.assert_close(seen.latents, x, rtol=0, atol=1e-4 * x.abs().max().item())


def test_a_sampler_with_two_calls_a_step_counts_them_all(paint, painter, seen, reference):
    paint(prompt="[cat:dog:0.5]", sampler="Heun", steps=4)
    found = painter._encoder.encode(seen.run, seen.batch, painter._model, Hooks())
    assert [turn.first for turn in found.later] == [5]


def test_a_sampler_that_needs_more_calls_than_steps_takes_the_first_text_again(paint, painter, seen):
    paint(prompt="[cat:dog:3]", steps=4)
    run = replace(seen.run, request=seen.run.request.model_copy(update={"sampler": "DPM adaptive"}))
    found = painter._encoder.encode(run, seen.batch, painter._model, Hooks())
    assert [turn.first for turn in found.later] == [4, 5]
    assert torch.equal(found.later[1].conditionals[0].conditioning, found.conditionals[0].conditioning)


def test_the_second_pass_counts_on_from_the_first(paint, painter, seen):
    hires = {"enable_hr": True, "hr_scale": 1.25, "hr_second_pass_steps": 4, "denoising_strength": 0.7}
    for prompt, first in (("[cat:dog:0.5]", []), ("[cat:dog:1.5]", [3]), (f"[cat:dog:{STEPS + 3}]", [4])):
        paint(prompt=prompt, **hires)
        found = painter._encoder.encode(seen.run, seen.batch, painter._model, Hooks())
        assert [turn.first for turn in found.later] == first


class Counted:
    """How often the text encoder was asked."""

    def __init__(self, weights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chunks: list[tuple[int, ...]] = []
        states = weights.rules.states

        def counting(weights: Any, chunk: Any, reading: Any) -> Any:
            self.chunks.append(chunk.tokens)
            return states(weights, chunk, reading)

        monkeypatch.setattr(weights.rules, "states", counting)


def test_every_chunk_is_encoded_once_and_remembered_for_the_next_job(paint, painter, monkeypatch):
    paint(prompt="warm up")
    painter._encoder.forget()
    counted = Counted(painter._model.weights, monkeypatch)
    paint(prompt="[whale|tower] AND tower AND (whale:1.3)", negative_prompt="[mist:3]", batch_size=2)
    assert len(counted.chunks) == len(set(counted.chunks)) == 4  # and the empty one
    paint(prompt="[whale|(tower:0.7)]", negative_prompt="mist", steps=5, emphasis="No norm")
    assert len(counted.chunks) == 4
    paint(prompt="whale", clip_skip=2)
    assert len(counted.chunks) == 6  # another layer, of the empty prompt too
    painter._encoder.forget()
    paint(prompt="whale")
    assert len(counted.chunks) == 8


def test_what_was_encoded_outlives_its_model(tmp_path, toy_checkpoint, monkeypatch):
    write_toy_checkpoint(tmp_path / "both" / "other.safetensors", seed=1)
    copyfile(toy_checkpoint, tmp_path / "both" / "toy.safetensors")
    engine = Engine(folders_in(tmp_path, tmp_path / "both" / "toy.safetensors"), Hooks())
    told(engine, prompt="whale", checkpoint="toy", steps=1)
    counted = Counted(engine._model.weights, monkeypatch)
    for checkpoint, chunks in (("other", 2), ("toy", 2), ("other", 2)):
        told(engine, prompt="whale", checkpoint=checkpoint, steps=1)
        assert len(counted.chunks) == chunks
    engine.close()


def test_two_passes_of_hires_encode_a_prompt_once(paint, painter, monkeypatch):
    paint(prompt="warm up")
    counted = Counted(painter._model.weights, monkeypatch)
    paint(prompt="lighthouse", enable_hr=True, hr_scale=1.25, hr_prompt="")
    assert len(counted.chunks) == 1


def test_pictures_of_one_batch_may_have_unlike_parts(painter, paint, seen):
    prompts = ["cat", "dog AND sky :0.5", "fog AND sea AND sun"]

    class Listener:
        @hook
        def batch_starting(self, batch: Any) -> None:
            batch.prompts[:] = prompts

    painter._hooks.register(Listener(), "listener")
    try:
        together = paint(batch_size=3, prompt="any")
    finally:
        painter._hooks.unregister("listener")
    for index, prompt in enumerate(prompts):
        (alone,) = paint(prompt=prompt, seed=GIVEN["seed"] + index)
        difference = abs(together[index].pixels.astype(int) - alone.pixels).max()
        assert difference <= 1, prompt


def test_padding_fills_the_shorter_side_with_the_empty_prompt(paint, painter, seen, reference):
    (picture,) = paint(prompt="cat BREAK dog", negative_prompt="fog", pad_cond_uncond=True)
    found = painter._encoder.encode(seen.run, seen.batch, painter._model, Hooks())
    expected = torch.cat([reference.vectors(said([("fog", 1)]))[0], reference.vectors(said([]))[0]])
    torch.testing.assert_close(found.unconditional[0], expected, rtol=0, atol=1e-5)
    assert "Pad conds: True" in picture.infotext
    (old,) = paint(prompt="cat BREAK dog", negative_prompt="fog", pad_cond_uncond_v0=True)
    found = painter._encoder.encode(seen.run, seen.batch, painter._model, Hooks())
    assert torch.equal(found.unconditional[0, 77:], found.unconditional[0, 76:77].expand(77, -1))
    assert "Pad conds v0: True" in old.infotext


def test_the_text_names_an_emphasis_mode_only_where_it_acts(paint):
    assert "Emphasis: No norm" in paint(prompt="(cat:1.2)", emphasis="No norm")[0].infotext
    assert "Emphasis" not in paint(prompt="(cat:1.2)")[0].infotext
    assert "Emphasis" not in paint(prompt="cat", emphasis="No norm")[0].infotext
    assert "Old prompt editing" not in paint(prompt="[cat:dog:2]", use_old_scheduling=True)[0].infotext
    assert "Old prompt editing timelines: True" in paint(prompt="[cat:dog:1.0]", use_old_scheduling=True)[0].infotext


def test_comments_are_neither_painted_nor_written_unless_they_are_text(paint):
    (plain,) = paint(prompt="cat # dog", negative_prompt="fog\n# mist")
    assert plain.infotext.startswith("cat \nNegative prompt: fog\n")
    (text,) = paint(prompt="cat # dog", enable_prompt_comments=False)
    assert text.infotext.startswith("cat # dog\n")
    assert "Prompt comments: False" in text.infotext
    assert (text.pixels != plain.pixels).any()

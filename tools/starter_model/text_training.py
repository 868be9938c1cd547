"""Teaches the text encoder what captions say, before any picture is painted: minutes instead of hours.

The tokens after a caption's end all see the whole caption. Each of them learns to carry one fact of the scene, by
turns: the ground, the sky, what stands at the left, and so on. A denoiser then finds every fact in a place of its own,
and needs no more than to look there. What a caption leaves open is learned as a probability.
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from .captions import caption
from .presets import Preset
from .progress import Checkpoint, clock
from .text import CONTEXT, CaptionTokens, build_text_encoder
from .world import COLOURS, GROUNDS, PLACES, SHAPES, SKIES, STYLES, THINGS, Postcard, Scene, training_scene

LIGHTS = ("sun", "moon", "full moon", "crescent", "stars", "clouds", "lightning")
KINDS = ("nothing", *THINGS, *SHAPES)
BACKGROUNDS = (*GROUNDS, *COLOURS)
SHORT_CONTEXT = 44  # most of the training sees only this many tokens: half the work
SHORT_UNTIL = 0.7
BATCH = 192
RATE = 1.5e-3
SCENES = 40_000

# Each question is answered by the states of every eighth token after the caption's end.
QUESTIONS = ("background", "sky", "lights", "style", *PLACES, "size")


class Answers(nn.Module):
    """Linear readings of the token states, one for each question; used only while the encoder learns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = {"background": len(BACKGROUNDS), "sky": 1 + len(SKIES), "lights": len(LIGHTS), "style": len(STYLES)}
        sizes |= {place: len(KINDS) + 1 + len(COLOURS) for place in PLACES} | {"size": 2}
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in sizes.items()})

    def loss(self, states: Tensor, ends: Tensor, answers: dict[str, Tensor]) -> Tensor:
        """Mean cross entropy of all questions for states (n, tokens, width), captions ending at `ends` (n,)."""
        places = torch.arange(states.shape[1], device=states.device)
        total = states.new_zeros(())
        for turn, question in enumerate(QUESTIONS):
            asked = (places[None] >= ends[:, None]) & (places[None] % len(QUESTIONS) == turn)
            picture, _ = asked.nonzero(as_tuple=True)
            read = self.heads[question](states[asked])
            total = total + self._error(question, read, answers[question][picture])
        return total / len(QUESTIONS)

    def _error(self, question: str, read: Tensor, right: Tensor) -> Tensor:
        if question == "lights":
            return functional.binary_cross_entropy_with_logits(read, right.float()) * len(LIGHTS)
        if question in PLACES:
            kind, colour = read.split([len(KINDS), 1 + len(COLOURS)], dim=1)
            return functional.cross_entropy(kind, right[:, 0]) + functional.cross_entropy(colour, right[:, 1])
        return functional.cross_entropy(read, right[:, 0])


def facts(scene: Scene) -> dict[str, list[int]]:
    """The right answer to each question, as class numbers; of lights, which of them shine."""
    postcard = isinstance(scene, Postcard)
    found = {
        "background": [BACKGROUNDS.index(scene.ground if postcard else scene.background)],
        "sky": [1 + SKIES.index(scene.sky) if postcard else 0],
        "lights": [int(postcard and light in scene.lights) for light in LIGHTS],
        "style": [STYLES.index(scene.style)],
        "size": [int(len(scene.things) == 1)],
    }
    for place in PLACES:
        here = [thing for thing in scene.things if thing.place == place]
        colours = list(COLOURS)
        found[place] = [KINDS.index(here[0].kind), 1 + colours.index(here[0].colour)] if here else [0, 0]
    return found


def saved_text_encoder(preset: Preset, tokens: CaptionTokens, folder: Path, device: str) -> CLIPTextModel:
    """The trained text encoder, to be read from alone."""
    text = build_text_encoder(preset, 1 + len(tokens.known))
    text.load_state_dict(torch.load(folder / "text.pt", map_location="cpu", weights_only=True)["text"])
    return text.to(device).eval().requires_grad_(False)


def train_text_encoder(preset: Preset, tokens: CaptionTokens, folder: Path, device: str) -> None:
    """Trains for the preset's minutes, resuming what `folder` holds, and leaves it there."""
    torch.manual_seed(1)
    text = build_text_encoder(preset, 1 + len(tokens.known)).to(device)
    answers = Answers(preset.text_width).to(device)
    parameters = [*text.parameters(), *answers.parameters()]
    optimizer = torch.optim.AdamW(parameters, RATE, (0.9, 0.98), weight_decay=1e-3)
    checkpoint = Checkpoint(folder / "text.pt", {"text": text, "answers": answers, "optimizer": optimizer})
    spent, step = checkpoint.resume()
    rng, budget = Random(step), preset.text_minutes * 60
    scenes = [training_scene(number) for number in range(SCENES)]
    right = [facts(scene) for scene in scenes]
    smooth = None
    while spent < budget:
        started = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * max(0.02, 1 - spent / budget)
        chosen = [rng.randrange(SCENES) for _ in range(BATCH)]
        rows = [tokens.rows(caption(scenes[k], rng), rng) for k in chosen]
        length = SHORT_CONTEXT if spent < SHORT_UNTIL * budget else CONTEXT
        given = torch.tensor(rows, device=device)[:, :length]
        ends = (given != tokens.row_of_end).long().mul(torch.arange(length, device=device)).amax(1) + 1
        wanted = {q: torch.tensor([right[k][q] for k in chosen], device=device) for q in QUESTIONS}
        loss = answers.loss(text(given).last_hidden_state, ends, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        spent += time.monotonic() - started
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if step % 50 == 0:
            print(f"{clock()} text step {step}, {spent:.0f}/{budget:.0f} s, loss {smooth:.3f}", flush=True)
        checkpoint.save_now_and_then(spent, step)
    checkpoint.save(spent, step)

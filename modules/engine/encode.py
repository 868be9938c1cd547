"""Prompts become vectors. Each chunk of 77 tokens is read once, and remembered for the next jobs; whole sentences too,
where T5 reads them.

Remembered is what the text encoders make of a chunk; emphasis, AND and prompts that change while sampling are laid over
that, which costs next to nothing. So pressing Generate again, or changing a weight, reads nothing again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from ..core.hooks import Hooks
from ..core.request import GenerationRequest
from ..core.sections.language import EMPHASIS_WITHOUT_NORM, ORIGINAL_EMPHASIS
from ..diffusion.denoiser import Conditioning as Vectors
from ..diffusion.guidance import Conditional, Turn
from ..text.chunks import Chunk
from ..text.grammar import Piece, strip_comments
from ..text.prompt import Part, emphasises, parts, pieces
from ..weights.emphasis import Reading, States, Text, as_long, conditionings, text_of, with_text
from ..weights.reading import Reader
from ..weights.weights import Situation
from .model import Model
from .networks import Networks
from .run import Batch, Run
from .timing import timing_of

MOST_BYTES = 64 << 20  # about 250 chunks of SD 1, 100 of SDXL


@dataclass(frozen=True)
class Conditioning:
    """What to steer toward, and what away from: (pictures or 1, tokens, width) each, or several such by name; and what
    takes its place later, where prompts change while sampling.
    """

    conditionals: list[Conditional]
    unconditional: Vectors
    later: tuple[Turn, ...] = field(default=())


@dataclass(frozen=True)
class _Encoded:
    """A part of one picture's prompt, and the vectors (1, tokens, width) of each text that it has in time."""

    part: Part
    vectors: Mapping[str, Vectors]

    @property
    def tokens(self) -> int:
        return text_of(next(iter(self.vectors.values()))).shape[1]

    def at(self, call: int) -> Vectors:
        return self.vectors[self.part.at(call)]

    def changed(self, change: Callable[[Vectors], Vectors]) -> _Encoded:
        """With all its vectors changed in the same way."""
        return _Encoded(self.part, {text: change(vectors) for text, vectors in self.vectors.items()})


_Prompts = dict[str, list[_Encoded]]  # the parts of each distinct prompt


class Encoder:
    """Encodes prompts for any checkpoint, keeping what their text encoders gave, the latest `MOST_BYTES` of it."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._known: OrderedDict[tuple, States] = OrderedDict()
        self._bytes = 0

    def forget(self) -> None:
        """Lets go of all that was encoded."""
        self._known.clear()
        self._bytes = 0

    @torch.inference_mode()
    def encode(self, run: Run, batch: Batch, model: Model, hooks: Hooks) -> Conditioning:
        """The conditioning of one batch, in the checkpoint's compute dtype, for every moment of its sampling."""
        hooks.call("prompts_ready", run=run, batch=batch)
        prompts, negative = _texts(run, batch)
        self._networks.use(run, prompts, negative, model)
        _note(run, [*prompts, *negative], model)
        timing = timing_of(run)
        toward = {
            text: [self._encoded(part, run, model) for part in parts(text, timing)] for text in dict.fromkeys(prompts)
        }
        away = {
            text: [self._encoded(part, run, model, negative=True) for part in parts(text, timing, negative=True)]
            for text in dict.fromkeys(negative)
        }
        toward, away = self._padded(_equally_long(toward), _equally_long(away), run, model)
        rows = [toward[text] for text in prompts], [away[text][0] for text in negative]
        turns = list(_turns(*rows, model.weights.device))
        return Conditioning(list(turns[0].conditionals), turns[0].unconditional, tuple(turns[1:]))

    def _encoded(self, part: Part, run: Run, model: Model, *, negative: bool = False) -> _Encoded:
        """The vectors of every text of a part, all equally long: A1111 fills up the shorter ones with empty chunks."""
        request, times = run.request, Counter(span.text for span in part.spans)
        pieced = {text: pieces(text, request.emphasis) for text in times}
        streams = [self._stream(reader, pieced, times, run, model) for reader in model.weights.readers]
        vectors = [model.weights.joined(row) for row in zip(*streams, strict=True)]
        situation = Situation(request.width, request.height, negative, blank=not any(map(str.strip, times)))
        return _Encoded(
            part, dict(zip(times, (model.weights.situated(one, situation) for one in vectors), strict=True))
        )

    def _stream(
        self, reader: Reader, pieced: Mapping[str, Sequence[Piece]], times: Mapping[str, int], run: Run, model: Model
    ) -> list[Vectors]:
        """What one of those who read the prompt makes of each of its texts."""
        request = run.request
        chunked = {text: reader.chunks(found, request.comma_padding_backtrack) for text, found in pieced.items()}
        words = (word for chunks in chunked.values() for one in chunks for _, word in one.words)
        self._networks.note_words(run, words, model)
        longest = max(map(len, chunked.values()))
        texts = []
        for text, chunks in chunked.items():
            filled = [*chunks, *reader.chunks([], 0) * (longest - len(chunks))]
            texts.append(Text(filled, [self._states(reader, one, request, model) for one in filled], times[text]))
        return conditionings(texts, model.weights.dtype, restoring=request.emphasis != EMPHASIS_WITHOUT_NORM)

    def _states(self, reader: Reader, one: Chunk, request: GenerationRequest, model: Model) -> States:
        """What a reader makes of a chunk, from memory if it was asked before."""
        reading = Reading(request.clip_skip, request.sdxl_clip_l_skip)
        key = (model.text_state, reader.name, reading, one.seen)
        if key not in self._known:
            states = reader.states(one, reading)
            self._known[key] = states
            self._bytes += states.nbytes
            while self._bytes > MOST_BYTES and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1].nbytes
        self._known.move_to_end(key)
        return self._known[key]

    def _padded(self, toward: _Prompts, away: _Prompts, run: Run, model: Model) -> tuple[_Prompts, _Prompts]:
        """Prompts and negative prompts made equally long, if the request wants it. Else they are computed apart."""
        request, tokens = run.request, (_tokens(toward), _tokens(away))
        if tokens[0] == tokens[1] or not (request.pad_cond_uncond or request.pad_cond_uncond_v0):
            return toward, away
        if request.pad_cond_uncond_v0:
            run.notes["Pad conds v0"] = True
            return toward, _changed(_changed(away, partial(as_long, tokens=tokens[0])), partial(_cut, tokens=tokens[0]))
        run.notes["Pad conds"] = True
        fill = partial(_filled, nothing=self._nothing(request, model), tokens=max(tokens))
        return _changed(toward, fill), _changed(away, fill)

    def _nothing(self, request: GenerationRequest, model: Model) -> Tensor:
        """The empty prompt as the first of the readers has it, (1, tokens, width): by such a text grows."""
        weights = model.weights
        reader = weights.readers[0]
        (empty,) = reader.chunks([], 0)
        states = self._states(reader, empty, request, model)
        return text_of(conditionings([Text([empty], [states])], weights.dtype)[0])


def _texts(run: Run, batch: Batch) -> tuple[list[str], list[str]]:
    """The batch's prompts and negative prompts without comments."""
    texts = batch.prompts, batch.negative_prompts
    if not run.request.enable_prompt_comments:
        return texts
    return [strip_comments(text) for text in texts[0]], [strip_comments(text) for text in texts[1]]


def _note(run: Run, texts: Sequence[str], model: Model) -> None:
    """Writes down, for the pictures' text, what the request says of the language and has an effect."""
    request = run.request
    if request.emphasis != ORIGINAL_EMPHASIS and emphasises(texts):
        run.notes["Emphasis"] = request.emphasis
    if request.sdxl_clip_l_skip and model.weights.family.id == "sdxl":
        run.notes["Clip skip SDXL"] = True
    if request.use_old_scheduling:
        timing = timing_of(run)
        old, new = ([parts(text, one) for text in texts] for one in (timing, replace(timing, old=False)))
        if old != new:
            run.notes["Old prompt editing timelines"] = True


def _turns(toward: list[list[_Encoded]], away: list[_Encoded], device: torch.device) -> Iterator[Turn]:
    """What to steer by, from each call on at which anything changes."""
    everything = [*(one for row in toward for one in row), *away]
    known: dict[tuple[str, ...], Turn] = {}  # prompts that alternate say the same again and again
    texts: tuple[str, ...] = ()
    for call in sorted({0, *(change for one in everything for change in one.part.changes)}):
        before, texts = texts, tuple(one.part.at(call) for one in everything)
        if texts == before:
            continue
        if texts not in known:
            unconditional = _stacked([one.at(call) for one in away])
            known[texts] = Turn(call, _conditionals(toward, call, device), unconditional)
        yield replace(known[texts], first=call)


def _conditionals(toward: list[list[_Encoded]], call: int, device: torch.device) -> list[Conditional]:
    """One for each part of the prompts. A picture with fewer parts than others has weight 0 in what it lacks."""
    if all(row is toward[0] for row in toward):
        return [Conditional(one.at(call), one.part.weight) for one in toward[0]]
    found = []
    for column in range(max(map(len, toward))):
        ones = [row[column] if column < len(row) else row[0] for row in toward]
        weights = [row[column].part.weight if column < len(row) else 0.0 for row in toward]
        weight = torch.tensor(weights, device=device).view(-1, 1, 1, 1)
        alike = len(set(weights)) == 1
        found.append(Conditional(_stacked([one.at(call) for one in ones]), weights[0] if alike else weight))
    return found


def _stacked(rows: list[Vectors]) -> Vectors:
    """The rows of one kind below each other; one row for all pictures when they are the same."""
    if all(row is rows[0] for row in rows):
        return rows[0]
    if isinstance(rows[0], Mapping):
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    return torch.cat(rows)


def _tokens(prompts: _Prompts) -> int:
    return max(one.tokens for encoded in prompts.values() for one in encoded)


def _changed(prompts: _Prompts, change: Callable[[Vectors], Vectors]) -> _Prompts:
    return {text: [one.changed(change) for one in encoded] for text, encoded in prompts.items()}


def _equally_long(prompts: _Prompts) -> _Prompts:
    """Shorter ones ended by their last vector again and again, as A1111 does for AND and within a batch."""
    return _changed(prompts, partial(as_long, tokens=_tokens(prompts)))


def _filled(conditioning: Vectors, nothing: Tensor, tokens: int) -> Vectors:
    """Filled up to `tokens` with the empty prompt's vectors, zeros behind their numbers where others have more; as it
    is if they do not fill it.
    """
    text = text_of(conditioning)
    nothing = functional.pad(nothing, (0, text.shape[2] - nothing.shape[2]))
    times, rest = divmod(tokens - text.shape[1], nothing.shape[1])
    if rest:
        return conditioning
    return with_text(conditioning, torch.cat([text, *[nothing] * times], dim=1)) if times else conditioning


def _cut(conditioning: Vectors, tokens: int) -> Vectors:
    return with_text(conditioning, text_of(conditioning)[:, :tokens])

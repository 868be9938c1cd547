"""The engine: opens checkpoints and runs jobs. A function of (request, weights, hooks); it reads no settings."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

from ..catalog.beside import read_card, told_beside
from ..catalog.companions import Places
from ..catalog.hashing import HashCache
from ..catalog.scan import ModelFile, find, scan, scan_vaes, vae_for
from ..core.errors import UserError
from ..core.events import Event, LoadingModel, ModelLoaded, PictureDone
from ..core.files import Folders
from ..core.hooks import Hooks
from ..core.model_work import ModelWork
from ..core.pictures import Abilities
from ..core.registry import SAMPLERS
from ..core.request import GenerationRequest
from ..core.stop import StopToken
from ..diffusion.denoiser import ModelSigmas
from ..diffusion.schedules import schedule_names
from ..text.words import NO_WORDS, Vocabulary
from ..weights.precision import Precision, choose_precision
from ..weights.residency import Loader
from ..weights.seamless import let_edges_meet
from ..weights.taesd import TinyDecoders
from ..weights.tensors import identity
from .decode import check_decoder
from .encode import Encoder
from .extras import extras
from .generate import generate
from .inspecting import Inspection
from .making import make_model
from .model import Model, hash_behind
from .networks import Networks
from .options import as_registered, check_options, heeding, whole_schedule
from .parts import left_out, parts
from .round_trip import round_trip
from .run import Inputs, Run, Texts, no_inputs, no_text
from .sample import Previews
from .upscale import Upscalers

log = logging.getLogger("easel.engine")
Emit = Callable[[Event], None]

AUTOMATIC_VAE, OWN_VAE = "Automatic", "None"


class Engine:
    """One device, one checkpoint at a time. Used by one thread, the worker's."""

    def __init__(
        self,
        folders: Folders,
        hooks: Hooks,
        *,
        precision: Precision | None = None,
        preview_every: Callable[[], int] = lambda: 1,
        preview_by: Callable[[], str] = lambda: "",
        checkpoint_memory: Callable[[], float] = lambda: -1.0,
        settings: Callable[[], Mapping[str, Any]] = dict,
        inputs: Inputs = no_inputs,
        texts: Texts = no_text,
    ) -> None:
        """`precision`: default the best here. `preview_every`: steps between previews, 0 for none;
        `preview_by`: "TAESD" for that where its file is there, else a matrix.
        `checkpoint_memory`: gigabytes for checkpoints used lately; below 0: half of what is free.
        `settings` is asked once a job, for extensions: nothing of the engine's own depends on it. `inputs(id)` gives
        the pixels of pictures that people brought, uint8 (height, width, 3 or 4), `texts(id)` their settings text.
        """
        self._folders = folders
        self._hooks = hooks
        self._precision = precision or choose_precision()
        self._previews = Previews(preview_every, preview_by)
        self._settings = settings
        self._inputs, self._texts = inputs, texts
        self._upscalers = Upscalers(folders.models, self._precision)
        self._tiny = TinyDecoders(folders.models / "VAE-approx")
        self._hashes = HashCache(folders.data)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hashing")
        self._loader = Loader(self._precision, lambda: _bytes(checkpoint_memory()), _places(folders))
        self._second: Model | None = None
        self._networks = Networks(folders, self._hashes)
        self._encoder = Encoder(self._networks)
        self._model: Model | None = None
        self._opened_as = ("", "")

    def abilities(self) -> Abilities:
        return Abilities(
            samplers=tuple(SAMPLERS.names()),
            schedules=tuple(schedule_names()),
            default_schedules={entry.name: entry.facts.get("default_schedule", "Uniform") for entry in SAMPLERS},
            applies=heeding(),
            devices=(str(self._precision.device),),
            dtype=str(self._precision.dtype).removeprefix("torch."),
        )

    def levels(self, request: GenerationRequest) -> list[float]:
        """The noise levels of the request's schedule, for the checkpoint that is loaded. From any thread.

        Raises UserError when the schedule's options do not fit.
        """
        entry, model = SAMPLERS.get(request.sampler), self._model
        trained, family = ModelSigmas.scaled_linear(), ""
        if model:
            trained, family = model.scheduled(request).sigmas, model.weights.family.id
        return whole_schedule(request, entry, request.steps, trained, family).tolist()

    def words(self) -> Vocabulary:
        """The embeddings that the open checkpoint knows since it was opened, or its last prompt. From any thread."""
        model = self._model
        return model.weights.taught.vocabulary if model else NO_WORDS

    def load(self, checkpoint: str, vae: str, emit: Emit) -> None:
        """Has a checkpoint ready. `checkpoint` "" takes the first that can be loaded. Raises UserError, and then what
        was loaded stays.
        """
        self._open(checkpoint, vae, emit, job="")

    def generate(self, job: str, request: GenerationRequest, emit: Emit, stop: StopToken) -> None:
        """Makes the request's pictures, each told as `PictureDone`, or its model. Raises Stopped when interrupted."""
        if request.model_work:
            return make_model(job, ModelWork.checked(request.model_work), self._hashes, emit, stop)
        run = Run(job, request, emit, stop, self._settings(), self._inputs, self._texts)
        run.tiny_decoder = self._tiny.decoder
        run.upscaled = partial(self._upscalers.upscaled, check=stop.check)
        run.open_beside = lambda checkpoint: self._open_beside(run, checkpoint).scheduled(run.request)
        run.made = lambda picture: emit(PictureDone(job, picture))
        self._hooks.call("generation_starting", run=run)
        check_options(run.request)
        inspection = Inspection(run, self._hooks)
        run.look_inside = inspection.begin
        self._previews.last = -math.inf  # every job shows its first step

        def work() -> None:
            if run.request.extras:
                for picture in extras(run, self._upscalers, self._hooks, self._previews):
                    emit(PictureDone(job, picture))
                return
            with closing(parts(run)) as each:  # stopped or failed, a script still makes something of what is done
                for _ in each:
                    self._make(run, emit)

        try:
            self._hooks.around("generating", work, run=run)
        finally:
            inspection.end()
            self._hooks.call("generation_finished", run=run)
            self._loader.settle()

    def _make(self, run: Run, emit: Emit) -> None:
        """The pictures of one part of a job. What is wrong with one file of a batch, or one part of a script, costs
        only that.
        """
        run.request = as_registered(run.request)
        try:
            model = self._open(run.request.checkpoint, run.request.vae, emit, run.job).scheduled(run.request)
            check_decoder(run, model)
            let_edges_meet(run.request.tiling, model.weights.unet, model.weights.vae)
            if run.request.vae_round_trip:
                return round_trip(run, model)
            for picture in generate(run, model, self._encoder, self._hooks, self._previews):
                run.latest = picture
                run.made(picture)
        except UserError as error:
            if not (run.part or run.source):
                raise
            left_out(run, run.part or run.source, error)

    def close(self) -> None:
        self._model = self._second = None
        self._upscalers.close()
        self._tiny.close()
        self._loader.close()
        self._pool.shutdown(cancel_futures=True)
        self._hashes.close()

    def _open(self, checkpoint: str, vae: str, emit: Emit, job: str) -> Model:
        """The wanted model: the one in memory if it is that, else loaded from its file."""
        if self._model and self._opened_as == (checkpoint, vae) and _unchanged(self._model):
            return self._model
        file = self._checkpoint(checkpoint)
        vae_file = self._vae(vae, file)
        known = self._model and _identity(self._model.file, self._model.vae) == _identity(file, vae_file)
        if known and _unchanged(self._model):
            self._opened_as = (checkpoint, vae)
            return self._model
        emit(LoadingModel(job, file.name))
        began = time.perf_counter()
        self._model = self._second = None  # the loader owns the weights: only if nobody else has them can it make room
        weights = self._loader.open(file, vae_file.path if vae_file else None)
        self._model = Model(
            weights,
            file,
            vae_file,
            hash_behind(self._pool, self._hashes, file),
            hash_behind(self._pool, self._hashes, vae_file) if vae_file else None,
            _said_of(file),
        )
        self._networks.teach(self._model)
        self._opened_as = (checkpoint, vae)
        seconds = time.perf_counter() - began
        log.info("Loaded %s in %.2f s on %s (%s).", file.label, seconds, weights.device, weights.dtype)
        self._hooks.call("model_loaded", weights=weights)
        recommended = weights.declared.recommended.model_dump(exclude_none=True)
        emit(ModelLoaded(job, file.name, weights.native_size, recommended, seconds))
        return self._model

    def _open_beside(self, run: Run, checkpoint: str) -> Model:
        """Another checkpoint beside the first one: for a second pass, or for the last steps. The latest is kept."""
        file = self._checkpoint(checkpoint)
        vae_file = self._vae(run.request.vae, file)
        for open_one in (self._model, self._second):
            known = open_one and _identity(open_one.file, open_one.vae) == _identity(file, vae_file)
            if open_one and known and _unchanged(open_one):
                let_edges_meet(run.request.tiling, open_one.weights.unet, open_one.weights.vae)
                return open_one
        self._second = None
        run.emit(LoadingModel(run.job, file.name))
        weights = self._loader.open(file, vae_file.path if vae_file else None)
        let_edges_meet(run.request.tiling, weights.unet, weights.vae)
        hashes = [hash_behind(self._pool, self._hashes, one) if one else None for one in (file, vae_file)]
        self._second = Model(weights, file, vae_file, *hashes, _said_of(file))
        return self._second

    def _checkpoint(self, wanted: str) -> ModelFile:
        files = scan(self._folders.checkpoints, self._hashes)
        if wanted:
            file = find(files, wanted)
            if file.problem:
                raise UserError(file.problem)
            return file
        usable = [file for file in files if not file.problem]
        if not usable:
            places = " or ".join(str(folder) for folder in self._folders.checkpoints)
            raise UserError("There is no checkpoint to paint with.", hint=f"Put a .safetensors file into {places}.")
        return usable[0]

    def _vae(self, wanted: str, checkpoint: ModelFile) -> ModelFile | None:
        if wanted == OWN_VAE:
            return None
        files = scan_vaes(self._folders.vaes, self._folders.checkpoints, self._hashes)
        if wanted in ("", AUTOMATIC_VAE):
            return vae_for(checkpoint.path, files)
        file = find(files, wanted)
        if file.problem:
            raise UserError(file.problem)
        return file


def _places(folders: Folders) -> Places:
    """Where text encoders and VAEs lie that checkpoints lack."""
    return Places(
        folders.text_encoders or (folders.models / "text_encoder",), folders.vaes or (folders.models / "VAE",)
    )


def _bytes(gigabytes: float) -> int | None:
    return None if gigabytes < 0 else int(gigabytes * 2**30)


def _identity(file: ModelFile, vae: ModelFile | None) -> tuple:
    return tuple((one.path, one.size, one.mtime_ns) for one in (file, vae) if one)


def _said_of(file: ModelFile) -> str:
    """What is said of a checkpoint beside it, the VAE that its owner prefers too."""
    return told_beside(file.path) + read_card(file.path).vae


def _unchanged(model: Model) -> bool:
    """Whether the files on disk are still those that were loaded, and what is said of them beside is the same."""
    try:
        told = _said_of(model.file)
        if any(identity(path) != was for path, was in model.weights.others.items()):
            return False
        found = tuple(identity(one.path) for one in (model.file, model.vae) if one)
    except (OSError, UserError):
        return False
    return told == model.told and found == tuple((one.size, one.mtime_ns) for one in (model.file, model.vae) if one)

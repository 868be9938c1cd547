"""A small real engine for tests of everything around engines: it paints flat colours, at a pace that tests decide."""

from __future__ import annotations

import functools
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from modules.catalog.hashing import HashCache
from modules.core import infotext
from modules.core.errors import Stopped, UserError
from modules.core.events import Event, Inspected, LoadingModel, ModelLoaded, PictureDone, Preview, Step
from modules.core.files import Folders
from modules.core.hooks import Hooks
from modules.core.model_work import ModelWork
from modules.core.pictures import Abilities, Facts, Picture
from modules.core.request import GenerationRequest
from modules.core.settings import Settings
from modules.core.stop import StopToken
from modules.imaging.png import png
from modules.studio import Studio
from modules.text.words import Vocabulary, Word
from tests.toy import write_toy_checkpoint


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


FAILURES: dict[str, Callable[[], BaseException]] = {
    "boom": lambda: RuntimeError("the device caught fire\nand more lines"),
    "huge": lambda: OutOfMemoryError("CUDA out of memory"),
    "memory": MemoryError,
    "exit": lambda: SystemExit(3),
    "nan": lambda: UserError("The picture came out as NaN.", hint="Use another VAE."),
}


class PaintingEngine:
    """Paints a picture in `steps` steps; prompts that are a word of FAILURES fail at the first step.

    Each step takes `seconds`, and happens only while `may_go` is set.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.may_go = threading.Event()
        self.may_go.set()
        self.stepped = threading.Event()
        self.made: list[str] = []
        self.loaded = ""
        self.closed = False

    def abilities(self) -> Abilities:
        return Abilities(
            ("Euler", "Euler a", "DPM++ 2M"),
            ("Automatic", "Karras"),
            {"Euler": "Uniform"},
            devices=("cpu",),
            dtype="f32",
        )

    def words(self) -> Vocabulary:
        return Vocabulary.of([Word("glow", 5)])

    def load(self, checkpoint: str, vae: str, emit: Callable[[Event], None], job: str = "") -> None:
        if checkpoint == self.loaded:
            return
        emit(LoadingModel(job, checkpoint))
        if "broken" in checkpoint:
            raise UserError(f"{checkpoint} is truncated.", hint="Fetch it again.")
        self.loaded = checkpoint
        emit(ModelLoaded(job, checkpoint, 64, {"steps": 4}, 0.1))

    def generate(self, job: str, request: GenerationRequest, emit: Callable[[Event], None], stop: StopToken) -> None:
        if request.model_work:
            self._make_model(job, request, emit, stop)
            return
        self.load(request.checkpoint, request.vae, emit, job)
        self.made.append(request.prompt)
        for first in range(0, request.pictures, request.batch_size):
            try:
                self._batch(job, request, first, emit, stop)
            except Stopped:
                if stop.interrupted:
                    raise
                stop.next_batch()

    def close(self) -> None:
        self.closed = True

    def _make_model(self, job: str, request: GenerationRequest, emit: Callable, stop: StopToken) -> None:
        """Not painted: the real file is made."""
        from modules.engine.making import make_model

        while not self.may_go.wait(0.01):
            stop.check()
        with tempfile.TemporaryDirectory() as folder:
            hashes = HashCache(Path(folder))
            make_model(job, ModelWork.checked(request.model_work), hashes, emit, stop)
            hashes.close()

    def _batch(self, job: str, request: GenerationRequest, first: int, emit: Callable, stop: StopToken) -> None:
        last = first + request.batch_size - 1
        for step in range(1, request.steps + 1):
            while not self.may_go.wait(0.01):
                stop.check()
            stop.check()
            time.sleep(self.seconds)
            if request.prompt in FAILURES:
                raise FAILURES[request.prompt]()
            emit(Step(job, step, request.steps, first, last, request.pictures))
            emit(Preview(job, b"\xff\xd8 small", 8, 8))
            if stop.watched or (request.inspect and request.inspects(step, request.steps)):
                emit(Inspected(job, first, step, *insides(step, request.steps)))
            self.stepped.set()
        for index in range(first, last + 1):
            emit(PictureDone(job, self._painted(request, index)))

    def _painted(self, request: GenerationRequest, index: int) -> Picture:
        alone = request.for_picture(index)
        pixels = np.full((request.height, request.width, 3), (alone.seed * 37 + 11) % 256, np.uint8)
        facts = Facts(alone.seed, model=self.loaded, model_hash="0123456789")
        return Picture(pixels, index, alone, facts, infotext.write(alone, facts))


def insides(step: int, steps: int) -> tuple[dict, dict[str, bytes]]:
    """What is seen inside a step: numbers, and plain images of an 8 x 8 latent."""
    noise = {"conditional": 1.0, "unconditional": 1.1, "difference": 0.1 * step, "guided": 1.2}
    channels = {name: [{"mean": 0.0, "deviation": 1.0}] * 4 for name in ("noisy", "guess")}
    brightest = {"noisy": 3.0, "guess": 2.0, "difference": 1.0}
    facts = {"steps": steps, "pass": 1, "sigma": 14.6 / step, "timestep": 999 / step, "scale": 7.0, "prompts": 1}
    wide, square = (png(np.full((8, 8 * times, 3), 20 * step, np.uint8), {}) for times in (4, 1))
    parts = ("conditional_noise", "unconditional_noise", "conditional_guess", "unconditional_guess", "difference")
    images = {f"{part}.png": square for part in parts} | {f"{part}_channels.png": wide for part in brightest}
    told = {"noise": noise, "channels": channels, "brightest": brightest, "strongest": 0.3}
    return {**facts, **told}, {**images, "picture.jpg": square}


def folders_in(root: Path, checkpoints: tuple[str, ...] = ("toy",)) -> Folders:
    """An installation with these checkpoints."""
    models = root / "models" / "Stable-diffusion"
    vaes, loras, embeddings = ((root / "models" / name,) for name in ("VAE", "Lora", "embeddings"))
    folders = Folders(
        root, root / "data", root / "models", root / "outputs", (), (models,), vaes, loras=loras, embeddings=embeddings
    )
    for name in checkpoints:
        if not (models / f"{name}.safetensors").exists():
            models.mkdir(parents=True, exist_ok=True)
            (models / f"{name}.safetensors").write_bytes(_toy())
    return folders


@functools.cache
def _toy() -> bytes:
    """The toy's file, made once."""
    with tempfile.TemporaryDirectory() as folder:
        return write_toy_checkpoint(Path(folder) / "toy.safetensors").read_bytes()


def studio_in(root: Path, engine: PaintingEngine, hooks: Hooks | None = None, **settings: object) -> Studio:
    """A studio, not started yet."""
    folders = folders_in(root)
    chosen = Settings(folders.settings, command_line=settings, environment={})
    return Studio(folders, chosen, hooks or Hooks(), lambda: engine)


@contextmanager
def open_studio(root: Path, engine: PaintingEngine | None = None, **options: object):
    """A started studio with its engine ready, closed in the end."""
    engine = engine or PaintingEngine()
    studio = studio_in(root, engine, **options)
    try:
        studio.start()
        until(lambda: studio.engine_state().state == "ready" and studio.engine_state().model)
        yield studio
    finally:
        engine.may_go.set()
        studio.close()


def until(condition: Callable[[], object], seconds: float = 10.0) -> object:
    """The condition's answer once it is true; an AssertionError when that takes too long."""
    ends = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.005)
    return answer


def finished(studio: Studio, job_id: str):
    """The job once it is over."""
    return until(lambda: (job := studio.job(job_id)).over and job)

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.catalog.hashing import HashCache
from modules.core.events import Event, PictureDone
from modules.core.hooks import Hooks
from modules.core.model_work import ModelWork
from modules.core.pictures import Picture
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.engine.engine import Engine
from modules.engine.making import make_model
from modules.jobs.inputs import InputPictures
from tests.conftest import folders_in
from tests.toy import write_toy_checkpoint

SMALL = {"prompt": "a red house", "steps": 3, "width": 64, "height": 64, "seed": 7, "sampler": "Euler a"}


@pytest.fixture(scope="session")
def shared_hooks() -> Hooks:
    return Hooks()


@pytest.fixture
def hooks(shared_hooks: Hooks) -> Iterator[Hooks]:
    """The engine's hooks; what a test registers under the name "listener" goes when it ends."""
    yield shared_hooks
    if shared_hooks.has("listener"):
        shared_hooks.unregister("listener")


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> InputPictures:
    """The pictures that the engine can start from."""
    return InputPictures(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def engine(
    tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path, shared_hooks: Hooks, inputs: InputPictures
) -> Iterator[Engine]:
    """One engine on the toy, for all tests that leave it as they find it."""
    folders = folders_in(tmp_path_factory.mktemp("engine"), toy_checkpoint)
    engine = Engine(folders, shared_hooks, inputs=inputs.pixels)
    yield engine
    engine.close()


@pytest.fixture
def make(engine: Engine) -> Callable[..., list[Picture]]:
    """Makes the pictures of a small request with some fields changed."""

    def make(**changes: Any) -> list[Picture]:
        return pictures(told(engine, **changes))

    return make


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three toys, a.safetensors to c.safetensors."""
    folder = tmp_path_factory.mktemp("shop")
    for seed, name in enumerate("abc"):
        write_toy_checkpoint(folder / f"{name}.safetensors", seed)
    return folder


@pytest.fixture
def made(shop: Path, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Has a file made: `made("merge", "a", second="b")`; names stand for files of the shop."""
    hashes = HashCache(tmp_path / "hashes")

    def make(tool, first, stop=None, emit=None, **values):
        placed = {key: str(shop / f"{values.pop(key)}.safetensors") for key in ("second", "third") if key in values}
        first = first if "/" in str(first) else shop / f"{first}.safetensors"
        work = ModelWork.checked(
            {"tool": tool, "first": str(first), "target": str(tmp_path / "new.safetensors"), "name": "new"}
            | {"ema": "plain" if tool == "merge" else "both"}
            | placed
            | values
        )
        make_model("job", work, hashes, emit or make.events.append, stop or StopToken())
        return tmp_path / "new.safetensors"

    make.events, make.folder = [], tmp_path
    yield make
    hashes.close()


def told(engine: Engine, stop: StopToken | None = None, **changes: Any) -> list[Event]:
    """The events of one job."""
    events: list[Event] = []
    engine.generate("job", GenerationRequest.checked({**SMALL, **changes}), events.append, stop or StopToken())
    return events


def pictures(events: list[Event]) -> list[Picture]:
    return [event.picture for event in events if isinstance(event, PictureDone)]

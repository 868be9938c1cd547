from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modules.core.events import Event, PictureDone
from modules.core.files import Folders
from modules.core.hooks import Hooks
from modules.core.pictures import Picture
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.engine.engine import Engine

SMALL = {"prompt": "a red house", "steps": 3, "width": 64, "height": 64, "seed": 7, "sampler": "Euler a"}


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
def engine(folders: Folders, hooks: Hooks) -> Iterator[Engine]:
    engine = Engine(folders, hooks)
    yield engine
    engine.close()


@pytest.fixture
def make(engine: Engine) -> Callable[..., list[Picture]]:
    """Makes the pictures of a small request with some fields changed."""

    def make(**changes: Any) -> list[Picture]:
        return pictures(told(engine, **changes))

    return make


def told(engine: Engine, stop: StopToken | None = None, **changes: Any) -> list[Event]:
    """The events of one job."""
    events: list[Event] = []
    engine.generate("job", GenerationRequest.checked({**SMALL, **changes}), events.append, stop or StopToken())
    return events


def pictures(events: list[Event]) -> list[Picture]:
    return [event.picture for event in events if isinstance(event, PictureDone)]

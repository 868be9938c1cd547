"""What crosses threads, processes and machines: events, errors, stop tokens."""

from __future__ import annotations

import dataclasses
import pickle
import threading

import numpy as np
import pytest

from modules.core import events
from modules.core.errors import Stopped, UserError
from modules.core.pictures import Abilities, Facts, Picture
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken

PICTURE = Picture(
    np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    0,
    GenerationRequest(seed=3),
    Facts(seed=3, notes={"A": "b"}),
    "text",
)
SAMPLES = {
    "job": "j1",
    "abilities": Abilities(samplers=("Euler",), default_schedules={"Euler": "Uniform"}),
    "recommended": {"steps": 20},
    "jpeg": b"\xff\xd8",
    "picture": PICTURE,
    "model": "m.safetensors",
    "facts": {"sigma": 1.5},
    "images": {"picture.jpg": b"\xff\xd8"},
    "message": "It broke.",
    "hint": "Mend it.",
}
KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]


def sample(kind: type[events.Event]) -> events.Event:
    """An event of this kind, every field with a value of its kind; numbers are 7."""
    values = {field.name: SAMPLES.get(field.name, 7) for field in dataclasses.fields(kind)}
    if kind in (events.PictureSaved, events.Inspected):
        values["picture"] = 7
    return kind(**values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_event_survives_a_journey_to_another_process(kind: type[events.Event]) -> None:
    sent = sample(kind)
    arrived = pickle.loads(pickle.dumps(sent))
    if kind is events.PictureDone:
        assert np.array_equal(arrived.picture.pixels, PICTURE.pixels)
        assert arrived.picture.request == PICTURE.request
        assert arrived.picture.facts == PICTURE.facts
    else:
        assert arrived == sent


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_event_can_be_changed_after_it_was_told(kind: type[events.Event]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample(kind).job = "other"


def test_an_error_keeps_its_message_and_hint_on_the_journey() -> None:
    arrived = pickle.loads(pickle.dumps(UserError("It broke.", hint="Mend it.")))
    assert (arrived.message, arrived.hint, str(arrived)) == ("It broke.", "Mend it.", "It broke. Mend it.")


def test_an_error_without_a_hint_is_just_its_message() -> None:
    assert str(UserError("It broke.")) == "It broke."


def test_a_stop_is_not_a_failure() -> None:
    assert not issubclass(Stopped, UserError)


class TestStopTokens:
    def test_nothing_happens_until_somebody_asks(self) -> None:
        token = StopToken()
        token.check()
        assert not token.interrupted

    def test_an_interrupt_ends_this_batch_and_all_others(self) -> None:
        token = StopToken()
        token.interrupt()
        for _ in range(2):
            with pytest.raises(Stopped):
                token.check()
            token.next_batch()
        assert token.interrupted

    def test_a_skip_ends_this_batch_only(self) -> None:
        token = StopToken()
        token.skip()
        with pytest.raises(Stopped):
            token.check()
        assert not token.interrupted
        token.next_batch()
        token.check()

    def test_another_thread_is_heard(self) -> None:
        token = StopToken()
        thread = threading.Thread(target=token.interrupt)
        thread.start()
        thread.join()
        with pytest.raises(Stopped):
            token.check()

"""What is told of a generation's insides when somebody asks, and that nobody hears anything when nobody does."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from modules.core.errors import Stopped
from modules.core.events import Event, Inspected, Step
from modules.core.hooks import Hooks
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.diffusion import guidance
from modules.engine.engine import Engine
from modules.jobs.inputs import InputPictures

from .conftest import SMALL, pictures, told


def seen(events: list[Event]) -> list[Inspected]:
    return [event for event in events if isinstance(event, Inspected)]


def pixels(image: bytes) -> numpy.ndarray:
    return numpy.array(Image.open(io.BytesIO(image)))


def test_every_step_is_told_with_all_its_images(engine: Engine, hooks: Hooks) -> None:
    events = told(engine, inspect="every step")
    steps = seen(events)
    assert [one.step for one in steps] == [1, 2, 3]
    first = steps[0]
    assert set(first.images) == {
        *("picture.jpg", "difference.png", "noisy_channels.png", "guess_channels.png", "difference_channels.png"),
        *(f"{part}_noise.png" for part in ("conditional", "unconditional")),
        *("conditional_guess.png", "unconditional_guess.png"),
    }
    assert pixels(first.images["picture.jpg"]).shape == (64, 64, 3)
    assert pixels(first.images["difference.png"]).shape == (8, 8, 3)
    assert pixels(first.images["guess_channels.png"]).shape == (8, 4 * 8, 3)
    assert first.facts["steps"] == 3 and first.facts["scale"] == 7 and len(first.facts["channels"]["guess"]) == 4
    # With the prompt's noise and without it, both of a real prediction: their difference is what guidance multiplies.
    assert first.facts["noise"]["difference"] > 0
    assert numpy.array_equal(pictures(events)[0].pixels, pictures(told(engine))[0].pixels)  # looking changes nothing


def test_the_last_step_shows_the_picture_that_comes_out(engine: Engine) -> None:
    events = told(engine, inspect="last", sampler="Euler")
    (last,), (picture,) = seen(events), pictures(events)
    assert last.step == 3
    shown = pixels(last.images["picture.jpg"]).astype(int)
    assert numpy.abs(shown - picture.pixels).mean() < 8  # JPEG's loss on a toy's noisy picture


def test_both_passes_count_on_and_second_calls_of_a_step_are_left_out(engine: Engine) -> None:
    steps = seen(told(engine, inspect="2, 4-5", enable_hr=True, hr_scale=1.5, sampler="Heun"))
    assert [(one.step, one.facts["pass"]) for one in steps] == [(2, 1), (4, 2), (5, 2)]


def test_at_cfg_1_there_is_only_one_prediction(engine: Engine) -> None:
    (last,) = seen(told(engine, inspect="last", cfg_scale=1.0))
    assert "difference" not in last.facts["noise"] and "difference.png" not in last.images


def test_prompts_joined_by_and_are_seen_together(engine: Engine) -> None:
    (both,) = seen(told(engine, inspect="1", prompt="a red house AND a blue sea :0.5"))
    assert both.facts["prompts"] == 2


def test_a_running_job_is_told_from_the_step_on_at_which_somebody_looks(engine: Engine) -> None:
    stop, events = StopToken(), []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, Step) and event.step == 2:
            stop.watch()

    engine.generate("job", GenerationRequest.checked({**SMALL, "steps": 6}), emit, stop)
    assert [one.step for one in seen(events)] == [4, 5, 6]


def test_nobody_listens_when_nobody_looks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_step(*_: object) -> None:
        raise AssertionError("A step was built although nobody listens.")

    monkeypatch.setattr(guidance, "Step", no_step)
    assert seen(told(engine)) == []


def test_a_stopped_job_leaves_no_listener(engine: Engine, hooks: Hooks) -> None:
    stop = StopToken()
    stop.interrupt()
    with pytest.raises(Stopped):
        told(engine, stop, inspect="every step")
    assert not hooks.has("inspect")


def test_a_picture_goes_through_the_vae_and_back(engine: Engine, inputs: InputPictures) -> None:
    ramp = numpy.linspace(0, 255, 67 * 70 * 3).reshape(67, 70, 3).astype(numpy.uint8)
    picture = inputs.add_pixels(ramp)
    events = told(engine, init_image=picture.id, vae_round_trip=True)
    (trip,) = seen(events)
    assert not pictures(events)
    assert numpy.array_equal(pixels(trip.images["original.png"]), ramp[:64, :64])
    back = pixels(trip.images["decoded.png"]).astype(int)
    apart = numpy.abs(back - ramp[:64, :64])
    assert trip.facts["mean"] == pytest.approx(apart.mean())
    assert trip.facts["psnr"] == pytest.approx(10 * numpy.log10(255**2 / (apart.astype(float) ** 2).mean()))
    assert numpy.array_equal(pixels(trip.images["difference.png"]), numpy.minimum(apart * 8, 255))
    assert trip.facts["latents"] == [4, 8, 8]

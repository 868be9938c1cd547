"""The story of a generation, told by the real engine on the toy checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from modules.core import infotext
from modules.core.errors import Stopped
from modules.core.events import PictureDone, Preview, Step
from modules.core.hooks import hook
from modules.core.registry import SAMPLERS
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken

from .conftest import SMALL, pictures, told


def test_a_request_makes_the_pictures_it_asks_for(make):
    made = make(batch_size=2, batch_count=2, width=72, height=64)
    assert [picture.index for picture in made] == [0, 1, 2, 3]
    assert [picture.facts.seed for picture in made] == [7, 8, 9, 10]
    assert all(picture.pixels.shape == (64, 72, 3) and picture.pixels.dtype == np.uint8 for picture in made)
    assert all(picture.pixels.std() > 1 for picture in made)


def test_the_same_request_makes_the_same_pixels(make):
    first, second = make(), make()
    assert np.array_equal(first[0].pixels, second[0].pixels)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE", "Heun"])
def test_a_batch_of_four_equals_four_singles(make, sampler):
    batch = make(batch_size=4, sampler=sampler)
    singles = [make(seed=7 + i, sampler=sampler)[0] for i in range(4)]
    for together, alone in zip(batch, singles, strict=True):
        difference = np.abs(together.pixels.astype(int) - alone.pixels)
        assert difference.max() <= 1, "only rounding inside a bigger matrix product may differ"
        assert together.infotext == alone.infotext


@pytest.mark.parametrize(
    "changes", [{}, {"negative_prompt": "moon, (sun:1.3)"}, {"clip_skip": 2, "noise_source": "CPU"}]
)
def test_a_pictures_text_makes_the_same_pixels_again(make, changes):
    picture = make(prompt='a "red" house, [old:1.2]', batch_size=2, **changes)[1]
    pasted = infotext.read(picture.infotext)
    again = make(**pasted.values)[0]
    assert not pasted.unknown
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() <= 1
    assert again.infotext == picture.infotext


def test_the_text_names_the_model_by_name_and_hash(make, toy_checkpoint):
    import hashlib

    digest = hashlib.sha256(toy_checkpoint.read_bytes()).hexdigest()[:10]
    assert f"Model hash: {digest}, Model: toy, RNG: NV" in make()[0].infotext


def test_prompt_and_settings_change_the_picture(make):
    plain = make()[0].pixels
    for changes in (
        {"prompt": "a blue boat"},
        {"negative_prompt": "boat"},
        {"seed": 8},
        {"cfg_scale": 2},
        {"steps": 4},
        {"sampler": "Euler"},
        {"schedule": "Karras"},
        {"clip_skip": 2},
        {"noise_source": "CPU"},
        {"prompt": "a (red:1.5) house"},
    ):
        assert not np.array_equal(make(**changes)[0].pixels, plain), changes


def test_a_prompt_is_encoded_once_per_job_and_remembered_for_the_next(engine):
    calls = []
    told(engine)
    engine._model.weights.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    told(engine, prompt="something new", batch_count=3)
    assert len(calls) == 1, "the empty negative prompt is known, the new prompt is encoded once"
    told(engine, prompt="something new", seed=99)
    assert len(calls) == 1


def test_at_cfg_1_the_network_sees_one_row_a_picture(engine):
    rows = []
    told(engine)
    engine._model.weights.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    told(engine, cfg_scale=1)
    assert rows == [1, 1, 1]
    rows.clear()
    told(engine, cfg_scale=7)
    assert rows == [2, 2, 2]


def test_long_prompts_use_all_their_chunks(make):
    long = ", ".join(["a red house on a green hill"] * 30)
    assert not np.array_equal(make(prompt=long)[0].pixels, make(prompt=long + ", moon")[0].pixels)


@pytest.mark.parametrize(
    "prompt", ["", "((((", "🦊" * 50, "שלום עולם", "<b>bold</b>", "(a:1e999)", "BREAK BREAK", "a\tb\nc"]
)
def test_any_text_makes_a_picture(make, prompt):
    assert make(prompt=prompt)[0].request.prompt == prompt


def test_progress_counts_steps_and_pictures(engine):
    steps = [event for event in told(engine, batch_count=2) if isinstance(event, Step)]
    assert [(event.step, event.steps, event.first, event.pictures) for event in steps] == [
        (1, 3, 0, 2),
        (2, 3, 0, 2),
        (3, 3, 0, 2),
        (1, 3, 1, 2),
        (2, 3, 1, 2),
        (3, 3, 1, 2),
    ]


def test_a_preview_is_a_jpeg_of_the_pictures_shape(engine):
    import io

    from PIL import Image

    preview = next(event for event in told(engine, width=128) if isinstance(event, Preview))
    image = Image.open(io.BytesIO(preview.jpeg))
    assert image.format == "JPEG" and image.width == 2 * image.height
    assert (preview.width, preview.height) == (128, 64)


def test_previews_can_be_switched_off(folders, hooks):
    from modules.engine.engine import Engine

    engine = Engine(folders, hooks, preview_every=lambda: 0)
    assert not [event for event in told(engine) if isinstance(event, Preview)]
    engine.close()


class StopsAt:
    """Stops at a given step of the job, as a click on a button would."""

    def __init__(self, step: int, act) -> None:
        self.left, self.act = step, act

    @hook
    def guided(self, step):
        self.left -= 1
        if self.left == 0:
            self.act()


def test_interrupt_keeps_what_is_done(engine, hooks):
    stop, events = StopToken(), []
    hooks.register(StopsAt(5, stop.interrupt), "listener")
    with pytest.raises(Stopped):
        engine.generate("job", GenerationRequest.checked({**SMALL, "batch_count": 3}), events.append, stop)
    assert len(pictures(events)) == 1


def test_skip_leaves_one_batch_out_and_goes_on(engine, hooks):
    stop = StopToken()
    hooks.register(StopsAt(5, stop.skip), "listener")
    made = pictures(told(engine, stop, batch_count=3))
    assert [picture.index for picture in made] == [0, 2]


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_every_sampler_makes_a_picture(make, name):
    picture = make(sampler=name, steps=4)[0]
    assert picture.pixels.std() > 1
    assert f"Sampler: {name}" in picture.infotext


def test_moments_come_in_order_and_can_change_what_they_are_given(engine, hooks):
    seen = []

    class Listener:
        @hook
        def generation_starting(self, run):
            seen.append("generation_starting")
            run.change(cfg_scale=3)
            run.notes["Note"] = "a, b"

        @hook
        def generating(self, run, proceed):
            seen.append("generating")
            proceed()

        @hook
        def batch_starting(self, run, batch):
            seen.append("batch_starting")
            batch.prompts[0] = "changed"

        @hook
        def prompts_ready(self, run, batch):
            seen.append("prompts_ready")

        @hook
        def sampling_starting(self, sampling):
            seen.append("sampling_starting")

        @hook
        def guiding(self, step):
            seen.append("guiding")

        @hook
        def predicted(self, step):
            seen.append("predicted")

        @hook
        def guided(self, step):
            seen.append("guided")

        @hook
        def sampled(self, latents):
            seen.append("sampled")
            return latents * 0.5

        @hook
        def decoded(self, images):
            seen.append("decoded")
            return images * 0 + 0.5

        @hook
        def picture_ready(self, draft):
            seen.append("picture_ready")
            draft.notes["More"] = 1

        @hook
        def generation_finished(self, run):
            seen.append("generation_finished")

    hooks.register(Listener(), "listener")
    picture = pictures(told(engine, steps=1))[0]
    assert seen == [
        "generation_starting", "generating", "batch_starting", "prompts_ready", "sampling_starting", "guiding",
        "predicted", "guided", "sampled", "decoded", "picture_ready", "generation_finished",
    ]  # fmt: skip
    assert (picture.pixels == 128).all()
    assert picture.infotext.startswith("changed\nSteps: 1, ")
    assert "CFG scale: 3, " in picture.infotext and 'Note: "a, b", More: 1' in picture.infotext


def test_a_failing_listener_is_named_and_the_picture_is_made(engine, hooks):
    class Broken:
        @hook
        def guided(self, step):
            raise RuntimeError("broken on purpose")

    hooks.register(Broken(), "listener")
    assert len(pictures(told(engine))) == 1
    assert hooks.problems[-1].message == "RuntimeError: broken on purpose"
    assert (hooks.problems[-1].extension, hooks.problems[-1].moment) == ("listener", "guided")


def test_pictures_are_told_as_soon_as_they_are_made(engine):
    kinds = [type(event) for event in told(engine, batch_count=2)]
    assert kinds.index(PictureDone) < len(kinds) - 1 - kinds[::-1].index(Step)

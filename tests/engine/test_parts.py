"""Jobs in several parts: loopback, and batches of files."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from modules.core.errors import Stopped, UserError
from modules.core.events import Noticed, Step
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.engine.parts import strength_of
from modules.imaging.save import encode
from tests.engine.conftest import SMALL, pictures, told

PIXELS = numpy.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)


@pytest.fixture(scope="session")
def picture(inputs) -> str:
    return inputs.add_pixels(PIXELS).id


def entry(picture, key: str) -> str:
    return picture.infotext.split(f"{key}: ")[1].split(",")[0]


class TestLoopback:
    def test_each_loop_starts_from_the_result_of_the_last(self, engine, inputs, picture):
        given = {"final_denoising_strength": 0.25, "loopback": 3}
        made = pictures(told(engine, init_image=picture, **given))
        again = PIXELS
        for loop, (strength, one) in enumerate(zip((0.75, 0.5, 0.25), made, strict=True)):
            given = {"seed": 7 + loop, "denoising_strength": strength}
            alone = pictures(told(engine, init_image=inputs.add_pixels(again).id, **given))[0]
            assert numpy.array_equal(one.pixels, alone.pixels)
            assert entry(one, "Init image hash") == entry(alone, "Init image hash")
            assert float(entry(one, "Denoising strength")) == strength
            again = one.pixels
        assert [one.index for one in made] == [0, 1, 2]
        assert "Final denoising strength: 0.25, Denoising curve: Linear" in made[0].infotext

    def test_several_chains_begin_anew_and_count_on(self, engine, picture):
        events = told(engine, init_image=picture, loopback=2, batch_count=2)
        made = pictures(events)
        assert [(one.index, one.facts.seed) for one in made] == [(0, 7), (1, 8), (2, 9), (3, 10)]
        assert entry(made[0], "Init image hash") == entry(made[2], "Init image hash")
        assert {(step.first, step.pictures) for step in events if isinstance(step, Step)} == {
            (index, 4) for index in range(4)
        }

    @pytest.mark.parametrize(("curve", "middle"), [("Linear", 0.5), ("Aggressive", 0.5858), ("Lazy", 0.4142)])
    def test_the_strength_follows_its_curve(self, curve, middle):
        request = GenerationRequest(denoising_strength=0, final_denoising_strength=1, denoising_curve=curve, loopback=3)
        strengths = [strength_of(request, loop) for loop in range(3)]
        if curve != "Linear":
            middle = {"Aggressive": 2**-0.5, "Lazy": 1 - 2**-0.5}[curve]
        assert strengths == pytest.approx([0, middle, 1])

    def test_under_a_mask_the_rest_stays_through_all_loops(self, engine, inputs, picture):
        mask = numpy.zeros((64, 64, 3), numpy.uint8)
        mask[20:40, 20:40] = 255
        given = {"mask": inputs.add_pixels(mask).id, "mask_blur": 0, "loopback": 3, "steps": 2}
        for area in ("Whole picture", "Only masked"):
            made = pictures(told(engine, init_image=picture, inpaint_area=area, **given))
            kept = mask[..., 0] == 0
            assert numpy.array_equal(made[-1].pixels[kept], PIXELS[kept])
            assert not numpy.array_equal(made[0].pixels, made[2].pixels)

    def test_outpainting_in_loops_extends_only_once(self, engine, picture):
        made = pictures(told(engine, init_image=picture, outpaint_left=64, width=128, mask_blur=0, loopback=2))
        assert [one.pixels.shape for one in made] == [(64, 128, 3)] * 2
        assert numpy.array_equal(made[1].pixels[:, 64:], PIXELS)

    def test_interrupting_keeps_the_loops_that_are_done(self, engine, picture):
        stop, events = StopToken(), []

        def emit(event):
            events.append(event)
            if len(pictures(events)) == 2:
                stop.interrupt()

        request = GenerationRequest.checked({**SMALL, "init_image": picture, "loopback": 5})
        with pytest.raises(Stopped):
            engine.generate("job", request, emit, stop)
        assert len(pictures(events)) == 2


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for number, name in enumerate(("one.png", "two.jpg", "three.webp")):
            text = (
                f"a house\nNegative prompt: fog\nSteps: {number + 1}, Sampler: Euler Karras, Seed: {number}, Size: 8x8"
            )
            (tmp_path / name).write_bytes(encode(PIXELS[: 32 + number], name[-4:].strip("."), text)[0])
        return tmp_path

    def files(self, folder: Path, *names: str) -> str:
        return "\n".join(str(folder / name) for name in names)

    def test_each_file_is_painted_in_turn(self, engine, inputs, folder):
        events = told(engine, batch_files=self.files(folder, "one.png", "two.jpg", "three.webp"), batch_count=2)
        made = pictures(events)
        assert [one.index for one in made] == list(range(6))
        assert [one.source for one in made] == ["one", "one", "two", "two", "three", "three"]
        assert [one.facts.seed for one in made] == [7, 8] * 3
        assert {event.pictures for event in events if isinstance(event, Step)} == {6}
        alone = pictures(told(engine, init_image=inputs.add_pixels(PIXELS[:32]).id))[0]
        assert numpy.array_equal(made[0].pixels, alone.pixels)
        assert entry(made[0], "Init image hash") == entry(alone, "Init image hash")

    def test_masks_are_found_by_the_names_of_their_files_and_a_single_one_is_for_all(self, engine, folder):
        masks = folder / "masks"
        masks.mkdir()
        for name, side in (("one", slice(0, 16)), ("three", slice(48, 64))):
            levels = numpy.zeros((34 if name == "three" else 32, 64, 3), numpy.uint8)
            levels[:, side] = 255
            (masks / f"{name}.png").write_bytes(encode(levels, "png")[0])
        given = {"batch_files": self.files(folder, "one.png", "two.jpg", "three.webp"), "mask_blur": 0, "steps": 1}
        given |= {"inpaint_area": "Only masked", "inpaint_full_res_padding": 0}
        events = told(engine, batch_masks=self.files(masks, "one.png", "three.png"), **given)
        first, last = pictures(events)
        assert (first.source, last.source) == ("one", "three")
        assert (first.pixels[:, 16:] == PIXELS[:32, 16:]).all() and (first.pixels[:, :16] != PIXELS[:32, :16]).any()
        assert [event.message[:19] for event in events if isinstance(event, Noticed)] == ["two.jpg is left out"]
        for_all = told(engine, batch_masks=self.files(masks, "one.png"), **given)
        assert [one.source for one in pictures(for_all)] == ["one"]
        assert "The mask has 64 x 32 pixels, but the picture 64 x 33" in str(for_all)

    def test_kept_pictures_can_be_listed_too(self, engine, picture, folder):
        made = pictures(told(engine, batch_files=f"{picture}\n{folder / 'one.png'}"))
        assert [one.source for one in made] == [picture, "one"]

    def test_a_file_that_cannot_be_read_is_left_out_and_said_so(self, engine, folder):
        (folder / "bad.png").write_bytes(b"<svg/>")
        (folder / "short.png").write_bytes((folder / "one.png").read_bytes()[:60])
        events = told(engine, batch_files=self.files(folder, "bad.png", "one.png", "gone.png", "short.png"))
        assert [one.source for one in pictures(events)] == ["one"]
        told_of = [event.message for event in events if isinstance(event, Noticed)]
        assert [message.split(" ")[0] for message in told_of] == ["bad.png", "gone.png", "short.png"]
        assert all("is left out." in message for message in told_of)

    def test_what_is_asked_for_is_taken_from_each_files_text(self, engine, folder):
        files = self.files(folder, "one.png", "two.jpg")
        wanted = "Prompt, negative prompt, Steps,seed, Sampler"
        made = pictures(told(engine, batch_files=files, batch_png_info=wanted, negative_prompt="night"))
        assert [entry(one, "Steps") for one in made] == ["1", "2"]
        assert [one.facts.seed for one in made] == [0, 1]
        assert made[1].infotext.startswith("a red house a house\nNegative prompt: night fog\n")
        assert "Sampler: Euler, Schedule type: Karras" in made[1].infotext
        assert pictures(told(engine, batch_files=files))[1].infotext.startswith(
            "a red house\nSteps: 3, Sampler: Euler a"
        )

    def test_a_model_that_is_not_here_costs_only_its_file(self, engine, folder):
        text = "x\nSteps: 2, Seed: 1, Model hash: 0000000000, Model: nowhere"
        (folder / "other.png").write_bytes(encode(PIXELS, "png", text)[0])
        events = told(engine, batch_files=self.files(folder, "other.png", "one.png"), batch_png_info="Model hash")
        assert [one.source for one in pictures(events)] == ["one"]
        assert any("other is left out." in event.message for event in events if isinstance(event, Noticed))

    def test_sizes_follow_each_file(self, engine, folder):
        (folder / "wide.png").write_bytes(encode(PIXELS.repeat(2, axis=1), "png")[0])
        made = pictures(told(engine, batch_files=self.files(folder, "one.png", "wide.png"), resize_scale=1, steps=1))
        assert [one.pixels.shape for one in made] == [(64, 64, 3), (64, 128, 3)]

    def test_loops_and_files_multiply(self, engine, folder):
        made = pictures(told(engine, batch_files=self.files(folder, "one.png", "two.jpg"), loopback=2, steps=1))
        assert [(one.index, one.source) for one in made] == [(0, "one"), (1, "one"), (2, "two"), (3, "two")]


def test_a_sampler_that_nobody_knows_still_fails_a_plain_job(engine, picture):
    with pytest.raises(UserError, match="There is no sampler called"):
        told(engine, init_image=picture, sampler="Nobody")

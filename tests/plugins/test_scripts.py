"""The scripts that ship with the program, through the real studio, queue and engine on the toy."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from modules.core import infotext
from modules.core.errors import UserError
from modules.core.hooks import Hooks, hook
from modules.core.settings import Settings
from modules.engine.engine import Engine
from modules.imaging.labels import Words, fitted, labelled_grid
from modules.imaging.metadata import read_parameters
from modules.jobs.history import PictureRecord
from modules.jobs.inputs import InputPictures
from modules.jobs.queue import Job
from modules.plugins.discover import discover
from modules.plugins.load import load_all
from modules.studio import Studio
from tests.conftest import folders_in
from tests.declarations import declarations_taken_back

PLOT, MATRIX, LIST = "X/Y/Z plot", "Prompt matrix", "Prompts from file or textbox"
BASE = {"prompt": "a red house", "steps": 2, "seed": 5, "sampler": "Euler", "width": 64, "height": 64}


class Bench:
    """A studio with the built-in extensions, and how its jobs end."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        folders = folders_in(folder, checkpoint)
        self.hooks, settings = Hooks(), Settings(folders.settings, environment={})
        load_all(discover([]), self.hooks)
        pictures = InputPictures(folders.inputs)

        def open_engine() -> Engine:
            return Engine(folders, self.hooks, settings=settings.all, inputs=pictures.pixels)

        self.studio = Studio(folders, settings, self.hooks, open_engine)
        self.studio.start("")

    def plotted(self, **fields: Any) -> dict[str, Any]:
        """The plot's arguments as they are queued."""
        return self.studio.filled({**BASE, "scripts": {PLOT: fields}}).scripts[PLOT]

    def made(self, script: str, fields: dict[str, Any], **changes: Any) -> tuple[Job, list[PictureRecord]]:
        return self.ended(self.studio.submit({**BASE, **changes, "scripts": {script: fields}}))

    def ended(self, job: Job) -> tuple[Job, list[PictureRecord]]:
        deadline = time.monotonic() + 120
        while not (job := self.studio.job(job.id)).over:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return job, self.studio.pictures_of(job)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path) -> Iterator[Bench]:
    with declarations_taken_back():
        bench = Bench(tmp_path_factory.mktemp("scripts"), toy_checkpoint)
        yield bench
        bench.studio.close()


@pytest.fixture(autouse=True)
def clean_declarations() -> None:
    """The built-in extensions are for all tests of this file."""


def test_a_plot_paints_every_cell_with_its_own_settings_and_a_grid_that_says_which(bench: Bench) -> None:
    fields = {"x_type": "CFG Scale", "x_values": "1-7 (+3)", "y_type": "sampler", "y_values": "euler a, Heun"}
    job, pictures = bench.made(PLOT, fields)
    assert (job.state, job.request.results) == ("finished", 7)
    texts = [infotext.split(picture.infotext)[2] for picture in pictures]
    assert [(text["Sampler"], text["CFG scale"]) for text in texts[:6]] == [
        (sampler, scale) for sampler in ("Euler a", "Heun") for scale in ("1", "4", "7")
    ]
    assert "Script" not in texts[0]
    grid = texts[6]
    assert (grid["Script"], grid["X Type"], grid["X Values"]) == (PLOT, "CFG Scale", "1,4,7")
    assert (grid["Y Type"], grid["Y Values"]) == ("Sampler", "Euler a,Heun")
    assert pictures[6].path.parent.parent.name == "txt2img-grids"
    assert pictures[6].width > 3 * 64
    assert bench.studio.paste(pictures[6].infotext).values["scripts"][PLOT]["y_values"] == "Euler a,Heun"


def test_cells_of_the_grid_are_the_pictures_themselves(bench: Bench) -> None:
    fields = {"x_type": "Seed", "x_values": "1,2", "draw_legend": False, "margin_size": 4}
    _, pictures = bench.made(PLOT, fields)
    first, second, grid = (numpy.asarray(Image.open(picture.path)) for picture in pictures)
    assert grid.shape == (64, 132, 3)
    assert (grid[:, :64] == first).all()
    assert (grid[:, 68:] == second).all()


def test_seeds_of_minus_one_are_drawn_once(bench: Bench) -> None:
    arguments = bench.plotted(x_type="Seed", x_values="-1,-1,7")
    first, second, third = arguments["x_values"].split(",")
    assert third == "7"
    assert first != second
    again = bench.plotted(**{name: arguments[name] for name in ("x_type", "x_values")})
    assert again["x_values"] == arguments["x_values"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"x_type": "Nothing"}, "Nothing is to be plotted"),
        ({"x_type": "Colour", "x_values": "1"}, "no axis called 'Colour'"),
        ({"x_type": "CFG Scale", "x_values": ""}, "CFG Scale has no values"),
        ({"x_type": "CFG Scale", "x_values": "7, many"}, "'many'"),
        ({"x_type": "Steps", "x_values": "0,5"}, "must be at least 1"),
        ({"x_type": "Steps", "x_values": "1-9 (-1)"}, "never gets from 1 to 9"),
        ({"x_type": "Checkpoint name", "x_values": "toy, nowhere"}, "nowhere"),
        ({"x_type": "Prompt S/R", "x_values": "green, blue"}, "'green' stands in neither prompt"),
        ({"x_type": "Size", "x_values": "64"}, "no width x height"),
        ({"x_type": "Steps", "x_values": "1", "y_type": "Steps", "y_values": "2"}, "Two axes are Steps"),
        (
            {"x_type": "Seed", "x_values": "1-99", "y_type": "Size", "y_values": "1024x1024, 2048x1024"},
            "million pixels",
        ),
        ({"x_typ": "Seed"}, "no field called 'x_typ'"),
    ],
)
def test_bad_values_are_answered_with_a_sentence_before_anything_is_painted(
    bench: Bench, fields: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        bench.plotted(**fields)
    assert said in str(refused.value)


def test_search_and_replace_and_word_order_change_the_prompt(bench: Bench) -> None:
    fields = {"x_type": "Prompt S/R", "x_values": "red, blue, ", "y_type": "Prompt order", "y_values": "a,house"}
    _, pictures = bench.made(PLOT, fields, steps=1)
    assert [picture.prompt for picture in pictures[:6]] == [
        "a red house", "a blue house", "a  house", "house red a", "house blue a", "house  a",
    ]  # fmt: skip


def test_a_stopped_plot_gives_a_grid_of_what_is_there_and_goes_on_where_it_ended(bench: Bench) -> None:
    seen: list[int] = []

    class Extension:
        @staticmethod
        @hook
        def picture_ready(run: Any, draft: Any) -> None:
            seen.append(draft.index)
            if len(seen) == 2:
                bench.studio.stop()

    bench.hooks.register(Extension(), "stopper")
    try:
        job, pictures = bench.made(PLOT, {"x_type": "Seed", "x_values": "1-4"})
    finally:
        bench.hooks.unregister("stopper")
    assert job.state == "stopped"
    assert [picture.index for picture in pictures] == [0, 1, 4]
    again, more = bench.ended(bench.studio.resubmit(job.id))
    assert (again.state, again.request.results) == ("finished", 3)
    assert [picture.index for picture in more] == [2, 3, 4]
    whole = numpy.asarray(Image.open(more[-1].path))
    lone = [numpy.asarray(Image.open(picture.path)) for picture in (*pictures[:2], *more[:2])]
    left = whole.shape[1] - 4 * 64
    for number, cell in enumerate(lone):
        assert (whole[-64:, left + number * 64 : left + number * 64 + 64] == cell).all()


def test_what_is_wrong_with_one_cell_costs_that_cell_alone(bench: Bench) -> None:
    job, pictures = bench.made(
        PLOT, {"x_type": "Sampler", "x_values": "Euler, DPM++ 2M"}, sampler_options="s_churn=0.1"
    )
    assert job.state == "finished"
    assert [picture.index for picture in pictures] == [0, 2]


def test_a_matrix_combines_the_parts_of_the_prompt(bench: Bench) -> None:
    job, pictures = bench.made(MATRIX, {}, prompt="a house|at night|in snow", steps=1)
    assert [picture.prompt for picture in pictures[:4]] == [
        "a house", "a house, at night", "a house, in snow", "a house, at night, in snow",
    ]  # fmt: skip
    assert len(pictures) == job.request.results == 5
    with pytest.raises(UserError, match="no parts to combine"):
        bench.studio.filled({**BASE, "scripts": {MATRIX: {}}})


def test_a_list_of_prompts_is_painted_line_by_line(bench: Bench) -> None:
    text = 'a cat\n\n--prompt "a \\(small\\) dog" --steps 1 --sampler_name heun --batch_size 2 --seed 9'
    _, pictures = bench.made(LIST, {"prompt_txt": text}, prompt="", steps=2)
    assert [(one.prompt, one.seed) for one in pictures] == [
        ("a cat", 5), ("a \\(small\\) dog", 9), ("a \\(small\\) dog", 10),
    ]  # fmt: skip
    assert "Steps: 1, Sampler: Heun" in (read_parameters(pictures[1].path.read_bytes()) or "")
    for line, said in (
        ("--stepz 3", "Line 1: '--stepz'"),
        ("a\n--steps many", "Line 2"),
        ('--prompt "a', "never closed"),
    ):
        with pytest.raises(UserError) as refused:
            bench.studio.filled({**BASE, "scripts": {LIST: {"prompt_txt": line}}})
        assert said in str(refused.value)


def test_labels_are_wrapped_and_fitted() -> None:
    label = fitted("a very long prompt about a lighthouse in a storm at night with many waves", 128, 200, 24)
    assert len(label.lines) >= 2
    assert label.width <= 128
    assert label.height <= 200
    endless = fitted("x" * 5000, 64, 40, 24)
    assert endless.width <= 64
    assert endless.lines[-1][0].endswith("...")


def test_a_missing_cell_is_left_empty_and_a_struck_label_is_faint() -> None:
    picture = numpy.zeros((64, 64, 3), numpy.uint8)
    plain = labelled_grid([picture, None], ["", ""], [""])
    assert plain.shape == (64, 128, 3)
    assert (plain[:, 64:] == 232).all()
    named = labelled_grid([picture], [[Words("at night", active=False)]], ["CFG Scale: 7"])
    top, left = named.shape[0] - 64, named.shape[1] - 64
    assert top > 8
    assert left > 40
    assert math.isclose(named[:top].min(), 165, abs_tol=3)


def test_values_are_read_as_a1111_reads_them(bench: Bench) -> None:
    read = {
        "1-5": "1,2,3,4,5",
        "1-5 (+2)": "1,3,5",
        "10-4 (-3)": "10,7,4",
        "1-10 [4]": "1,4,7,10",
        "3, 1-2,": "3,1,2",
    }
    for text, values in read.items():
        assert bench.plotted(x_type="Steps", x_values=text)["x_values"] == values
    assert bench.plotted(x_type="CFG Scale", x_values="0-1 (+0.25)")["x_values"] == "0,0.25,0.5,0.75,1"
    assert bench.plotted(x_type="CFG Scale", x_values="1-2 [3]")["x_values"] == "1,1.5,2"


def test_an_option_of_one_sampler_is_an_axis_under_a1111s_name(bench: Bench) -> None:
    fields = {"x_type": "UniPC Order", "x_values": "1-2"}
    _, pictures = bench.made(PLOT, fields, sampler="UniPC", steps=4)
    texts = [infotext.split(picture.infotext)[2] for picture in pictures]
    assert [text["Sampler options"] for text in texts[:2]] == ["order=1", "order=2"]
    first, second = (numpy.asarray(Image.open(picture.path)) for picture in pictures[:2])
    assert (first != second).any()
    with pytest.raises(UserError, match="must be 1, 2 or 3"):
        bench.plotted(x_type="UniPC Order", x_values="7")

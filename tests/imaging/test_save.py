"""Saving: whole or not at all, numbered, never over another file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.metadata import read_parameters
from modules.imaging.save import save_picture

TEXT = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x48"


def pixels(seed: int = 0, height: int = 48, width: int = 64, channels: int = 3) -> numpy.ndarray:
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=numpy.uint8)


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=60)


def test_pictures_are_numbered_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "txt2img-images" / "2026-11-21"
    names = [save_picture(pixels(seed), folder, str(seed), TEXT).name for seed in (7, 8)]
    assert names == ["00000-7.png", "00001-8.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert save_picture(pixels(), folder, "").name == "00002.png"


def test_a_png_gives_back_its_pixels_and_its_text(tmp_path: Path) -> None:
    for channels in (3, 4):
        made = pixels(channels=channels)
        path = save_picture(made, tmp_path, "1", TEXT)
        with Image.open(path) as image:
            assert numpy.array_equal(numpy.asarray(image), made)
        assert read_parameters(path) == TEXT


@pytest.mark.parametrize(("format", "apart"), [("jpg", 12), ("jpeg", 12), ("webp", 12), ("avif", 12), ("gif", 40)])
def test_every_format_gives_back_the_picture_and_its_text(tmp_path: Path, format: str, apart: int) -> None:
    ramp = numpy.linspace(0, 255, 64).astype(numpy.uint8)
    made = numpy.stack([numpy.tile(ramp, (48, 1))] * 3, axis=-1)
    path = save_picture(made, tmp_path, "1", TEXT, format=format, quality=90)
    assert path.name == f"00000-1.{format}"
    with Image.open(path) as image:
        found = numpy.asarray(image.convert("RGB")).astype(int)
    assert numpy.abs(found - made).max() <= apart
    assert read_parameters(path) == TEXT


def test_a_transparent_picture_loses_its_transparency_only_as_jpeg(tmp_path: Path) -> None:
    with Image.open(save_picture(pixels(channels=4), tmp_path, "1", format="jpg")) as image:
        assert image.mode == "RGB"
    with Image.open(save_picture(pixels(channels=4), tmp_path, "1", format="webp")) as image:
        assert image.mode == "RGBA"


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "00000-1.png").write_text("mine")
    assert save_picture(pixels(), tmp_path, "1").name == "00001-1.png"
    (tmp_path / "photo.png").write_text("mine too")
    names = [save_picture(pixels(), tmp_path, "photo", numbered=False).name for _ in range(2)]
    assert names == ["photo-2.png", "photo-3.png"]
    assert (tmp_path / "00000-1.png").read_text() == "mine"
    assert (tmp_path / "photo.png").read_text() == "mine too"


def test_threads_saving_at_once_get_a_file_and_a_number_each(tmp_path: Path) -> None:
    def save(seed: int) -> None:
        gate.wait()
        for _ in range(6):
            paths.append(save_picture(pixels(seed), tmp_path, str(seed)))

    gate, paths = threading.Barrier(4), []
    threads = [threading.Thread(target=save, args=(seed,)) for seed in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(paths) == 24
    assert sorted(path.name[:5] for path in paths) == [f"{number:05}" for number in range(24)]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}


def test_processes_saving_the_same_name_at_once_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, numpy, pathlib; from modules.imaging.save import save_picture\n"
        "for _ in range(8): save_picture(numpy.zeros((8, 8, 3), numpy.uint8), pathlib.Path(sys.argv[1]), '5')"
    )
    both = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{number:05}-5.png" for number in range(16)]


def test_a_process_killed_while_writing_leaves_no_half_picture(tmp_path: Path) -> None:
    script = (
        "import os, sys, signal, numpy, pathlib\n"
        "from modules.imaging.save import save_picture\n"
        "sys.addaudithook(lambda event, args: os.kill(os.getpid(), 9) if event == 'os.link' else None)\n"
        "save_picture(numpy.zeros((64, 64, 3), numpy.uint8), pathlib.Path(sys.argv[1]), '1')"
    )
    assert run(script, str(tmp_path)).returncode != 0
    (left,) = tmp_path.iterdir()
    assert left.name == ".00000.part"  # hidden, and no picture by its name
    later = save_picture(pixels(), tmp_path, "2")
    assert later.name == "00001-2.png"
    os.utime(left, (time.time() - 7200,) * 2)
    save_picture(pixels(), tmp_path, "3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00001-2.png", "00002-3.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX's")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, numpy, pathlib, resource\n"
        "from modules.core.errors import UserError; from modules.imaging.save import save_picture\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "noise = numpy.random.default_rng(0).integers(0, 256, (99, 99, 3), dtype=numpy.uint8)\n"
        "for numbered in (True, False):\n"
        "    try: save_picture(noise, pathlib.Path(sys.argv[1]), '1', numbered=numbered)\n"
        "    except UserError as error: print(error)"
    )
    found = run(script, str(tmp_path / "in"))
    assert found.stdout.count("There is no room in") == 2, found.stderr
    assert list((tmp_path / "in").iterdir()) == []


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be saved in .*file"):
        save_picture(pixels(), tmp_path / "file", "1")


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'bmp'"):
        save_picture(pixels(), tmp_path, "1", format="bmp")


def test_text_too_long_for_jpeg_is_put_beside_it(tmp_path: Path) -> None:
    long = "x" * 100_000 + "\n" + TEXT
    path = save_picture(pixels(), tmp_path, "1", long, format="jpg")
    assert read_parameters(path) is None
    assert path.with_suffix(".txt").read_text() == long


def test_sides_too_long_for_the_format_make_it_png(tmp_path: Path) -> None:
    wide = numpy.zeros((1, 16_384, 3), numpy.uint8)
    assert save_picture(wide, tmp_path, "1", format="webp").suffix == ".png"
    assert save_picture(wide, tmp_path, "1", format="jpg").suffix == ".jpg"


def test_a_name_that_no_file_system_takes_is_made_fit(tmp_path: Path) -> None:
    path = save_picture(pixels(), tmp_path, "../a/b\0:" + "猫" * 300)
    assert path.parent == tmp_path
    assert re.fullmatch(r"00000-\.\._a_b__猫+\.png", path.name)
    assert path.exists()

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from modules.core.errors import Stopped, UserError
from modules.engine.upscale import Upscalers, enlarged, planned
from modules.imaging.mosaic import Grid, strips
from modules.weights.precision import Precision
from modules.weights.upscalers import load_upscaler
from tests.toy import write_random, write_toy_upscaler

CPU = torch.device("cpu")


def _picture(width: int, height: int) -> np.ndarray:
    """Waves of colours, with a grain."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], -1) * 100 + 128
    return (waves + np.random.default_rng(0).integers(-20, 20, waves.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_toy_upscaler(folder / "ESRGAN/double.safetensors")
    write_toy_upscaler(folder / "RealESRGAN/fourfold.safetensors", scale=4)
    return folder


@pytest.fixture(scope="module")
def upscalers(models: Path) -> Upscalers:
    return Upscalers(models, Precision(CPU, torch.float32, torch.float32))


@pytest.mark.parametrize("scale", [2, 4])
def test_both_ways_of_naming_layers_give_the_same_network(tmp_path: Path, scale: int) -> None:
    new = load_upscaler(write_toy_upscaler(tmp_path / "new.safetensors", scale=scale), CPU, torch.float32)
    old = load_upscaler(
        write_toy_upscaler(tmp_path / "old.safetensors", scale=scale, old_names=True), CPU, torch.float32
    )
    picture = _picture(20, 12)
    assert new.scale == old.scale == scale
    assert new(picture).shape == (12 * scale, 20 * scale, 3)
    assert np.array_equal(new(picture), old(picture))


@pytest.mark.parametrize("table", ["params_ema", "params", "net", ""])
def test_pickles_of_training_codes_are_read_whatever_table_holds_the_weights(tmp_path: Path, table: str) -> None:
    plain = write_toy_upscaler(tmp_path / "plain.safetensors")
    weights = load_file(plain)
    picture = _picture(16, 16)
    expected = load_upscaler(plain, CPU, torch.float32)(picture)
    for new in (True, False):
        place = tmp_path / f"pickled-{new}.pth"
        torch.save({table: weights} if table else weights, place, _use_new_zipfile_serialization=new)
        assert np.array_equal(load_upscaler(place, CPU, torch.float32)(picture), expected)


def test_the_averaged_weights_are_taken_where_a_file_has_both(tmp_path: Path) -> None:
    first, second = (load_file(write_toy_upscaler(tmp_path / f"{seed}.safetensors", seed)) for seed in (1, 2))
    torch.save({"params": first, "params_ema": second}, tmp_path / "both.pth")
    both = load_upscaler(tmp_path / "both.pth", CPU, torch.float32)
    picture = _picture(16, 16)
    assert np.array_equal(both(picture), load_upscaler(tmp_path / "2.safetensors", CPU, torch.float32)(picture))


def test_tiles_give_what_the_whole_picture_gives(models: Path) -> None:
    """Where the overlap is three times as wide as the network looks, even at the seams."""
    network = load_upscaler(models / "ESRGAN/double.safetensors", CPU, torch.float32)
    picture = _picture(150, 150)
    whole = network(picture)
    grid = Grid(150, 150, 110, 110, 55)
    assert len(grid) == 4
    tiled = np.concatenate([rows for _, rows in strips(picture, grid, network, network.scale)])
    assert np.abs(tiled - whole).max() / 255 < 1e-3


def test_narrow_overlaps_leave_no_edge_at_the_seams(models: Path) -> None:
    """The change from column to column is no larger at seams than elsewhere, though tiles see less than the whole."""
    network = load_upscaler(models / "ESRGAN/double.safetensors", CPU, torch.float32)
    picture = _picture(160, 64)
    tiled = enlarged(picture, network, tile=64, overlap=16).astype(float)
    hard = enlarged(picture, network, tile=32, overlap=0).astype(float)
    whole = enlarged(picture, network, tile=0).astype(float)

    def steps(pixels: np.ndarray) -> np.ndarray:
        """How much more than in the whole picture each column differs from the next."""
        return np.abs(np.diff(pixels, axis=1) - np.diff(whole, axis=1)).mean((0, 2))

    assert steps(hard).max() > 4
    assert steps(tiled).max() < 0.1


def test_a_picture_is_made_exactly_as_large_as_asked(upscalers: Upscalers) -> None:
    picture = _picture(31, 23)
    for name in ("double", "fourfold", "Lanczos", "nearest", "None"):
        assert upscalers.upscaled(picture, name, 100, 77).shape == (77, 100, 3)
    assert np.array_equal(upscalers.upscaled(picture, "Nearest", 62, 46), picture.repeat(2, 0).repeat(2, 1))


def test_a_network_is_run_until_its_result_is_large_enough_and_no_longer() -> None:
    assert planned((64, 64), (128, 128), 4) == [(64, 64)]
    assert planned((64, 64), (512, 512), 4) == [(64, 64), (128, 128)]
    assert planned((64, 64), (64, 64), 1) == [(64, 64)]
    assert planned((64, 64), (1000, 1000), 1) == [(64, 64)]
    width, height = planned((8000, 6000), (12000, 9000), 4)[0]
    assert width * height * 16 < 1.001 * 16384**2


def test_every_tile_is_told_and_the_work_can_be_ended_in_the_middle_of_one(upscalers: Upscalers) -> None:
    told: list[tuple[int, int]] = []
    upscalers.upscaled(_picture(64, 40), "double", 256, 160, tile=32, overlap=8, report=lambda *done: told.append(done))
    total = told[-1][1]
    assert sorted({done for done, _ in told}) == list(range(total + 1))
    assert told == sorted(told) and total > 8

    layers: list[int] = []

    def stop_in_the_third() -> None:
        layers.append(len(told))
        if len(layers) == 40:
            raise Stopped

    told.clear()
    with pytest.raises(Stopped):
        upscalers.upscaled(
            _picture(64, 40),
            "double",
            256,
            160,
            tile=32,
            report=lambda *done: told.append(done),
            check=stop_in_the_third,
        )
    assert layers.count(1) > 10 and len(told) < 5
    upscalers.upscaled(_picture(8, 8), "double", 16, 16)
    assert len(layers) == 40


def test_where_memory_is_short_tiles_become_smaller() -> None:
    class ShortOfMemory:
        def __init__(self) -> None:
            self.scale, self.seen = 2, []

        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            self.seen.append(pixels.shape[0])
            if pixels.shape[0] > 70:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return pixels.repeat(2, 0).repeat(2, 1).astype(np.float32)

    picture, network = _picture(300, 270), ShortOfMemory()
    assert np.array_equal(enlarged(picture, network), picture.repeat(2, 0).repeat(2, 1))
    assert network.seen[:2] == [256, 128] and set(network.seen[2:]) == {64}


def test_a1111s_names_mean_the_files_behind_them(tmp_path: Path) -> None:
    write_toy_upscaler(tmp_path / "RealESRGAN/RealESRGAN_x4plus.safetensors", scale=4)
    upscalers = Upscalers(tmp_path, Precision(CPU, torch.float32, torch.float32))
    assert upscalers.names() == ["Lanczos", "Nearest", "RealESRGAN_x4plus"]
    assert upscalers.upscaled(_picture(8, 8), "R-ESRGAN 4x+", 32, 32).shape == (32, 32, 3)


def test_an_unknown_upscaler_is_answered_with_the_nearest_names(upscalers: Upscalers) -> None:
    with pytest.raises(UserError, match=r"'duoble'.*Did you mean double"):
        upscalers.upscaled(_picture(8, 8), "duoble", 16, 16)


def test_a_result_beyond_all_measure_is_refused_before_work_begins(upscalers: Upscalers) -> None:
    with pytest.raises(UserError, match=r"20000 x 20000 pixels; at most 268 million"):
        upscalers.upscaled(_picture(8, 8), "double", 20_000, 20_000)


def test_files_that_are_no_upscalers_are_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "ESRGAN"
    write_random(folder / "random.safetensors", {"a.weight": (3, 3), "b.weight": (2,)})
    torn = folder / "torn.safetensors"
    torn.write_bytes(write_toy_upscaler(folder / "whole.safetensors").read_bytes()[:5000])
    weights = load_file(folder / "whole.safetensors")
    torch.save({**weights, "conv_hr.weight": torch.zeros(3, 3)}, folder / "misshapen.pth")
    torch.save(torch.nn.Linear(2, 2), folder / "hostile.pth")
    upscalers = Upscalers(tmp_path, Precision(CPU, torch.float32, torch.float32))
    for name, words in {
        "random": "random.safetensors is not an upscaler of a kind that is known",
        "torn": "torn.safetensors",
        "misshapen": "misshapen.pth cannot be loaded: its tensors do not fit",
        "hostile": "hostile.pth is refused: it asks for torch.nn.modules.linear.Linear",
    }.items():
        with pytest.raises(UserError, match=words):
            upscalers.upscaled(_picture(8, 8), name, 16, 16)
    assert "whole" in upscalers.names() and "torn" not in upscalers.names()

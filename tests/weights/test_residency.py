"""The open model stays open until another has taken its place."""

import gc
import os
import shutil
import time
import weakref

import psutil
import pytest
import torch

from modules.catalog.beside import write_card
from modules.core.errors import UserError
from modules.weights import residency
from modules.weights.memory import free_memory
from modules.weights.precision import Precision
from modules.weights.residency import Loader
from tests.toy import write_toy_checkpoint

CPU = Precision(torch.device("cpu"), torch.float32, torch.float32)


@pytest.fixture
def loader():
    return Loader(CPU)


@pytest.fixture
def other(tmp_path):
    return write_toy_checkpoint(tmp_path / "other.safetensors", seed=1)


def test_the_same_file_is_opened_once(loader, toy):
    assert loader.open(toy) is loader.open(toy)


def test_a_file_that_changed_is_opened_anew(loader, toy, tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(toy, path)
    first = loader.open(path)
    os.utime(path, ns=(0, 1))
    assert loader.open(path) is not first


def test_a_file_of_which_something_else_is_said_beside_is_opened_anew(loader, toy, tmp_path):
    path = shutil.copy(toy, tmp_path / "mine.safetensors")
    first = loader.open(path)
    write_card(path, {"notes": "lovely"})
    assert loader.open(path) is first
    write_card(path, {"easel": {"prediction_type": "v_prediction"}})
    assert loader.open(path).prediction == "v_prediction"
    path.with_suffix(".yaml").write_text("model: {params: {ztsnr: true}}")
    assert loader.open(path).declared.zero_terminal_snr is True


def test_another_file_takes_the_place_of_the_first_and_frees_it(toy, other):
    loader = Loader(CPU, budget=lambda: 0)
    first = weakref.ref(loader.open(toy).unet)
    assert loader.open(other).path == other
    gc.collect()
    assert first() is None


def test_only_the_vae_is_loaded_when_only_the_vae_changes(loader, toy, other):
    first = loader.open(toy)
    second = loader.open(toy, vae=other)
    assert second.unet is first.unet
    assert second.vae is not first.vae
    assert loader.open(toy).vae_path is None


@pytest.mark.parametrize("free", [1 << 40, 0, None], ids=["plenty of memory", "none left", "unknown memory"])
def test_after_a_failure_the_open_model_is_open_still(loader, toy, tmp_path, monkeypatch, free):
    monkeypatch.setattr(residency, "free_memory", lambda device: free)
    bad = write_toy_checkpoint(tmp_path / "bad.safetensors", architecture={"unet": {"norm_num_groups": 7}})
    expected = loader.open(toy).unet.conv_in.weight.clone()
    with pytest.raises(UserError, match=r"bad\.safetensors"):
        loader.open(bad)
    assert torch.equal(loader.open(toy).unet.conv_in.weight, expected)


def test_where_memory_is_short_the_first_model_goes_before_the_second_comes(loader, toy, other, monkeypatch):
    monkeypatch.setattr(residency, "free_memory", lambda device: 0)
    first, seen = weakref.ref(loader.open(toy).unet), []
    real = residency.load_checkpoint
    monkeypatch.setattr(residency, "load_checkpoint", lambda *a, **k: seen.append(first() is None) or real(*a, **k))
    loader.open(other)
    assert seen == [True]


@pytest.fixture
def third(tmp_path):
    return write_toy_checkpoint(tmp_path / "third.safetensors", seed=2)


def test_going_back_to_a_checkpoint_takes_it_from_memory(loader, toy, other):
    first = loader.open(toy)
    loader.open(other)
    began = time.perf_counter()
    assert loader.open(toy) is first
    assert time.perf_counter() - began < 0.3
    assert loader.kept == [other, toy]


def test_the_checkpoint_used_longest_ago_goes_first(toy, other, third):
    size = Loader(CPU).open(toy).nbytes
    loader = Loader(CPU, budget=lambda: int(1.5 * size))  # one beside the open one
    first = loader.open(toy)
    loader.open(other)
    loader.open(toy)
    loader.open(third)
    assert loader.kept == [toy, third]
    assert loader.open(toy) is first


def test_a_smaller_budget_holds_from_the_next_checkpoint_on(toy, other, third):
    budget = [1 << 40]
    loader = Loader(CPU, budget=lambda: budget[0])
    for path in (toy, other, third):
        loader.open(path)
    assert loader.kept == [toy, other, third]
    budget[0] = 0
    loader.open(third)
    assert loader.kept == [third]


def test_what_a_deleted_file_held_goes_with_the_next_checkpoint(loader, other, tmp_path):
    gone = write_toy_checkpoint(tmp_path / "gone.safetensors", seed=3)
    loader.open(gone)
    gone.unlink()
    with pytest.raises(UserError, match=r"gone\.safetensors"):
        loader.open(gone)
    loader.open(other)
    assert loader.kept == [other]


def test_where_nobody_says_what_is_free_the_stated_budget_holds(toy, other, monkeypatch):
    monkeypatch.setattr(residency, "free_memory", lambda device: None)
    loader = Loader(CPU, budget=lambda: 1 << 40)
    first = loader.open(toy)
    loader.open(other)
    assert loader.kept == [toy, other]
    assert loader.open(toy) is first


def test_without_a_stated_budget_half_of_the_free_memory_is_used(loader, toy, other, third, monkeypatch):
    size = loader.open(toy).nbytes
    monkeypatch.setattr(residency, "free_memory", lambda device: 3 * size)
    loader.open(other)
    assert loader.kept == [toy, other]
    monkeypatch.setattr(residency, "free_memory", lambda device: size * 1.3)
    loader.open(third)
    assert loader.kept == [other, third]


def test_a_file_that_changed_is_not_kept_twice(loader, tmp_path):
    path = write_toy_checkpoint(tmp_path / "mine.safetensors")
    loader.open(path)
    write_toy_checkpoint(path, seed=9)
    loader.open(path)
    assert loader.kept == [path]


def test_switches_between_three_checkpoints_leave_memory_as_it_was(toy, other, third):
    size = Loader(CPU).open(toy).nbytes
    loader, process = Loader(CPU, budget=lambda: int(1.5 * size)), psutil.Process()
    resident = []
    for switch in range(24):  # with room for one beside the open one, each is loaded anew
        loader.open((toy, other, third)[switch % 3])
        resident.append(process.memory_info().rss)
    loader.close()
    assert max(resident[-6:]) < 1.02 * max(resident[3:9])


def test_what_preparing_left_over_goes_back_once_after_each_model_that_is_loaded(loader, toy, other, monkeypatch):
    given = []
    monkeypatch.setattr(residency, "give_pages_back", lambda: given.append(True))
    for path in (toy, toy, other, toy):  # at last from memory
        loader.open(path)
        loader.settle()
        loader.settle()
    assert len(given) == 2


def test_a_closed_loader_holds_nothing(loader, toy):
    unet = weakref.ref(loader.open(toy).unet)
    loader.close()
    assert unet() is None


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="reads /proc")
def test_free_memory_is_a_number_of_bytes_on_linux():
    assert 1 << 20 < free_memory(torch.device("cpu")) < 1 << 50

"""Pickled checkpoints are read without running them; hostile and damaged ones are refused by name."""

import builtins
import os
import pickle
import zipfile

import pytest
import torch

from modules.catalog.open import read_tensors
from modules.catalog.scan import examine
from modules.core.errors import UserError

TRACE = "a_program_has_run"


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def write_program(path, program, *, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", bytes(64))
    return path


def test_torchs_file_is_read_as_names_kinds_shapes_and_places(tmp_path):
    path = tmp_path / "model.ckpt"
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(5, dtype=torch.bfloat16)}
    shared = torch.arange(10, dtype=torch.float16)
    torch.save({"state_dict": tensors | {"c": shared[4:]}, "epoch": 3, "optimizer": {"lr": 0.1}}, path)
    header = read_tensors(path)
    found = {name: (entry.dtype, entry.shape) for name, entry in header.tensors.items()}
    assert found == {"a": ("F32", (2, 3)), "b": ("BF16", (5,)), "c": ("F16", (6,))}
    raw, entry = path.read_bytes(), header.tensors["c"]
    assert raw[entry.begin : entry.end] == shared[4:].numpy().tobytes()


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, (f"touch {TRACE}",), "system"),
        (builtins.eval, (f"open({TRACE!r}, 'w')",), "builtins.eval"),
        (builtins.getattr, (os, "system"), "builtins.getattr"),
        (torch.load, ("x",), "torch.serialization.load"),
    ],
)
def test_a_file_that_asks_for_a_program_is_refused_with_its_name_and_nothing_runs(tmp_path, function, arguments, name):
    arguments = [one.replace(TRACE, str(tmp_path / TRACE)) if isinstance(one, str) else one for one in arguments]
    content = {"state_dict": {}, "x": Calls(function, *[item for item in arguments if item is not os])}
    path = write_program(
        tmp_path / "hostile.ckpt", pickle.dumps(content, protocol=2).replace(b"__builtin__", b"builtins")
    )
    with pytest.raises(UserError, match=name) as refusal:
        read_tensors(path)
    assert "hostile.ckpt is refused" in str(refusal.value)
    assert "weights_only" not in str(refusal.value)
    assert name in examine(path).problem
    assert not (tmp_path / TRACE).exists()


def test_a_name_inside_a_known_name_is_refused(tmp_path):
    program = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93."
    with pytest.raises(UserError, match=r"OrderedDict\.fromkeys"):
        read_tensors(write_program(tmp_path / "nested.pt", program))


def test_a_file_cannot_change_what_the_next_one_means(tmp_path):
    """The BUILD instruction overwrites attributes; what is in a program's reach must have none."""
    for program in (b"\x80\x02ctorch\nFloatStorage\n}X\x04\x00\x00\x00nameX\x03\x00\x00\x00F64sb.",):
        with pytest.raises(UserError, match="not readable"):
            read_tensors(write_program(tmp_path / "build.pt", program))
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    assert read_tensors(tmp_path / "good.pt").tensors["a"].dtype == "F32"


@pytest.mark.parametrize(
    "program",
    [b"", b"garbage", b"\x80\x02" + b"(" * 100_000, b"\x80\x02}.", b"\x80\x02]." + b"x" * 9, b"\x80\x02" + b"}" * 50],
)
def test_programs_that_build_no_tensors_are_refused_by_name(tmp_path, program):
    with pytest.raises(UserError, match=r"odd\.ckpt"):
        read_tensors(write_program(tmp_path / "odd.ckpt", program))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = write_program(tmp_path / "bomb.ckpt", bytes(50_000_000), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="compressed"):
        read_tensors(path)


def test_tensors_beyond_their_numbers_and_truncated_files_are_refused(tmp_path):
    path = tmp_path / "whole.ckpt"
    torch.save({"weight": torch.zeros(1000)}, path)
    lying = tmp_path / "lying.ckpt"
    lying.write_bytes(path.read_bytes().replace(b"M\xe8\x03\x85", b"M\xff\xff\x85"))
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(path.read_bytes()[:2000])
    for file in (lying, cut):
        with pytest.raises(UserError, match=file.name):
            read_tensors(file)


def test_a_table_that_holds_itself_many_times_comes_to_an_end(tmp_path):
    table = {"weight": torch.zeros(2)}
    path = tmp_path / "endless.pt"
    for number in range(200):
        table[f"again {number}"] = table
    torch.save(table, path)
    assert list(read_tensors(path).tensors) == ["weight"]


def test_lists_inside_tables_are_looked_into(tmp_path):
    path = tmp_path / "hypernetwork.pt"
    torch.save({768: ({"linear.0.weight": torch.zeros(4, 2)}, {"linear.0.weight": torch.ones(4, 2)})}, path)
    assert sorted(read_tensors(path).tensors) == ["768.0.linear.0.weight", "768.1.linear.0.weight"]


@pytest.mark.parametrize("where", ["at the top", "in a table", "in a list", "as a key", "as a tensor's argument"])
def test_a_hostile_name_is_found_however_deep_it_is_hidden(tmp_path, where):
    call = Calls(os.system, f"touch {tmp_path / TRACE}")
    content = {
        "at the top": call,
        "in a table": {"state_dict": {"a": {"b": {"c": call}}}},
        "in a list": [[[call]]],
        "as a key": {(1, call): 2},
        "as a tensor's argument": Calls(torch._utils._rebuild_parameter, call, False, None),
    }[where]
    path = write_program(tmp_path / "hidden.ckpt", pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=r"hidden\.ckpt is refused: it asks for (posix|nt)\.system"):
        read_tensors(path)
    assert not (tmp_path / TRACE).exists()


@pytest.mark.parametrize("ending", [".ckpt", ".pt", ".pth", ".bin", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4265146304\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><title>Log in</title>", "web page"),
        (b"archive/".ljust(257, b"\0") + b"ustar\0" + bytes(4000), "tar archive"),
    ],
)
def test_what_is_no_model_is_named_under_every_ending(tmp_path, ending, content, what):
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    assert what in examine(path).problem


def test_a_folder_that_is_named_like_a_checkpoint_is_said_to_be_one(tmp_path):
    (tmp_path / "x.ckpt").mkdir()
    assert "x.ckpt is a folder" in examine(tmp_path / "x.ckpt").problem


def test_bare_pickles_are_refused_by_name(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps({"a": [1.0]}, protocol=2))
    with pytest.raises(UserError, match=r"old\.pt is not a safetensors file: it is a Python pickle"):
        read_tensors(path)

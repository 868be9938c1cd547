"""Headers of good files are read without the weights; every bad file is refused by name, with what was found."""

import json
import os
import struct
import time

import numpy as np
import pytest
from safetensors.numpy import save_file

from modules.catalog.header import read_header
from modules.catalog.open import read_tensors
from modules.core.errors import UserError

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def write(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def refusal(path):
    with pytest.raises(UserError) as caught:
        read_header(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    return str(caught.value)


def test_names_shapes_and_metadata_are_those_that_were_saved(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"w": np.zeros((3, 4), np.float16), "b": np.zeros(5, np.float32)}, path, {"made by": "a test"})
    header = read_header(path)
    assert header.shapes == {"w": (3, 4), "b": (5,)}
    assert {name: entry.dtype for name, entry in header.tensors.items()} == {"w": "F16", "b": "F32"}
    assert header.metadata == {"made by": "a test"}
    start = header.data_start + header.tensors["b"].begin
    assert path.stat().st_size == header.data_start + 24 + 20
    assert path.read_bytes()[start : start + 20] == bytes(20)


def test_tensors_are_listed_in_the_order_of_their_bytes(tmp_path):
    late, early = {**ENTRY, "data_offsets": [8, 16]}, ENTRY
    assert list(read_header(write(tmp_path / "a.safetensors", {"z": late, "a": early}, bytes(16))).tensors) == [
        "a",
        "z",
    ]


def test_a_four_gigabyte_file_costs_milliseconds(tmp_path):
    size = 4 << 30
    path = write(tmp_path / "big.safetensors", {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)
    began = time.perf_counter()
    assert read_header(path).shapes == {"w": (size,)}
    assert time.perf_counter() - began < 0.2


def test_a_header_whose_length_looks_like_a_pickle_is_still_a_header(tmp_path):
    text = json.dumps({"w": ENTRY}).encode()
    header = read_header(write(tmp_path / "a.safetensors", text.ljust(0x0280), bytes(8)))  # begins with 80 02
    assert list(header.tensors) == ["w"]


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.touch()
    assert "empty (0 bytes)" in refusal(path)


def test_a_missing_file_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "a.safetensors")


def test_a_folder_with_a_models_name_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.mkdir()
    assert "is a folder" in refusal(path)


def test_a_truncated_file_says_how_much_is_missing(tmp_path):
    entry = {"dtype": "U8", "shape": [3_000_000], "data_offsets": [0, 3_000_000]}
    path = write(tmp_path / "a.safetensors", {"w": entry}, bytes(1_000_000))
    assert "truncated: 2.0 MB of 3.0 MB" in refusal(path)


def test_a_file_truncated_inside_its_header_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 5000) + b'{"w": {"dtype"')
    assert "claims 5,000 bytes, but the whole file has" in refusal(path)


@pytest.mark.parametrize("length", [2**64 - 1, 200_000_000, 10_000])
def test_a_lying_header_length_is_refused(tmp_path, length):
    assert "claims" in refusal(write(tmp_path / "a.safetensors", {"w": ENTRY}, bytes(8), length=length))


def test_a_file_of_a_few_bytes_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x01\x00\x00")
    assert "too short" in refusal(path)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"<!DOCTYPE html><html><title>Sign in</title>", "a web page"),
        (b"\n\n  <html lang=en>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"),
        (b"PK\x03\x04\x14\x00\x08\x08archive/data.pkl", "a zip archive"),
        (b"\x80\x02}q\x00(X\x05\x00\x00\x00", "a Python pickle"),
        (b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00", "a GGUF file"),
        (b'{"error": "Entry not found"}', "a JSON text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG picture"),
    ],
)
def test_a_foreign_file_is_named_for_what_it_is(tmp_path, start, what):
    path = tmp_path / "model.safetensors"
    path.write_bytes(start + bytes(2000))
    text = refusal(path)
    assert what.split()[-1] in text
    assert "not a safetensors file" in text


def test_noise_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert "claims" in refusal(path)


def test_json_nested_100000_deep_is_refused(tmp_path):
    deep = b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert "not readable" in refusal(write(tmp_path / "a.safetensors", deep))


def test_a_number_of_100000_digits_is_refused(tmp_path):
    text = b'{"w": {"dtype": "F32", "shape": [' + b"9" * 100_000 + b'], "data_offsets": [0, 8]}}'
    assert "not readable" in refusal(write(tmp_path / "a.safetensors", text, bytes(8)))


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b'{"w": nonsense}', "not readable"),
        (b'{"\xff": 1}', "not readable"),
        (b'{"w": {}, "w": {}}', "a name is used twice"),
        ({"w": 3}, "lacks dtype, shape or data_offsets"),
        ({"w": {**ENTRY, "data_offsets": [0]}}, "lacks dtype, shape or data_offsets"),
        ({"w": {**ENTRY, "dtype": "Q7"}}, "unknown type Q7"),
        ({"w": {**ENTRY, "dtype": ["F32"]}}, "unknown type"),
        ({"w": {**ENTRY, "shape": [-2]}}, "not made of whole numbers"),
        ({"w": {**ENTRY, "shape": [2.0]}}, "not made of whole numbers"),
        ({"w": {**ENTRY, "shape": [True, 2]}}, "not made of whole numbers"),
        ({"w": {**ENTRY, "shape": [3]}}, "8 bytes, which is not what its shape needs"),
        ({"w": {**ENTRY, "data_offsets": [8, 0]}}, "not what its shape needs"),
        ({"w": {**ENTRY, "data_offsets": [8, 16]}}, "leaves a gap"),
        ({"w": ENTRY, "v": {**ENTRY, "data_offsets": [4, 12]}}, "overlaps"),
        ({"w": ENTRY, "v": ENTRY}, "overlaps"),
        ({"__metadata__": {"a": 1}, "w": ENTRY}, "metadata is not a table of texts"),
        ({"__metadata__": [], "w": ENTRY}, "metadata is not a table of texts"),
        ({"__metadata__": {"a": "\ud800"}, "w": ENTRY}, "metadata is not a table of texts"),
        ({"\ud800": ENTRY}, "such as are no text"),
        ({"w" * 1001: ENTRY}, "longer names than any model's"),
        ({"w": {**ENTRY, "shape": [1] * 65}}, "has 65 axes"),
        ({"w": {**ENTRY, "shape": [2**62] * 100_000}}, "has 100,000 axes"),
        ({"w": {**ENTRY, "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}, "not made of whole numbers"),
        (b'{"w": [' + b"[]," * 4_000_000 + b"[]]}", "more parts than any model's"),
    ],
)
def test_an_inconsistent_header_is_refused(tmp_path, header, problem):
    assert problem in refusal(write(tmp_path / "a.safetensors", header, bytes(8)))


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_what_could_be_read_without_end_is_not_opened(tmp_path, ending):
    pipe, device, loop = (tmp_path / f"{name}.{ending}" for name in ("pipe", "device", "loop"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    loop.symlink_to(loop)
    for path, said in ((pipe, "a pipe or a device"), (device, "a pipe or a device"), (loop, "cannot be read")):
        with pytest.raises(UserError, match=rf"{path.name}.*{said}"):
            read_tensors(path)


def test_trailing_bytes_are_refused(tmp_path):
    assert "3 bytes follow" in refusal(write(tmp_path / "a.safetensors", {"w": ENTRY}, bytes(11)))


def test_a_name_of_any_length_makes_a_short_sentence(tmp_path):
    path = write(tmp_path / "a.safetensors", {"w" * 100_000: {**ENTRY, "dtype": "Q7"}}, bytes(8))
    assert len(refusal(path)) < 400

"""Pickles and archives that were made to do harm: each is refused by name, soon, and with nothing run."""

import struct
import time
import zipfile

import pytest

from modules.catalog.open import read_tensors
from modules.core.errors import UserError
from tests.catalog.test_pickles import write_program

STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ"
CLAIM = struct.pack("<Q", 2**62)


def tensor(name=b"X\x01\0\0\0a", storage=STORAGE, shape=b"K\x02\x85", stride=b"K\x01\x85", program=b""):
    """A table of one tensor, built by a call of `_rebuild_tensor_v2`."""
    return (
        b"\x80\x02}"
        + name
        + b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + program
        + b"K\0"
        + shape
        + stride
        + b"\x89NtRs."
    )


HOSTILE = {
    "a text said to have 2^62 letters": b"\x80\x04\x8d" + CLAIM + b"x",
    "bytes said to be 2^62": b"\x80\x04\x8e" + CLAIM + b"x",
    "a buffer said to have 2^62 bytes": b"\x80\x05\x96" + CLAIM + b"x",
    "a frame said to have 2^62 bytes": b"\x80\x04\x95" + CLAIM + b"}.",
    "a number said to have 2^31 bytes": b"\x80\x02\x8b\xff\xff\xff\x7fx",
    "a number of less than no bytes": b"\x80\x02\x8b\xff\xff\xff\xffx",
    "a number of millions of digits": b"\x80\x02L" + b"9" * 3_000_000 + b"L\n.",
    "the 2^32th place of the memory": b"\x80\x02}r\xff\xff\xff\xff.",
    "a list of itself": b"\x80\x02]q\0h\0a.",
    "a table that is its own key": b"\x80\x02}q\0h\0K\x01s.",
    "a key of a million tuples": b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.",
    "tables a million deep": b"\x80\x02" + b"}K\x01" * 300_000 + b"N" + b"s" * 300_000 + b".",
    "a known name called with nothing": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "a known name called with anything": tensor(storage=b"N"),
    "a known class that is changed": b"\x80\x02ccollections\nOrderedDict\nN}X\x05\0\0\0itemsNs\x86b.",
    "a table whose ways are changed": b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsctorch\nSize\nsb.",
    "a storage that is changed": tensor(program=b"}X\x05\0\0\0dtypeX\x03\0\0\0F99sb"),
    "a storage by another name": b"\x80\x02Pstorage\n.",
    "an extension of Python": b"\x80\x02\x82\x01.",
    "sizes that are no whole numbers": tensor(shape=b"G@\0\0\0\0\0\0\0\x85"),
    "thousands of axes": tensor(
        shape=b"(" + b"\x8a\x08\0\0\0\0\0\0\0@" * 5000 + b"t", stride=b"(" + b"K\x01" * 5000 + b"t"
    ),
    "half a letter as a name": tensor(name=b"V\\ud800\n"),
    "a name of a million letters": tensor(name=b"X" + struct.pack("<I", 1_000_000) + b"k" * 1_000_000),
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_are_refused_by_name_and_soon(tmp_path, program):
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"hostile\.ckpt (cannot be read|is refused)") as refusal:
        read_tensors(write_program(tmp_path / "hostile.ckpt", program))
    assert time.monotonic() - begun < 15 and len(str(refusal.value)) < 400


def test_the_tensor_of_the_hostile_programs_is_read_when_nothing_is_wrong_with_it(tmp_path):
    assert read_tensors(write_program(tmp_path / "good.ckpt", tensor())).shapes == {"a": (2,)}


def zip_with(path, *changes):
    """A good file of which the zip's directory was changed."""
    whole = bytearray(write_program(path, tensor()).read_bytes())
    entry = whole.index(b"PK\x01\x02")
    for place, new in changes:
        whole[entry + place : entry + place + len(new)] = new
    path.write_bytes(whole)
    return path


DIRECTORIES = {
    "a version to come": ((6, b"\xff"),),
    "a member of 4 GB": ((20, b"\xf0\xff\xff\xff" * 2),),
    "a member behind the end": ((42, b"\xf0\xff\xff\xff"),),
    "zip64's mark and no zip64": ((20, b"\xff\xff\xff\xff" * 2),),
    "an offset in zip64 that is not there": ((42, b"\xff\xff\xff\xff"),),
    "more to say of it than there is": ((30, b"\x03\0"),),
    "a name that is not UTF-8": ((8, b"\0\x08"), (46, b"\xff")),
}


@pytest.mark.parametrize("changes", DIRECTORIES.values(), ids=DIRECTORIES)
def test_archives_that_lie_are_refused_by_name(tmp_path, changes):
    with pytest.raises(UserError, match=r"lies\.ckpt cannot be read"):
        read_tensors(zip_with(tmp_path / "lies.ckpt", *changes))
    assert read_tensors(zip_with(tmp_path / "honest.ckpt")).shapes == {"a": (2,)}


def test_an_archive_with_two_programs_or_with_paths_out_of_it_is_harmless(tmp_path):
    path = write_program(tmp_path / "two.ckpt", tensor())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/../../../../tmp/out", b"x")
        archive.writestr("/etc/out", b"x")
    assert read_tensors(path).shapes == {"a": (2,)}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", tensor())
    with pytest.raises(UserError, match=r"two\.ckpt cannot be read .*: it has two members data\.pkl"):
        read_tensors(path)

"""Hashes are those of the content, computed once, and never stale."""

import hashlib
import os
import threading

import pytest

from modules.catalog import hashing
from modules.catalog.hashing import HashCache, short_hash
from modules.core.errors import UserError


@pytest.fixture
def cache(tmp_path):
    with_cache = HashCache(tmp_path / "data")
    yield with_cache
    with_cache.close()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(os.urandom(3_000_001))
    return path


def test_the_hash_is_sha256_and_the_short_one_its_first_ten_digits(cache, model):
    expected = hashlib.sha256(model.read_bytes()).hexdigest()
    assert cache.sha256(model) == expected
    assert short_hash(expected) == expected[:10]


def test_a_hash_is_not_known_before_it_was_computed(cache, model):
    assert cache.known(model) is None
    assert cache.sha256(model) == cache.known(model)


def test_a_known_hash_survives_a_restart_without_reading_the_file(tmp_path, model, monkeypatch):
    first = HashCache(tmp_path / "data")
    expected = first.sha256(model)
    first.close()
    monkeypatch.setattr(hashing, "_digest", lambda *_: pytest.fail("the file was read again"))
    second = HashCache(tmp_path / "data")
    assert second.sha256(model) == expected
    second.close()


def test_a_changed_file_is_hashed_again(cache, model):
    before = cache.sha256(model)
    model.write_bytes(b"another content")
    assert cache.known(model) is None
    assert cache.sha256(model) == hashlib.sha256(b"another content").hexdigest() != before


def test_a_file_of_equal_size_but_newer_is_hashed_again(cache, model):
    cache.sha256(model)
    os.utime(model, ns=(0, model.stat().st_mtime_ns + 1))
    assert cache.known(model) is None


def test_many_threads_agree_and_the_file_is_read_once(cache, model, monkeypatch):
    reads, real = [], hashing._digest
    monkeypatch.setattr(hashing, "_digest", lambda path, *rest: reads.append(path) or real(path, *rest))
    results = []
    threads = [threading.Thread(target=lambda: results.append(cache.sha256(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [hashlib.sha256(model.read_bytes()).hexdigest()] * 8
    assert len(reads) == 1


def test_a_part_of_a_file_has_a_hash_of_its_own(cache, model):
    content = model.read_bytes()
    assert cache.sha256(model, 3) == hashlib.sha256(content[3:]).hexdigest()
    assert cache.known(model) is None
    assert cache.sha256(model) == hashlib.sha256(content).hexdigest()
    assert cache.known(model, 3) == hashlib.sha256(content[3:]).hexdigest()


def test_a_missing_file_is_refused_by_name(cache, tmp_path):
    with pytest.raises(UserError, match=r"gone\.safetensors cannot be read"):
        cache.sha256(tmp_path / "gone.safetensors")

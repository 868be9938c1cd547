"""Models are fetched from servers that fail in every way; what is there already is never touched."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from modules.catalog.beside import read_civitai, trained_words
from modules.core.errors import UserError
from modules.core.files import Folders
from modules.jobs.downloads import civitai, transfer
from modules.jobs.downloads.downloads import Downloads
from modules.jobs.downloads.transfer import Pace
from tests.jobs.painting import folders_in, until
from tests.jobs.source import Source

HURRIED = Pace(connect=2, silence=0.15, tries=3, first_wait=0.01, longest_wait=0.02)
LORA = save(
    {
        f"lora_unet_down_blocks_0_layer_{n}.lora_{end}.weight": torch.randn(4, 320)
        for n in range(8)
        for end in ("down", "up")
    }
)
ENDS = ("finished", "failed", "stopped")
SHA256 = hashlib.sha256(LORA).hexdigest()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return folders_in(tmp_path, checkpoints=())


@pytest.fixture
def downloads(folders: Folders) -> Iterator[Downloads]:
    opened = Downloads(folders, dict, lambda _: None, lambda: None, HURRIED)
    yield opened
    opened.close()


def end_of(downloads: Downloads, download: str) -> dict:
    """The download once it is over."""
    return until(lambda: next((one for one in downloads.all() if one["id"] == download and one["state"] in ENDS), None))


def fetched(downloads: Downloads, source: Source, **options: str) -> dict:
    return end_of(downloads, downloads.add(source.address(), **options))


def test_a_model_lands_in_the_folder_of_its_kind_under_the_name_that_the_server_gives(downloads, folders) -> None:
    with Source(LORA, name="attachment; filename*=UTF-8''../../m%C3%A9%0Alange.safetensors") as source:
        one = end_of(downloads, downloads.add(source.address("download/17")))
    assert one["state"] == "finished"
    assert "LoRA" in one["known_as"]
    assert (folders.loras[0] / "mélange.safetensors").read_bytes() == LORA
    assert list((folders.models / ".downloads").iterdir()) == []


@pytest.mark.parametrize("trick", ["drop", "stall", "lie"])
def test_what_breaks_off_is_gone_on_with_where_it_ended(downloads, folders, trick: str) -> None:
    with Source(LORA, tricks=[trick, trick]) as source:
        one = fetched(downloads, source, sha256=SHA256)
    assert one["state"] == "finished", one
    assert Path(one["placed"]).read_bytes() == LORA
    if trick != "lie":
        assert source.given == len(LORA)  # no byte twice
        assert "range" not in source.asked[0]
        assert source.asked[1]["if-range"] == '"one"'


def test_a_file_that_changed_meanwhile_begins_anew(downloads) -> None:
    other = save({"lora_unet_x.lora_down.weight": torch.ones(4, 320), "lora_unet_x.lora_up.weight": torch.ones(320, 4)})
    with Source(LORA, tricks=["stall"]) as source:
        download = downloads.add(source.address())
        until(lambda: source.given)
        source.content, source.etag = other, '"two"'
        one = end_of(downloads, download)
    assert Path(one["placed"]).read_bytes() == other


def test_a_server_that_knows_no_parts_gives_the_whole_once_more(downloads) -> None:
    with Source(LORA, tricks=["drop", "whole"]) as source:
        assert Path(fetched(downloads, source)["placed"]).read_bytes() == LORA


def test_after_some_tries_in_vain_it_ends_with_a_sentence_and_goes_on_when_asked(downloads) -> None:
    with Source(LORA, tricks=["drop", "busy", "busy", "busy", "busy"]) as source:
        one = fetched(downloads, source)
        assert (one["state"], one["message"]) == ("failed", "127.0.0.1 cannot answer now (503).")
        assert one["hint"] == transfer.KEPT
        assert 0 < one["received"] < len(LORA)
        downloads.resume(one["id"])
        until(lambda: source.tricks == [] and end_of(downloads, one["id"])["state"] == "finished")
    assert source.given == len(LORA)


def test_a_length_that_says_too_little_is_found_out_by_the_header(downloads, folders) -> None:
    with Source(LORA, tricks=["less"]) as source:
        one = fetched(downloads, source)
    assert "is truncated" in one["message"]
    assert list(folders.models.rglob("*.safetensors")) == []


@pytest.mark.parametrize(
    ("trick", "said"),
    [("page", "answered with a page"), ("refuse", "not give this file to everybody"), ("missing", "no such file")],
)
def test_what_is_no_file_is_said_at_once(downloads, trick: str, said: str) -> None:
    with Source(LORA, tricks=[trick]) as source:
        one = fetched(downloads, source)
    assert said in one["message"]
    assert len(source.asked) == 1


@pytest.mark.parametrize("by", ["the person", "the server"])
def test_another_hash_than_promised_is_refused_and_the_file_deleted(downloads, folders, by: str) -> None:
    wrong = "0" * 64
    headers = {"X-Linked-Etag": f'"{wrong}"'} if by == "the server" else {}
    with Source(LORA, headers=headers) as source:
        one = fetched(downloads, source, **({"sha256": wrong} if by == "the person" else {}))
    assert f"begins with {SHA256[:10]}, not 0000000000" in one["message"]
    assert not list(folders.models.rglob("*.part"))


def test_a_good_file_of_the_same_name_stays_and_the_same_file_is_not_kept_twice(downloads, folders) -> None:
    good = folders.loras[0] / "model.safetensors"
    good.parent.mkdir(parents=True, exist_ok=True)
    good.write_bytes(b"good")
    with Source(LORA) as source:
        assert fetched(downloads, source)["placed"].endswith("model (2).safetensors")
        assert good.read_bytes() == b"good"
        good.write_bytes(LORA)
        assert fetched(downloads, source)["placed"] == str(good)
    assert len(list(good.parent.iterdir())) == 2


def test_the_person_chooses_the_folder(downloads, folders) -> None:
    with Source(LORA) as source:
        assert Path(fetched(downloads, source, kind="embedding")["placed"]).parent == folders.embeddings[0]


def test_a_pickle_that_would_run_a_program_is_refused_before_it_is_used(downloads, folders, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    path = tmp_path / "hostile.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"x": Hostile()}, protocol=2))
    with Source(path.read_bytes()) as source:
        one = end_of(downloads, downloads.add(source.address("hostile.pt")))
    assert "system" in one["message"]
    assert one["state"] == "failed"
    assert not (tmp_path / "trace").exists()
    assert [path for path in folders.models.rglob("*") if path.suffix == ".pt"] == []


def test_stopping_ends_a_silent_one_at_once_and_another_program_goes_on(downloads, folders) -> None:
    with Source(LORA, tricks=["stall"]) as source:
        patient = Downloads(folders, dict, lambda _: None, lambda: None, Pace())
        download = patient.add(source.address())
        until(lambda: any(part.stat().st_size for part in folders.models.rglob("*.part")))
        patient.stop(download)
        assert end_of(patient, download)["state"] == "stopped"
        patient.close()
        later = Downloads(folders, dict, lambda _: None, lambda: None, HURRIED)
        assert [one["state"] for one in later.all()] == ["stopped"]
        later.resume(download)
        assert end_of(later, download)["state"] == "finished"
        later.close()
    assert source.given == len(LORA)


def test_a_disk_without_room_is_said_before_anything_is_written(downloads, monkeypatch) -> None:
    monkeypatch.setattr(transfer, "RESERVE", 10**18)
    with Source(LORA) as source:
        one = fetched(downloads, source)
    assert "GB left" in one["message"]
    assert one["received"] == 0


def test_a_download_that_is_sent_round_comes_to_an_end(downloads) -> None:
    with Source(LORA, tricks=["round"] * 20) as source:
        one = fetched(downloads, source)
    assert "sends on and on" in one["message"]
    assert len(source.asked) == 6


def test_without_a_network_it_says_so(downloads, folders) -> None:
    one = end_of(downloads, downloads.add("http://127.0.0.1:9/model.safetensors"))
    assert one["message"] == "127.0.0.1 cannot be reached. Is this computer connected to the internet?"
    downloads.remove(one["id"])
    assert downloads.all() == []


def test_the_same_file_is_not_fetched_twice_at_once(downloads) -> None:
    with Source(LORA, tricks=["busy"] * 9) as source:
        download = downloads.add(source.address())
        with pytest.raises(UserError, match="already"):
            downloads.add(source.address())
        end_of(downloads, download)


@pytest.mark.parametrize("right", [True, False], ids=["the right hash", "another hash"])
def test_what_civitai_says_of_a_file_is_checked_and_kept_beside_it(
    downloads, folders, monkeypatch, right: bool
) -> None:
    said = SHA256.upper() if right else "0" * 64
    page = {"trainedWords": ["paper cut"], "files": [{"name": "cut.safetensors", "hashes": {"SHA256": said}}]}
    with Source(LORA, name='attachment; filename="cut.safetensors"') as source:
        source.pages["/api/v1/model-versions/17"] = json.dumps(page).encode()
        monkeypatch.setattr(civitai, "SITE", source.address("").rstrip("/"))
        one = end_of(downloads, downloads.add(source.address("api/download/models/17?type=Model")))
    model = folders.loras[0] / "cut.safetensors"
    assert model.exists() == right
    assert ("is not the file that was promised" in one["message"]) == (not right)
    assert trained_words(read_civitai(model)) == (["paper cut"] if right else [])

"""What many tests stand on: a toy checkpoint, folders of one's own, and the whole program on a free port."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Two cores do more for a suite of small tensors as two single threads; and idle threads must not spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from modules.core.files import Folders
from tests.declarations import declarations_taken_back
from tests.toy import write_toy_checkpoint

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def _no_file_declares_for_the_next() -> Iterator[None]:
    """Files of tests run in any order, one worker after another file."""
    with declarations_taken_back():
        yield


@pytest.fixture(scope="session")
def toy_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1 in miniature, random weights, 64 x 64 pixels native."""
    return write_toy_checkpoint(tmp_path_factory.mktemp("toy") / "toy.safetensors")


@pytest.fixture
def folders(tmp_path: Path, toy_checkpoint: Path) -> Folders:
    """A data folder of one's own that finds the toy checkpoint."""
    return folders_in(tmp_path, toy_checkpoint)


def folders_in(place: Path, checkpoint: Path) -> Folders:
    """Folders below `place`, which exist, with the checkpoint's own folder for checkpoints."""
    found = Folders(
        root=place,
        data=place / "data",
        models=place / "models",
        outputs=place / "outputs",
        extensions=(place / "extensions",),
        checkpoints=(checkpoint.parent,),
        vaes=(place / "models" / "VAE",),
        loras=(place / "models" / "Lora",),
        embeddings=(place / "models" / "embeddings",),
    )
    found.create()
    return found


@dataclass(frozen=True)
class LiveServer:
    """The real program, serving in a thread of this process."""

    address: str
    program: object
    folder: Path


@pytest.fixture(scope="module")
def live_server(tmp_path_factory: pytest.TempPathFactory, toy_checkpoint: Path) -> Iterator[LiveServer]:
    """The whole program, started with the toy."""
    folder = tmp_path_factory.mktemp("program")
    with serve(folder, ["--models-dir", str(_models_with(folder, toy_checkpoint)), "--ckpt", "toy"]) as server:
        yield server


def _models_with(folder: Path, checkpoint: Path) -> Path:
    place = folder / "models" / "Stable-diffusion"
    place.mkdir(parents=True, exist_ok=True)
    (place / checkpoint.name).hardlink_to(checkpoint)
    return folder / "models"


class serve:
    """Runs the program on a free port while the block lasts."""

    def __init__(self, folder: Path, arguments: list[str], before: Callable[[object], None] | None = None) -> None:
        self._folder, self._arguments, self._before = folder, arguments, before

    def __enter__(self) -> LiveServer:
        from modules import flags
        from modules.app import assemble
        from modules.server.serve import WebServer, listen_on

        options = flags.parse(["--data-dir", str(self._folder), *self._arguments])
        self._program = assemble(options)
        if self._before:
            self._before(self._program)
        listener = listen_on("127.0.0.1", 0)
        self._server = WebServer(self._program.web, closing=self._program.studio.disconnect)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        self._program.studio.start()
        return LiveServer(f"http://127.0.0.1:{listener.getsockname()[1]}", self._program, self._folder)

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._program.studio.close()

"""Has pickled model files opened in a process of its own, which can do little and is ended when it takes too long.

What comes back is JSON, checked here: names, shapes and places. The weights are then read from the file by these
places, so that nothing of a pickle is ever unpickled where the program and its models are.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import threading
import time
from math import prod
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .header import BITS, DOWNLOAD_AGAIN, Header, TensorEntry
from .resident import resident_bytes

ROOT = Path(__file__).resolve().parents[2]
READER = "modules.catalog.pickle_reader"
SECONDS, MEMORY = 20.0, 1 << 30  # a checkpoint's table takes some hundredths of a second and some megabytes
LOOK_EVERY = 0.05  # seconds: what can be allocated meanwhile is a fraction of a gigabyte
LONGEST_ANSWER = 64 << 20  # bytes
KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # what Python itself may need to start
OTHER_SOURCE = "Take the model from somewhere else, as .safetensors if there is one."


class PickleProcess:
    """The process, started at the first question and again after it had to be ended. Safe from any thread; questions
    wait for each other. `seconds` per file, on the clock; `memory` in bytes.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds, self._memory = seconds, memory
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def header(self, path: Path) -> Header:
        """The tensors of a pickled file. Raises UserError, naming it, when it is damaged, foreign or hostile."""
        with self._lock:
            answer = self._asked(path)
        if "message" in answer:
            raise UserError(str(answer["message"]), hint=str(answer.get("hint") or OTHER_SOURCE))
        return _checked(path, answer.get("tensors"))

    def close(self) -> None:
        """Ends the process; a further question starts another."""
        with self._lock:
            self._end()

    def _asked(self, path: Path) -> dict[str, Any]:
        """The process's answer. One that says nothing in time, or ends, leaves a refusal."""
        process = self._running()
        with _Watch(process, self._seconds, self._memory) as watch:
            try:
                question = {"file": os.fsencode(path.absolute()).hex(), "seconds": self._seconds}
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline(LONGEST_ANSWER)
            except OSError:  # it ended before it was asked
                line = b""
        if line.endswith(b"\n"):
            return json.loads(line)
        self._end()
        what = watch.reason or "ends the process that does it"
        return {"message": f"{path.name} is refused: reading its table of tensors {what}. Nothing in it was run."}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = self._started()
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        """Python without the packages that are installed, without this program's environment."""
        command = [sys.executable, "-E", "-s", "-S", "-X", "utf8", "-m", READER, str(self._memory)]
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
        except OSError as error:
            raise UserError(
                f"The process that opens .ckpt, .pt and .bin files cannot be started: {error.strerror}.",
                hint="Is there memory left? .safetensors files need none.",
            ) from error

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                _closed(pipe)
            self._process = None


class _Watch:
    """Ends a process that takes longer or takes more memory than it may, as long as the context lasts. `reason`: why
    it was ended; "" when it was not. The clock runs everywhere; of its memory Linux keeps a process itself from taking
    more, and other systems tell how much it takes (`resident.py`).
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float, memory: int) -> None:
        self._process, self._seconds, self._memory = process, seconds, memory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="easel-pickles", daemon=True)
        self.reason = ""

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        ends = time.monotonic() + self._seconds
        while not self._over.wait(LOOK_EVERY) and not self.reason:
            if time.monotonic() >= ends:
                self.reason = f"takes longer than {self._seconds:g} seconds"
            elif (resident_bytes(self._process.pid) or 0) > self._memory:
                self.reason = "fills the memory"
            if self.reason:
                self._process.kill()


@functools.cache
def pickle_process() -> PickleProcess:
    """The one of this program; ends with it."""
    process = PickleProcess()
    atexit.register(process.close)
    return process


def _checked(path: Path, rows: Any) -> Header:
    """The answer's table, of which no place may lie outside the file. Raises UserError."""
    try:
        size = path.stat().st_size
        tensors = {str(name): TensorEntry(dtype, tuple(shape), begin, end) for name, dtype, shape, begin, end in rows}
        sound = all(_sound(entry, size) for entry in tensors.values())
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    except (TypeError, ValueError, KeyError):
        sound = False
    if not sound:
        raise UserError(f"{path.name} is refused: its tensors do not lie in the file.", hint=DOWNLOAD_AGAIN)
    return Header(path, tensors, {}, 0)


def _sound(entry: TensorEntry, size: int) -> bool:
    fits = (entry.end - entry.begin) * 8 == prod(entry.shape) * BITS[entry.dtype]
    return fits and 0 <= entry.begin <= entry.end <= size


def _closed(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        return  # what was still to be written has no reader any more

"""From the start of the process to the first byte of the page: ours beside the smallest possible Gradio application.

    python -m benchmarks.page_start [--rounds 7]

The two start in turn, in fresh processes, offline and without analytics; the first start of each is not counted.
Writes benchmarks/results/page_start.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

from modules.app import ENVIRONMENT
from modules.bootstrap.start import ENVIRONMENT as INSTALLED
from modules.bootstrap.start import WEBUI

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "page_start.md"
BAR = 1.5
PATIENCE = 120.0  # seconds

SMALLEST = """
import sys
import gradio as gr
with gr.Blocks() as page:
    gr.Textbox()
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), inbrowser=False, quiet=True)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        contestants = {"ours": _ours(Path(folder)), "smallest": [sys.executable, "-c", SMALLEST]}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            for name, command in contestants.items():
                seconds, busy = started(command)
                print(f"round {number}: {name} {seconds:.2f} s, CPU {busy:.2f} s", flush=True)
                if number:
                    times[name].append((seconds, busy))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(report(times), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    return 0


def started(command: list[str]) -> tuple[float, float]:
    """Seconds of clock and of CPU time from the start of a server to the first byte of its page."""
    port = _free_port()
    began = time.perf_counter()
    with _running([*command, str(port)]) as process:
        first = _first_byte(port, process)
        seconds = time.perf_counter() - began
        times = psutil.Process(process.pid).cpu_times()
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"No page came from {' '.join(command)}: {first!r}.")
        return seconds, times.user + times.system


def report(times: dict[str, list[tuple[float, float]]]) -> str:
    """The results as a page of Markdown."""
    rows = [
        f"| {name} | {median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f} | {median(busy):.2f} |"
        for name, (seconds, busy) in {name: tuple(zip(*found, strict=True)) for name, found in times.items()}.items()
    ]
    clock, cpu = (
        median(one[part] for one in times["ours"]) / median(one[part] for one in times["smallest"]) for part in (0, 1)
    )
    return f"""# From the start to the page

`python -m benchmarks.page_start`, median of {len(times["ours"])} starts each, in turn. Seconds from the start of the
process to the first byte of `GET /`. *Smallest*: `gr.Blocks` with one `Textbox`, launched by Gradio itself.
Python {platform.python_version()}, Gradio {version("gradio")}, {os.cpu_count()} CPU cores, load average
{os.getloadavg()[0]:.0f} (other programs were at work).

| | seconds | range | CPU seconds |
| --- | --- | --- | --- |
{chr(10).join(rows)}

Ours takes {clock:.2f} times as long by the clock (at most {BAR} is wanted: {"met" if clock <= BAR else "missed"}), and
{cpu:.2f} times as much CPU time.
"""


def _ours(folder: Path) -> list[str]:
    """The program as people start it; in an environment that it did not make itself, with --skip-install."""
    complete = INSTALLED.is_running() and INSTALLED.is_complete((WEBUI,))
    skip = [] if complete else ["--skip-install"]
    return [sys.executable, "webui.py", *skip, "--no-browser", "--data-dir", str(folder), "--port"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen]:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, **quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _first_byte(port: int, process: subprocess.Popen) -> bytes:
    """The first bytes that the server sends of its page; b"" when it ends, or takes longer than PATIENCE."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                return connection.recv(16)
        except ConnectionError:
            time.sleep(0.005)
    return b""


if __name__ == "__main__":
    sys.exit(main())

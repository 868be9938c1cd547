"""Loading a full-size SD 1.5 checkpoint: ours beside the floor, diffusers' `from_single_file` and, where it is
installed beside, ComfyUI; in alternating fresh processes.

    python -m benchmarks.load_checkpoint [--rounds 3] [--folder DIR] [--comfyui DIR [--comfyui-python PATH]]

diffusers loads faster where `accelerate` is installed, which we do not need: have it importable for a fair comparison.
Writes benchmarks/results/load_checkpoint.md. The checkpoint stays in the folder (2.2 GB)
for the next time. Needs 7 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from modules.app import ENVIRONMENT

from . import comfyui
from .comfyui import ComfyUI
from .full_size import write_full_checkpoint
from .load_programs import CAST, COMFYUI, DIFFUSERS, EQUAL, OURS, READ
from .offline_configs import write_configs

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "load_checkpoint.md"
GIB = 2**30

OURS_CAST, THEIRS_CAST, FLOOR_CAST = "ours, cast to fp32", "diffusers, cast to fp32", "floor: every tensor cast to fp32"
OURS_STORED, THEIRS_STORED = "ours, fp16 kept", "diffusers, fp16 kept"
FLOOR_STORED = "floor: every byte read once"
COMFYUI_CAST, COMFYUI_STORED = "ComfyUI, as it does by default", f"ComfyUI, fp16 kept (`{' '.join(comfyui.FP16_KEPT)}`)"
BARS = (  # what, against what, at most how many times as long
    (OURS_CAST, FLOOR_CAST, 1.5),
    (OURS_CAST, THEIRS_CAST, 1.0),
    (OURS_CAST, COMFYUI_CAST, 1.0),
    (OURS_STORED, FLOOR_STORED, 1.5),
    (OURS_STORED, THEIRS_STORED, 1.0),
    (OURS_STORED, COMFYUI_STORED, 1.0),
)
MOST_MEMORY = 1.1  # times the weights as loaded


@dataclass(frozen=True)
class Row:
    """What is measured: a program, the dtype and flags that it is given, and what it finds in its environment."""

    program: str
    dtype: str
    python: Path = Path(sys.executable)
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One process: seconds until the networks are there, of which on the CPU, and until every page of them was read
    too; bytes of the peak up to then, and of the parameters by dtype. `tokenizer`: seconds that building one takes, if
    one was built with them.
    """

    seconds: float
    cpu: float
    touched: float
    peak: int
    dtypes: dict[str, int]
    tokenizer: float

    @property
    def weights(self) -> int:
        return sum(self.dtypes.values())


Measured = dict[str, list[Run]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load_checkpoint", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "easel-benchmarks")
    comfyui.add_options(parser)
    options = parser.parse_args()
    beside = comfyui.chosen(options)
    with tempfile.TemporaryDirectory() as temporary:
        path = write_full_checkpoint(options.folder / "full.safetensors")
        configs = write_configs(Path(temporary) / "configs")
        rows = _rows(beside)
        measured: Measured = {name: [] for name in rows}
        loads = [os.getloadavg()[0]]
        for number in range(options.rounds):
            for name in _turned(list(rows), number * 2):
                measured[name].append(Run(**json.loads(_run(rows[name], path, configs))))
                print(f"round {number + 1}: {name}: {measured[name][-1]}", flush=True)
            loads.append(os.getloadavg()[0])
        differences = _run(Row(EQUAL, "float32"), path, configs)
        report = _report(measured, differences, path.stat().st_size, max(loads), beside)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(report)
    print(report)


def _turned(names: list[str], by: int) -> list[str]:
    """The same in an order that begins elsewhere, so that nobody always comes after the same one."""
    first = by % len(names)
    return names[first:] + names[:first]


def _rows(beside: ComfyUI | None) -> dict[str, Row]:
    cast = {OURS_CAST: Row(OURS, "float32", environment=ENVIRONMENT), THEIRS_CAST: Row(DIFFUSERS, "float32")}
    stored = {OURS_STORED: Row(OURS, "float16", environment=ENVIRONMENT), THEIRS_STORED: Row(DIFFUSERS, "float16")}
    if beside:
        cast[COMFYUI_CAST] = Row(COMFYUI, "float32", beside.python, beside.flags())
        stored[COMFYUI_STORED] = Row(COMFYUI, "float16", beside.python, beside.flags(*comfyui.FP16_KEPT))
    return {**cast, FLOOR_CAST: Row(CAST, "float32"), **stored, FLOOR_STORED: Row(READ, "float16")}


def _run(row: Row, path: Path, configs: Path) -> str:
    """The last line that a program prints in a process of its own. Raises RuntimeError, with its words, if it fails."""
    command = [str(row.python), "-c", row.program, str(path), str(configs), row.dtype, *row.flags]
    environment = {**os.environ, **row.environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.strip().splitlines()[-1]


def _report(measured: Measured, differences: str, size: int, load: float, beside: ComfyUI | None) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers", "safetensors"))
    packages += f", accelerate {version('accelerate')}" if find_spec("accelerate") else ", no accelerate"
    packages += f", {beside.version}" if beside else ""
    unet, vae, text = differences.split()
    return f"""# Loading a full-size SD 1.5 checkpoint

Made by `python -m benchmarks.load_checkpoint`. One fp16 file of {size / 1e9:.2f} GB with random weights, in the page
cache. Every run is a fresh process with everything imported before the clock starts; rows alternate, beginning
with another in each of the {len(measured[OURS_CAST])} rounds; medians, with the least and the most in brackets.
{packages}, Python {platform.python_version()};
{_processor()}. Load average up to {load:.0f}: where that is far above the number of cores, other
programs had most of the machine, and the CPU column says more than the seconds.

| | ready, seconds | of which CPU | and every page read, seconds | peak, GiB | weights, GiB |
|---|---|---|---|---|---|
{chr(10).join(_line(name, runs) for name, runs in measured.items())}

Ready: the call that gives the networks has returned. What it put off shows in the next seconds but one: there one
number of every page of every parameter was read too. Kept as fp16, our parameters are the mapped file, and so are
diffusers'; nothing is copied. Peak: the largest RSS above that after the imports, until every page was read; pages of
the mapped file, which the system may drop at any time, count in it.

Ours runs in the environment that the program gives itself. On Linux torch then takes pages of 2 MiB (where
`/sys/kernel/mm/transparent_hugepage/enabled` is `madvise` or `always`; here `{_large_pages()}`): fresh memory costs a
fraction of the visits to the kernel. The others run as they come; the same variable would serve them too.

| bar | found | asked | |
|---|---|---|---|
{chr(10).join(_bars(measured))}

Times are compared round by round: the median of the ratios, with the least and the most in brackets.
{_about_comfyui(measured)}
Largest difference between the outputs of our networks and diffusers' from the same file in fp32, over the spread of
the output: UNet {unet}, VAE {vae}, text encoder {text}.
"""


def _line(name: str, runs: list[Run]) -> str:
    dtypes = ", ".join(f"{held / GIB:.2f} {dtype}" for dtype, held in runs[0].dtypes.items()) or "none"
    times = [_spread([getattr(run, column) for run in runs]) for column in ("seconds", "cpu", "touched")]
    return f"| {name} | {' | '.join(times)} | {_spread([run.peak / GIB for run in runs])} | {dtypes} |"


def _bars(measured: Measured) -> list[str]:
    """A line for each bar whose rows were measured."""
    lines = []
    for ours, other, asked in BARS:
        if other in measured:
            pairs = zip(measured[ours], measured[other], strict=True)
            ratios = [mine.seconds / theirs.seconds for mine, theirs in pairs]
            lines.append(_bar(f"{ours} / {other}", ratios, asked))
    for ours in (OURS_CAST, OURS_STORED):
        ratios = [run.peak / run.weights for run in measured[ours]]
        lines.append(_bar(f"{ours}: peak / weights as loaded", ratios, MOST_MEMORY))
    return lines


def _bar(name: str, ratios: list[float], asked: float) -> str:
    """ "Faster than" is asked where that is 1."""
    met = median(ratios) < asked if asked == 1 else median(ratios) <= asked
    return (
        f"| {name} | **{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) | {asked:.2f} | {_said(met)} |"
    )


def _large_pages() -> str:
    """What the system gives large pages to: "always", "madvise" or "never"."""
    switch = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return switch.read_text().partition("[")[2].partition("]")[0] if switch.exists() else "never"


def _said(met: bool) -> str:
    return "met" if met else "**missed**"


def _about_comfyui(measured: Measured) -> str:
    if COMFYUI_CAST not in measured:
        return ""
    tokenizer = median(run.tokenizer for run in measured[COMFYUI_CAST])
    return f"""
ComfyUI runs on the CPU, by the call that its node for checkpoints makes. That builds its tokenizer too, which takes
{tokenizer:.2f} s once more; ours and diffusers' is not in their seconds. By default it casts UNet and VAE to fp32 here
and keeps the text encoder as fp16, which it casts at every use. Told to keep all as fp16 it casts all at every use.
"""


def _spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else platform.processor()


if __name__ == "__main__":
    main()

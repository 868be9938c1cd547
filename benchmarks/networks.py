"""The networks of a full-size SD 1.5 on the CPU: ours, with prepared layers, beside diffusers' own modules.

    python -m benchmarks.networks [--rounds 3] [--threads N] [--only CASE ...] [--comfyui DIR [--comfyui-python PATH]]

Equal weights of random numbers, one network and size at a time, each measurement in a fresh process of its own,
alternating; in each, one call to warm up and prepare, then the median of `--calls`. diffusers gets its best dtype here:
the faster of fp32 and, where the CPU multiplies it in hardware, bf16. ComfyUI's networks, where it is installed beside,
compute in what it takes on a CPU by default: fp32. Writes benchmarks/results/networks.md; with --only the rows of other
cases stay as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

from modules.app import ENVIRONMENT
from modules.weights.precision import cpu_has_bf16

from . import comfyui
from .full_size import write_full_checkpoint

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "networks.md"
CASES = {
    "step of the UNet with CFG, 512 x 512": ("unet", 64, 0.70),
    "step of the UNet with CFG, 256 x 256": ("unet", 32, 0.85),
    "decoding by the VAE, 512 x 512": ("vae", 64, 0.80),
}

START = """
import json, sys, time
from pathlib import Path
import torch
path, who, network, side, calls, threads = Path(sys.argv[1]), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7])
flags = sys.argv[7:]
torch.set_num_threads(threads)
torch.manual_seed(0)
"""
OURS = """
from modules.weights.load import load_checkpoint
from modules.weights.precision import choose_precision
from modules.weights.residency import Loader
dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}.get(who)
if dtype is None:
    weights = Loader(choose_precision(torch.device("cpu"))).open(path)
else:
    weights = load_checkpoint(path, dtype=dtype)
dtype = weights.dtype
def unet(latents, steps, text):
    return weights.unet(latents, steps, encoder_hidden_states=text).sample
def vae(latents):
    return weights.vae.decode(latents).sample
"""
COMFYUI = f"""{comfyui.START}
{comfyui.LOAD}
dtype = torch.float32
comfy.model_management.load_models_gpu([patcher, vae.patcher])
decoder = vae.first_stage_model
def unet(latents, steps, text):
    return patcher.model.diffusion_model(latents, steps, context=text)
def vae(latents):
    return decoder.decode(latents)
"""
MEASURE = """
latents = torch.randn(1, 4, side, side).to(dtype)
if network == "unet":  # with CFG the same latents are read beside two texts
    latents = latents.repeat(2, 1, 1, 1)
text, steps = torch.randn(2, 77, 768).to(dtype), torch.tensor([500.0, 500.0])
with torch.inference_mode():
    times = []
    for _ in range(1 + calls):
        began = time.perf_counter()
        out = unet(latents, steps, text) if network == "unet" else vae(latents)
        times.append(time.perf_counter() - began)
    peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 2**20
torch.save(out.float(), f"{path}.{who}.out")
print(json.dumps([times[0], sorted(times[1:])[calls // 2], peak]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    comfyui.add_options(parser)
    options = parser.parse_args()
    path = write_full_checkpoint(Path(tempfile.gettempdir()) / "easel-benchmarks" / "full.safetensors")
    rows = []
    for name in CASES:
        rows += _compared(name, path, options) if name in options.only else _kept(name)
    RESULT.write_text(_report(rows, options))
    print(RESULT.read_text())


def _kept(name: str) -> list[str]:
    """The rows that an earlier run wrote of a case."""
    lines = RESULT.read_text().splitlines() if RESULT.exists() else []
    return [line for line in lines if line.startswith(f"| {name} |")]


def _compared(name: str, path: Path, options: argparse.Namespace) -> list[str]:
    """The rows of one case: beside diffusers' best dtype, and beside ComfyUI if that is there."""
    network, side, bar = CASES[name]
    dtypes = ["fp32", "bf16"] if cpu_has_bf16() else ["fp32"]
    everyone = ["ours", *dtypes, *(["comfyui"] if options.comfyui else [])]
    rounds = [{who: _measured(path, who, network, side, options) for who in everyone} for _ in range(options.rounds)]
    best = min(dtypes, key=lambda dtype: median(times[dtype][1] for times in rounds))
    rows = [_row(f"{name} | diffusers {version('diffusers')}, {best}", path, rounds, best, f"{bar:.2f}")]
    if options.comfyui:
        rows.append(_row(f"{name} | {comfyui.chosen(options).version}, fp32", path, rounds, "comfyui", ""))
    return rows


def _row(name: str, path: Path, rounds: list[dict[str, list[float]]], peer: str, asked: str) -> str:
    """Medians over the rounds, and the median of their ratios."""
    ratios = [times["ours"][1] / times[peer][1] for times in rounds]
    ours, theirs = torch.load(f"{path}.ours.out"), torch.load(f"{path}.{peer}.out")
    error = float((ours - theirs).abs().max() / theirs.std())
    cells = [
        *(_seconds([times[who][1] for times in rounds]) for who in ("ours", peer)),
        f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
        asked,
        str(len(rounds)),
        f"{median(times['ours'][0] for times in rounds):.1f}",
        f"{median(times['ours'][2] for times in rounds):.1f} / {median(times[peer][2] for times in rounds):.1f}",
        f"{error:.0e}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _measured(path: Path, who: str, network: str, side: int, options: argparse.Namespace) -> list[float]:
    """Seconds of the first call, median seconds of the others, and the process's peak memory in GiB."""
    arguments = [str(path), who, network, *map(str, (side, options.calls, options.threads))]
    python, program, beside = Path(sys.executable), OURS, comfyui.chosen(options)
    if who == "comfyui" and beside:
        python, program, arguments = beside.python, COMFYUI, [*arguments, *beside.flags()]
    done = subprocess.run(
        [str(python), "-c", START + program + MEASURE, *arguments],
        cwd=ROOT,
        env={**os.environ, **(ENVIRONMENT if who == "ours" else {}), "OMP_NUM_THREADS": str(options.threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _seconds(times: list[float]) -> str:
    return f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def _report(rows: list[str], options: argparse.Namespace) -> str:
    lines = [
        "# The networks on the CPU",
        "",
        f"Full-size SD 1.5 of random numbers; {options.threads} threads, {platform.machine()}, torch "
        f"{torch.__version__}; rounds in alternating fresh processes. "
        "Seconds: median (min to max). The first call is ours, preparation included; memory is the peak of "
        "the process; the difference is the largest one, in standard deviations of the output. Written by "
        "`python -m benchmarks.networks`.",
        "",
        "| what | beside | ours | theirs | ratio | asked | rounds | first call | GiB | difference |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

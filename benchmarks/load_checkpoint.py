"""Loading a full-size SD 1.5 checkpoint: ours beside diffusers' `from_single_file`, in alternating fresh processes.

    python -m benchmarks.load_checkpoint [--rounds 3] [--folder DIR]

diffusers loads faster where `accelerate` is installed, which we do not need: have it importable for a fair comparison.
Writes benchmarks/results/load_checkpoint.md. Needs 2.2 GB of disk in the folder and 7 GB of memory.
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
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from .full_size import write_full_checkpoint

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "load_checkpoint.md"

# What each measured process runs: everything imported and the file in the page cache before the clock starts.
PROBE = """
import json, sys, time
from pathlib import Path
import torch
path, configs, dtype = Path(sys.argv[1]), sys.argv[2], getattr(torch, sys.argv[3])
{imports}
def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024
with path.open("rb", buffering=0) as file:
    buffer = bytearray(1 << 22)
    while file.readinto(buffer):
        pass
Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
before, began, busy = status("VmRSS"), time.perf_counter(), time.process_time()
{load}
seconds, busy = time.perf_counter() - began, time.process_time() - busy
print(json.dumps([seconds, busy, (status("VmHWM") - before) / 2**30]))
"""

OURS = PROBE.format(
    imports="from modules.weights.load import load_checkpoint; import modules.weights.families.sd1",
    load="weights = load_checkpoint(path, dtype=dtype)",
)
DIFFUSERS = PROBE.format(
    imports="from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel; "
    "from transformers import CLIPTextModel",
    load="pipeline = StableDiffusionPipeline.from_single_file(str(path), config=configs, local_files_only=True, "
    "torch_dtype=dtype, tokenizer=None, safety_checker=None, feature_extractor=None)",
)
FLOOR = PROBE.format(
    imports="from safetensors import safe_open",
    load="file = safe_open(path, framework='pt'); kept = [file.get_tensor(name).to(dtype) for name in file.keys()]",
)
READ = PROBE.format(
    imports="",
    load="""with path.open("rb", buffering=0) as file:
    while file.readinto(buffer):
        pass""",
)
EQUAL = """
import sys
from pathlib import Path
import torch
from diffusers import StableDiffusionPipeline
from modules.weights.load import load_checkpoint
path, configs = Path(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
latents, text, steps = torch.randn(1, 4, 16, 16), torch.randn(1, 77, 768), torch.tensor([500.0])
tokens = torch.tensor([[49406, 320, 1125, *[49407] * 74]])
def outputs(unet, vae, text_encoder):
    with torch.inference_mode():
        noise = unet(latents, steps, encoder_hidden_states=text).sample
        return noise, vae.decode(latents).sample, text_encoder(tokens).last_hidden_state
weights = load_checkpoint(path)
ours = outputs(weights.unet, weights.vae, weights.text_encoder)
del weights
pipeline = StableDiffusionPipeline.from_single_file(str(path), config=configs, local_files_only=True,
    torch_dtype=torch.float32, tokenizer=None, safety_checker=None, feature_extractor=None)
theirs = outputs(pipeline.unet, pipeline.vae, pipeline.text_encoder)
print(*(f"{float((a - b).abs().max()):.1e}/{float(b.std()):.2f}" for a, b in zip(ours, theirs)))
"""

CONFIGS = {
    "model_index.json": {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": [None, None],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    },
    "scheduler/scheduler_config.json": {
        "_class_name": "PNDMScheduler",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "skip_prk_steps": True,
        "steps_offset": 1,
    },
    "text_encoder/config.json": {
        "architectures": ["CLIPTextModel"],
        "hidden_act": "quick_gelu",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "model_type": "clip_text_model",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "vocab_size": 49408,
    },
    "unet/config.json": {
        "_class_name": "UNet2DConditionModel",
        "attention_head_dim": 8,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
        "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
        "layers_per_block": 2,
        "sample_size": 64,
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    },
    "vae/config.json": {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "layers_per_block": 2,
        "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    },
}

OURS_CAST, THEIRS_CAST, FLOOR_CAST = "ours, cast to fp32", "diffusers, cast to fp32", "floor: every tensor cast to fp32"
OURS_STORED, THEIRS_STORED = "ours, fp16 kept", "diffusers, fp16 kept"
FLOOR_STORED = "floor: every byte read once"
ROWS = {  # row -> (program, dtype)
    OURS_CAST: (OURS, "float32"),
    THEIRS_CAST: (DIFFUSERS, "float32"),
    FLOOR_CAST: (FLOOR, "float32"),
    OURS_STORED: (OURS, "float16"),
    THEIRS_STORED: (DIFFUSERS, "float16"),
    FLOOR_STORED: (READ, "float16"),
}

Measured = dict[str, list[tuple[float, float, float]]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, help="where the checkpoint is written and kept for the next time")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        path = write_full_checkpoint(folder / "sd15-random.safetensors")
        configs = _write_configs(Path(temporary) / "configs")
        measured: Measured = {row: [] for row in ROWS}
        loads = [os.getloadavg()[0]]
        for number in range(options.rounds):
            for row, (program, dtype) in ROWS.items():
                measured[row].append(tuple(json.loads(_run(program, path, configs, dtype))))
                print(f"round {number + 1}: {row}: {measured[row][-1]}", flush=True)
            loads.append(os.getloadavg()[0])
        report = _report(measured, _run(EQUAL, path, configs, ""), path.stat().st_size, max(loads))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(report)
    print(report)


def _write_configs(folder: Path) -> Path:
    """SD 1.5's configuration as diffusers wants it, so that it looks nothing up."""
    for name, content in CONFIGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def _run(program: str, path: Path, configs: Path, dtype: str) -> str:
    """The last line that a program prints in a process of its own. Raises RuntimeError, with its words, if it fails."""
    command = [sys.executable, "-c", program, str(path), str(configs), dtype]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.strip().splitlines()[-1]


def _report(measured: Measured, differences: str, size: int, load: float) -> str:
    rounds = len(measured[OURS_CAST])
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers", "safetensors"))
    packages += f", accelerate {version('accelerate')}" if find_spec("accelerate") else ", no accelerate"
    unet, vae, text = differences.split()
    peak = median(run[2] for run in measured[OURS_CAST]) * 2**30 / (size * 2)
    rows = [
        f"| {row} | {_spread(runs, 0)} | {_spread(runs, 1)} | {_spread(runs, 2)} |" for row, runs in measured.items()
    ]
    ratios = [
        f"| {ours} / {other} | {_ratio(measured, ours, other, 0)} | {_ratio(measured, ours, other, 1)} "
        f"| {_ratio(measured, ours, other, 2)} |"
        for ours, other in (
            (OURS_CAST, THEIRS_CAST),
            (OURS_CAST, FLOOR_CAST),
            (OURS_STORED, THEIRS_STORED),
            (OURS_STORED, FLOOR_STORED),
        )
    ]
    return f"""# Loading a full-size SD 1.5 checkpoint

Made by `python -m benchmarks.load_checkpoint`. One fp16 file of {size / 1e9:.2f} GB with random weights, in the page
cache. Every run is a fresh process with everything imported before the clock starts; rows alternate, {rounds} rounds;
medians, with the least and the most in brackets.
{packages}, Python {platform.python_version()};
{_processor()}. Load average up to {load:.0f}: where that is far above the number of cores, other
programs had most of the machine, and the CPU column says more than the seconds.

| | seconds | of which CPU | peak RSS above the imports, GiB |
|---|---|---|---|
{chr(10).join(rows)}

| ratio of medians | seconds | CPU | peak |
|---|---|---|---|
{chr(10).join(ratios)}

Cast to fp32, the peak is {peak:.2f} times the weights as loaded.

RSS counts pages of the mapped file, which the system may drop at any time, as well as memory of our own. Kept as fp16,
our parameters are the mapped file: nothing is copied, and pages are first touched when a network first runs, which
these seconds leave out.

Largest difference between the outputs of our networks and diffusers' from the same file in fp32, over the spread of
the output: UNet {unet}, VAE {vae}, text encoder {text}.
"""


def _spread(runs: list[tuple[float, float, float]], column: int) -> str:
    values = [run[column] for run in runs]
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _ratio(measured: Measured, one: str, other: str, column: int) -> str:
    first, second = (median(run[column] for run in measured[row]) for row in (one, other))
    return f"{first / second:.2f}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else platform.processor()


if __name__ == "__main__":
    main()

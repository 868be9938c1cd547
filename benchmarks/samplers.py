"""What samplers cost beside the network, and how near they end to where k-diffusion ends.

    python -m benchmarks.samplers

Overhead: the milliseconds a step takes when the network costs nothing, with guidance, for the latents of a picture of
512 x 512, without listeners and with the moments of a step heard; as a share of a step of the full-size network, which
benchmarks/results/networks.md has. Parity: the largest difference of final latents to k-diffusion's, in the closed-form
world of tests/diffusion, by sampler and schedule. Writes benchmarks/results/samplers.md.
"""

from __future__ import annotations

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import modules.diffusion.samplers  # noqa: F401  (registers them)
from modules.core.registry import SAMPLERS, Entry
from modules.diffusion.denoiser import ModelSigmas
from modules.diffusion.guidance import Conditional, Guidance
from modules.diffusion.noise import NoiseSource
from modules.diffusion.schedules import sigmas_for
from tests.diffusion.mixture import PARITY, sampled

RESULTS = Path(__file__).parent / "results"
SHAPE, STEPS, RUNS = (4, 64, 64), 20, 7
FULL_STEP = re.compile(r"^\| step of the UNet with CFG, 512 x 512 \| ([\d.]+)", re.MULTILINE)
TRAINED = ModelSigmas.scaled_linear()


def main() -> None:
    torch.set_num_threads(1)
    found = FULL_STEP.search((RESULTS / "networks.md").read_text())
    step = float(found[1])
    lines = [
        "# Samplers",
        "",
        f"Beside the network, {STEPS} steps, latents {SHAPE}, one thread, median of {RUNS} runs; a step of the "
        f"full-size network takes {step:.1f} s here. Written by `python -m benchmarks.samplers`.",
        "",
        "| sampler | ms a step | share of a full-size step | with every moment heard, ms |",
        "|---|---|---|---|",
    ]
    for entry in SAMPLERS:
        plain, heard = milliseconds(entry), milliseconds(entry, lambda step: None)
        lines.append(f"| {entry.name} | {plain:.2f} | {plain / step / 10:.3f} % | {heard:.2f} |")
    lines += ["", "## Distance to k-diffusion", "", *parity()]
    text = "\n".join(lines) + "\n"
    (RESULTS / "samplers.md").write_text(text)
    print(text)


def milliseconds(entry: Entry, listener: Callable[[object], None] | None = None) -> float:
    """What a step of this sampler costs with a network that costs nothing."""
    sigmas = sigmas_for(entry, "Karras", STEPS, TRAINED)
    seconds = []
    for _ in range(RUNS):
        source = NoiseSource([1], source="CPU")
        x = source.starting(SHAPE) * sigmas[0]
        brownian = entry.facts.get("noise") == "brownian"
        noise = source.brownian(SHAPE, sigmas) if brownian else source.ancestral(SHAPE)
        guidance = Guidance(
            instant,
            [Conditional(torch.zeros(1, 1, 1))],
            torch.zeros(1, 1, 1),
            7.0,
            sigmas.tolist(),
            guiding=listener,
            predicted=listener,
            guided=listener,
            unconditional_always=bool(entry.facts.get("wants_unconditional")),
        )
        began = time.perf_counter()
        entry.function(guidance, x, sigmas, noise=noise, step=lambda *told: None)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds) / STEPS


def instant(x: Tensor, sigma: Tensor, conditioning: Tensor) -> Tensor:
    """A network whose prediction is nothing."""
    return torch.zeros_like(x)


def parity() -> list[str]:
    """A table of the largest difference by sampler and schedule."""
    worst: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    schedules: list[str] = []
    for key, final in sorted(PARITY.items()):
        if not key.startswith("final/"):
            continue
        _, name, schedule, steps = key.split("/")
        entry = SAMPLERS.get(name)
        error = (sampled(entry, sigmas_for(entry, schedule, int(steps), TRAINED)) - final).abs().max().item()
        worst[name][schedule] = max(worst[name][schedule], error)
        if schedule not in schedules:
            schedules.append(schedule)
    lines = [f"| sampler | {' | '.join(schedules)} |", "|---|" + "---|" * len(schedules)]
    for name, errors in worst.items():
        lines.append(
            f"| {name} | " + " | ".join(f"{errors[one]:.0e}" if one in errors else "" for one in schedules) + " |"
        )
    return lines


if __name__ == "__main__":
    main()

"""`python -m tools.starter_model.lora`: teaches the starter model a style that it never saw, as a LoRA of its own.

The style is a blueprint: white lines on deep blue. Drawings of the starter's world are turned into blueprints, their
captions stay as they are, and small matrices beside the UNet's layers learn to paint them so. The result is a kohya
LoRA like people's: rank 8, in models/Lora, used by <lora:starter-blueprint:1> in a prompt.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from torch import Tensor, nn

from modules.text.chunks import chunk
from modules.text.grammar import attention
from modules.weights.load import load_checkpoint
from modules.weights.weights import Weights

from .captions import caption
from .drawing import draw
from .vae import as_tensor
from .world import training_scene

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "models"
NAME = "starter-blueprint"
BLUE, CHALK = (22, 52, 120), (232, 240, 252)
RANK, BATCH, RATE = 8, 8, 2e-3
PICTURES, MINUTES = 384, 6.0


def blueprint(picture: Image.Image) -> Image.Image:
    """Chalk lines where colours meet, and a faint trace of light and dark, on blue."""
    lines = picture.convert("L").filter(ImageFilter.FIND_EDGES).point([min(255, 4 * v) for v in range(256)])
    shade = picture.convert("L").point([v // 7 for v in range(256)])
    sheet = Image.composite(Image.new("RGB", picture.size, CHALK), Image.new("RGB", picture.size, BLUE), shade)
    sheet.paste(CHALK, (0, 0), lines)
    return sheet


class Addition(nn.Module):
    """What a LoRA adds to one layer: up(down(x)), nothing at first. The matrices are a convolution's for one."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        out, into, *kernel = layer.weight.shape
        self.down = nn.Parameter(torch.randn(RANK, into, *kernel) / (into * RANK) ** 0.5)
        self.up = nn.Parameter(torch.zeros(out, RANK, *[1] * len(kernel)))
        layer.register_forward_hook(self.added)

    def added(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if isinstance(layer, nn.Conv2d):
            return output + F.conv2d(F.conv2d(inputs[0], self.down, None, layer.stride, layer.padding), self.up)
        return output + F.linear(F.linear(inputs[0], self.down), self.up)


def lessons(weights: Weights, count: int) -> tuple[Tensor, Tensor]:
    """Latents (count, c, h, w) of blueprints, and what their captions are to the UNet (count, tokens, width)."""
    size, rng = weights.native_size, Random(0)
    scenes = [training_scene(10_000_000 + number) for number in range(count)]
    sheets = np.stack([np.asarray(blueprint(draw(scene, size, size))) for scene in scenes])
    pictures = as_tensor(sheets, "cpu")
    latents = [weights.encode_image(some) for some in pictures.split(16)]
    texts = [weights.encode(chunk(attention(caption(scene, rng)))) for scene in scenes]
    return torch.cat(latents).clone(), torch.cat([text[:, :77] for text in texts]).clone()


def train(
    weights: Weights, latents: Tensor, texts: Tensor, minutes: float, steps: int | None = None
) -> dict[str, Addition]:
    """The additions to every layer of the UNet, by the layers' names, after so many minutes or steps."""
    unet = weights.unet.requires_grad_(False)
    kinds = nn.Linear | nn.Conv2d
    additions = {name: Addition(layer) for name, layer in unet.named_modules() if isinstance(layer, kinds)}
    learnt = [parameter for addition in additions.values() for parameter in addition.parameters()]
    optimizer = torch.optim.AdamW(learnt, RATE, weight_decay=1e-3)
    signal = _signal(weights)
    began, step = time.monotonic(), 0
    while step < steps if steps else time.monotonic() - began < minutes * 60:
        done = step / steps if steps else (time.monotonic() - began) / (minutes * 60)
        optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 20) * (1 - 0.95 * done)
        loss = _loss(weights, signal, *_drawn(latents, texts))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    return additions


def _signal(weights: Weights) -> Tensor:
    """How much of the picture is left at each of the training steps, 1 to 0: the schedule's cumulated alphas."""
    first, last = weights.family.betas
    betas = torch.linspace(first**0.5, last**0.5, weights.family.training_steps) ** 2
    return (1 - betas).cumprod(0)


def _drawn(latents: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
    chosen = torch.randint(len(latents), (BATCH,))
    return latents[chosen], texts[chosen]


def _loss(weights: Weights, signal: Tensor, latents: Tensor, texts: Tensor) -> Tensor:
    """How far the UNet is from what it should give for these latents under random noise."""
    moments, noise = torch.randint(len(signal), (len(latents),)), torch.randn_like(latents)
    kept = signal[moments].view(-1, 1, 1, 1)
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    given = weights.unet(noisy, moments, encoder_hidden_states=texts, return_dict=False)[0]
    wanted = noise if weights.prediction == "epsilon" else kept.sqrt() * noise - (1 - kept).sqrt() * latents
    return F.mse_loss(given, wanted)


def save(additions: dict[str, Addition], path: Path) -> None:
    """Writes them under kohya's names, fp16, as people's LoRAs are."""
    tensors: dict[str, Tensor] = {}
    for layer, addition in additions.items():
        name = f"lora_unet_{layer.replace('.', '_')}"
        tensors[f"{name}.lora_up.weight"] = addition.up.detach().half()
        tensors[f"{name}.lora_down.weight"] = addition.down.detach().half()
        tensors[f"{name}.alpha"] = torch.tensor(float(RANK)).half()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        tensors, path, {"ss_output_name": path.stem, "ss_network_dim": str(RANK), "ss_base_model_version": "sd_v1"}
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter_model.lora", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODELS / "Stable-diffusion" / "starter.safetensors")
    parser.add_argument("--out", type=Path, default=MODELS / "Lora" / f"{NAME}.safetensors")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of training; preparing takes about one more")
    options = parser.parse_args()
    torch.manual_seed(0)
    weights = load_checkpoint(options.model)
    save(train(weights, *lessons(weights, PICTURES), options.minutes), options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

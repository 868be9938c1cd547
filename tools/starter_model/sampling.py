"""A plain DDIM loop over the trained modules: enough for previews and for scoring without the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel

from .denoiser import alphas_cumprod
from .vae import LATENT_SCALE


@dataclass(frozen=True)
class Modules:
    """What a picture is made with. `encode` gives the token rows (77 integers) of a prompt."""

    text: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    encode: Callable[[str], list[int]]
    device: str = "cpu"

    @torch.no_grad()
    def context(self, prompts: Sequence[str]) -> Tensor:
        rows = torch.tensor([self.encode(prompt) for prompt in prompts], device=self.device)
        return self.text(rows).last_hidden_state

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[str],
        negative_prompt: str = "",
        cfg: float = 4.0,
        seed: int = 0,
        steps: int = 20,
        width: int = 128,
        height: int = 128,
    ) -> list[Image.Image]:
        """One picture per prompt; picture i starts from its own noise of seed + i."""
        shape = (4, height // 8, width // 8)
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(len(prompts))]
        x, alphas = torch.stack(noise).to(self.device), alphas_cumprod().to(self.device)
        wanted, unwanted = self.context(prompts), self.context([negative_prompt]).repeat(len(prompts), 1, 1)
        schedule = torch.linspace(999, 0, steps + 1).round().long().tolist()
        for t, following in pairwise(schedule):
            eps = self.noise(x, t, wanted) if cfg == 1 else self.guided(x, t, wanted, unwanted, cfg)
            x0 = (x - (1 - alphas[t]).sqrt() * eps) / alphas[t].sqrt()
            x = x0 if following == 0 else alphas[following].sqrt() * x0 + (1 - alphas[following]).sqrt() * eps
        return self.pictures(x)

    def noise(self, x: Tensor, t: int, context: Tensor) -> Tensor:
        return self.unet(x, torch.full((len(x),), t, device=x.device), context).sample.float()

    def guided(self, x: Tensor, t: int, wanted: Tensor, unwanted: Tensor, cfg: float) -> Tensor:
        both = self.noise(torch.cat((x, x)), t, torch.cat((wanted, unwanted)))
        towards, away = both.chunk(2)
        return away + cfg * (towards - away)

    @torch.no_grad()
    def pictures(self, x: Tensor) -> list[Image.Image]:
        decoded = torch.cat([self.vae.decode(part / LATENT_SCALE).sample for part in x.split(16)])
        pixels = ((decoded.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(picture) for picture in pixels]


def contact_sheet(pictures: Sequence[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    """Pictures of one size in rows, on white."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for k, picture in enumerate(pictures):
        sheet.paste(picture, (k % columns * (width + gap), k // columns * (height + gap)))
    return sheet

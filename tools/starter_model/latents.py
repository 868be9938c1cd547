"""Drawings as latents, kept in memory: the pool starts small and grows while the denoiser trains."""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .drawing import draw
from .peers import ALONE, Peers
from .presets import Preset
from .progress import clock
from .vae import LATENT_SCALE, as_tensor
from .world import Scene, training_scene

GROUP = 16


def drawn_group(task: tuple[int, int, int]) -> np.ndarray:
    """Sixteen drawings of one size, uint8: the group's number decides their scenes."""
    group, width, height = task
    scenes = (training_scene(group * GROUP + k) for k in range(GROUP))
    return np.stack([np.asarray(draw(scene, width, height)) for scene in scenes])


class LatentPool:
    """Latents in groups of sixteen of one size; the scenes are drawn again from their numbers when needed."""

    def __init__(self, preset: Preset, vae: AutoencoderKL, device: str, peers: Peers = ALONE) -> None:
        self.preset, self.vae, self.device, self.peers = preset, vae, device, peers
        self.next_group = 0
        self.groups: list[Tensor] = []
        self.scenes: list[list[Scene]] = []
        self.by_size: dict[tuple[int, int], list[int]] = {}

    def tasks(self, first: int, last: int) -> list[tuple[int, int, int]]:
        sizes = [(width, height) for width, height, _ in self.preset.sizes]
        shares = [share for _, _, share in self.preset.sizes]
        return [(group, *Random(~group).choices(sizes, shares)[0]) for group in range(first, last)]

    @torch.no_grad()
    def add(self, pictures: np.ndarray) -> None:
        """Encodes the next group's pictures; latents are scaled to unit variance."""
        x = as_tensor(pictures, self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            z = self.vae.encode(x).latent_dist.mean.float() * LATENT_SCALE
        self._keep(z.half().cpu() if self.device == "cpu" else z.half())

    def _keep(self, latents: Tensor) -> None:
        self.by_size.setdefault(tuple(latents.shape[2:]), []).append(len(self.groups))
        self.groups.append(latents.contiguous())
        self.scenes.append([training_scene(self.next_group * GROUP + k) for k in range(GROUP)])
        self.next_group += 1

    def fill(self, path: Path) -> None:
        """The first groups: from `path` if they are there, else drawn by all workers, encoded, and saved."""
        if path.exists():
            for latents in torch.load(path, weights_only=True):
                self._keep(latents)
            return
        count = self.preset.pictures_at_start // GROUP
        with get_context("spawn").Pool(self.preset.workers) as workers:
            drawings: Iterable[np.ndarray] = workers.imap(drawn_group, self.tasks(0, count))
            for done, pictures in enumerate(drawings, start=1):
                self.add(pictures)
                if done % 100 == 0:
                    print(f"{clock()} {done * GROUP} of {count * GROUP} pictures drawn and encoded", flush=True)
        torch.save(self.groups, path)

    def grow(self) -> None:
        """One more group, unless there are enough. Each of the peers draws others."""
        if self.next_group * GROUP < self.preset.pictures_in_all:
            while self.next_group % self.peers.count != self.peers.rank:
                self.next_group += 1
            self.add(drawn_group(self.tasks(self.next_group, self.next_group + 1)[0]))

    def sample(self, count: int, rng: Random) -> tuple[Tensor, list[Scene]]:
        """count latents of one size, (count, 4, h, w), with their scenes; the simpler ones come more often."""
        size = tuple(self.groups[rng.randrange(len(self.groups))].shape[2:])
        chosen: list[tuple[int, int]] = []
        while len(chosen) < count:
            group, k = rng.choice(self.by_size[size]), rng.randrange(GROUP)
            if rng.random() < familiarity(self.scenes[group][k]):
                chosen.append((group, k))
        latents = torch.stack([self.groups[group][k] for group, k in chosen])
        return latents.float(), [self.scenes[group][k] for group, k in chosen]


def familiarity(scene: Scene) -> float:
    """The share of such scenes that training uses: a small model in little time learns the simple ones first."""
    share = 1.0 if len(scene.things) < 2 else 0.5
    return share if scene.style == "flat" else 0.4 * share

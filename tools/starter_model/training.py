"""The whole of training, phase after phase; each one resumes what an earlier run left in the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import multiprocessing

from modules.weights.memory import keep_pages

from .denoiser import Denoiser, train_denoiser
from .latents import LatentPool
from .peers import Peers
from .presets import Preset
from .sampling import Modules, contact_sheet
from .text import CaptionTokens, build_text_encoder
from .text_training import saved_text_encoder, train_text_encoder
from .vae import build_vae
from .vae_training import polish_decoder, train_vae

PREVIEWS = (
    "a red circle on a blue background",
    "a yellow star on a black background",
    "a green square on the left and a pink heart on the right on a white background",
    "a red house on the hills at sunset",
    "a blue boat on the sea at night with a moon",
    "orange cat, meadow, day, sun",
    "a purple balloon in the snow at dawn",
    "a white lighthouse on the left and a yellow car on the right in the desert in a storm",
)


def train(preset: Preset, folder: Path, device: str) -> None:
    """Autoencoder, text encoder, then the UNet on what both say of pictures and captions; last, the decoder."""
    first = folder / "vae_final.pt"
    if not first.exists():
        torch.save(train_vae(preset, folder, device).state_dict(), first)
    train_text_encoder(preset, CaptionTokens(), folder, device)
    LatentPool(preset, saved_vae(preset, first, device), device).fill(folder / "latents.pt")
    together(denoiser_peer, preset, folder, device)
    together(polish_peer, preset, folder, device)


def saved_vae(preset: Preset, path: Path, device: str) -> AutoencoderKL:
    vae = build_vae(preset)
    vae.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return vae.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def final_vae(preset: Preset, folder: Path) -> AutoencoderKL:
    """The autoencoder with its polished decoder, or as it was before, if polishing has not come yet."""
    polished = folder / "decoder.pt"
    vae = saved_vae(preset, folder / "vae_final.pt", "cpu")
    if polished.exists():
        vae.load_state_dict(torch.load(polished, map_location="cpu", weights_only=True)["vae"])
    return vae


def averaged_denoiser(preset: Preset, folder: Path) -> tuple[Denoiser, CaptionTokens]:
    """What the last checkpoint holds, with the tokens it knows."""
    tokens = CaptionTokens()
    denoiser = Denoiser(preset, build_text_encoder(preset, 1 + len(tokens.known)))
    denoiser.load_state_dict(torch.load(folder / "denoiser.pt", map_location="cpu", weights_only=True)["average"])
    return denoiser.eval(), tokens


def together(peer: Callable[[int, Preset, Path, str], None], preset: Preset, folder: Path, device: str) -> None:
    """Runs a phase in the preset's number of processes."""
    if preset.processes == 1:
        peer(0, preset, folder, device)
        return
    (folder / "meeting").unlink(missing_ok=True)
    multiprocessing.spawn(peer, (preset, folder, device), nprocs=preset.processes)


def met_peers(rank: int, preset: Preset, folder: Path) -> Peers:
    peers = Peers(rank, preset.processes)
    if peers.count > 1:
        keep_pages()
        torch.set_num_threads(1)
        peers.meet(folder)
    return peers


def denoiser_peer(rank: int, preset: Preset, folder: Path, device: str) -> None:
    """One process of the denoiser's training; the first one writes checkpoints and `preview.png`."""
    peers = met_peers(rank, preset, folder)
    vae, tokens = saved_vae(preset, folder / "vae_final.pt", device), CaptionTokens()
    pool = LatentPool(preset, vae, device, peers)
    pool.fill(folder / "latents.pt")

    def show(average: Denoiser, step: int) -> None:
        modules = Modules(average.text, average.unet, vae, tokens.rows, device)
        size = preset.native_size
        pictures = modules.generate(PREVIEWS, cfg=4.0, seed=1, steps=10, width=size, height=size)
        contact_sheet(pictures, columns=4).save(folder / "preview.png")

    text = saved_text_encoder(preset, tokens, folder, device)
    train_denoiser(preset, pool, tokens, text, folder, device, peers, show)


def polish_peer(rank: int, preset: Preset, folder: Path, device: str) -> None:
    """One process of the decoder's second training."""
    peers = met_peers(rank, preset, folder)
    polish_decoder(saved_vae(preset, folder / "vae_final.pt", device), preset, folder, device, peers)

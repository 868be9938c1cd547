"""A loaded model: its networks, and the facts that computing with them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from ..catalog.declared import Declared
from ..catalog.families import Family
from ..diffusion.channels import TEXT
from ..diffusion.denoiser import Conditioning
from ..text.chunks import COMMA_BACKTRACK, Chunk
from ..text.grammar import Piece
from ..text.sentences import Sentences
from .embeddings import Taught, words_shown
from .emphasis import PLAIN, Reading, States, Text, conditionings
from .lora.merged import Merged
from .memory import free_memory
from .prepared import held_bytes
from .reading import Reader
from .tensors import Identities, Stored
from .tiling import SMALLEST, decode_tiled, encode_tiled, tile_side


@dataclass(frozen=True)
class Situation:
    """What a prompt is for: pictures of `width` x `height` pixels; `negative` if they are steered away from it; `blank`
    if it says nothing.
    """

    width: int
    height: int
    negative: bool = False
    blank: bool = False


@dataclass
class Weights:
    """The networks of one checkpoint, on one device. Made by `load_checkpoint`; owned by whoever opened it.

    `rules` is the family's module in weights/families. `vae_path` is None when the VAE is the checkpoint's own.
    `stored` says where "unet" and "text_encoder" can be read again, `merged` which LoRAs are in them now.
    `taught` are the words that chunks may have. `vae_in_float32` reads the VAE again for numbers that fp16 cannot hold.
    `others`: the files that held what the checkpoint lacks. `sentences` is T5's tokenizer, None without T5.
    `remarks` are what happened that whoever asked for a picture should hear; who tells it takes it out.
    """

    path: Path
    vae_path: Path | None
    family: Family
    declared: Declared
    rules: ModuleType
    unet: nn.Module
    vae: nn.Module
    text_encoder: nn.Module
    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype
    stored: Mapping[str, Stored] = field(default_factory=dict)
    merged: Merged = field(default_factory=Merged)
    taught: Taught = field(default_factory=Taught)
    vae_in_float32: Callable[[Weights], nn.Module] | None = None
    others: Identities = field(default_factory=dict)
    sentences: Sentences | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def native_size(self) -> int:
        """The picture size, in pixels, that the model was trained for."""
        return self.declared.native_size or self.family.native_size

    @property
    def prediction(self) -> str:
        """What the UNet gives: "epsilon", "v_prediction" or "flow"."""
        return self.declared.prediction_type or self.family.prediction

    @property
    def distilled_guidance(self) -> bool:
        """Whether the network is told a guidance scale: in the conditioning, as "guidance"."""
        return bool(self.unet.config.get("guidance_embeds"))

    @property
    def latent_channels(self) -> int:
        return self.vae.config.latent_channels

    @property
    def latent_factor(self) -> int:
        """Pixels per latent, each way: every level of the VAE but one halves the picture."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def preview_colours(self) -> tuple[Tensor, Tensor]:
        """A matrix (channels, 3) and a bias (3,) that turn latents into colours in [-1, 1]; float32 on the CPU."""
        preview = self.declared.preview
        factors, bias = (
            (preview.factors, preview.bias) if preview else (self.family.preview_factors, self.family.preview_bias)
        )
        return torch.tensor(factors), torch.tensor(bias)

    @property
    def nbytes(self) -> int:
        """Bytes that the parameters take on the device."""
        networks = (self.unet, self.vae, self.text_encoder)
        return sum(held_bytes(network) for network in networks)

    @torch.inference_mode()
    def states(self, chunk: Chunk, reading: Reading) -> States:
        """What the text encoders make of one chunk, whatever its weights. Raises UserError for a bad clip skip."""
        with words_shown(self, chunk):
            return self.rules.states(self, chunk, reading)

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Who reads a text, each in its own chunks. The text grows by those of the first."""
        return self.rules.readers(self)

    def joined(self, streams: Sequence[Conditioning]) -> Conditioning:
        """One text as the UNet reads it, from what each of `readers` made of it."""
        return self.rules.joined(self, streams)

    @torch.inference_mode()
    def encode(self, chunks: Sequence[Chunk], clip_skip: int = 1) -> Conditioning:
        """One text as CLIP reads it, in the UNet's dtype on its device: (1, 77 * len(chunks), width); where there is a
        vector (1, width) of it too, the former as "text" and that, of the first chunk, as "pooled".
        """
        states = [self.states(chunk, Reading(clip_skip)) for chunk in chunks]
        return conditionings([Text(chunks, states)], self.dtype)[0]

    @torch.inference_mode()
    def read(self, pieces: Sequence[Piece], reading: Reading = PLAIN) -> Conditioning:
        """One text as the UNet reads it, by all who do."""
        streams = []
        for reader in self.readers:
            chunks = reader.chunks(pieces, COMMA_BACKTRACK)
            streams += conditionings([Text(chunks, [reader.states(one, reading) for one in chunks])], self.dtype)
        return self.joined(streams)

    def situated(self, conditioning: Conditioning, situation: Situation) -> Conditioning:
        """What `encode` gave, with all else that the family's UNet is told about the pictures: SDXL's "sizes"."""
        return self.rules.situated(self, conditioning, situation)

    @torch.inference_mode()
    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The UNet's output (b, c, h, w), float32, for scaled latents (b, c, h, w), timesteps (b,) in [0, 1000], which
        may be fractional, and conditioning: "text" (b, tokens, width), alone or by name beside "pooled" (b, width),
        "sizes" (b, 6 or 5) and "guidance" (b,). Channels that an inpainting UNet sees beside the latents come behind
        theirs, so c is then larger on the way in: see diffusion/channels.py. In flow models x = (1 - sigma) * latents +
        sigma * noise comes in, at the timestep 1000 * sigma, and what is given is the velocity noise - latents.
        """
        named = conditioning if isinstance(conditioning, Mapping) else {TEXT: conditioning}
        told = {name: value.to(self.device, self.dtype) for name, value in named.items()}
        return self.rules.predict(
            self.unet, latents.to(self.device, self.dtype), timesteps.to(self.device), told
        ).float()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (b, 3, h * factor, w * factor), float32, about [-1, 1] but not clamped, for latents (b, c, h, w)."""
        plain = latents.to(self.device, torch.float32) / self.family.latent_scale + self.family.latent_shift
        return self._by_vae(plain, *plain.shape[2:], lambda x: self.vae.decode(x, return_dict=False)[0], decode_tiled)

    @torch.inference_mode()
    def encode_image(self, pictures: Tensor) -> Tensor:
        """Latents (b, c, h / factor, w / factor), float32, for pictures (b, 3, h, w) in [-1, 1]: the code's mean."""
        height, width = (side // self.latent_factor for side in pictures.shape[2:])
        parameters = self._by_vae(
            pictures.to(self.device),
            height,
            width,
            lambda x: self.vae.encode(x, return_dict=False)[0].parameters,
            encode_tiled,
        )
        return (parameters.chunk(2, dim=1)[0] - self.family.latent_shift) * self.family.latent_scale

    def _by_vae(
        self,
        x: Tensor,
        height: int,
        width: int,
        whole: Callable[[Tensor], Tensor],
        tiled: Callable[[nn.Module, Tensor, int], Tensor],
    ) -> Tensor:
        """What the VAE makes of x, float32: at once, or in tiles where `height` x `width` latents find no room. When
        that is not finite, the VAE is read again in float32, asked once more, and this is remarked.
        """
        side = tile_side(self.vae, height, width, free_memory(self.device))
        seen = x.to(self.vae_dtype)
        if seen.device.type == "cpu" and seen.dtype == torch.bfloat16:  # its convolutions are a fifth faster so
            seen = seen.contiguous(memory_format=torch.channels_last)
        try:
            given = tiled(self.vae, seen, side) if side else whole(seen)
        except torch.OutOfMemoryError:
            given = tiled(self.vae, seen, SMALLEST)
        if torch.isfinite(given).all() or self.vae_dtype == torch.float32 or self.vae_in_float32 is None:
            return given.float()
        old = str(self.vae_dtype).removeprefix("torch.")
        self.remarks.append(f"The VAE gave numbers that are not finite in {old}: it computes in float32 now.")
        self.vae, self.vae_dtype = self.vae_in_float32(self), torch.float32
        return self._by_vae(x, height, width, whole, tiled)

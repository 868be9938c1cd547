"""The checkpoint that is loaded: its networks, and the names and hashes that pictures carry."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from ..catalog.hashing import HashCache, short_hash
from ..catalog.scan import ModelFile
from ..core.request import GenerationRequest
from ..core.sections.sampler import ZERO_TERMINAL_SNR
from ..diffusion.channels import concatenating
from ..diffusion.denoiser import FLOW, EpsDenoiser, ModelSigmas, denoiser_for
from ..diffusion.flow import FlowSigmas
from ..weights.weights import Weights

INPAINTING, EDITING = "inpainting", "pix2pix"


@dataclass(frozen=True)
class Model:
    """`file` and `vae` say what was loaded (`vae` None: the checkpoint's own); hashes are computed behind the first
    picture, since a full-size file takes seconds. `told`: what was said of it beside.
    `zero_terminal_snr`: its noise levels go up to pure noise. `flow_shift`: a flow model's, 0 for its own.
    """

    weights: Weights
    file: ModelFile
    vae: ModelFile | None
    file_hash: Future[str]
    vae_hash: Future[str] | None
    told: str = ""
    zero_terminal_snr: bool = False
    flow_shift: float = 0.0

    @property
    def text_state(self) -> Hashable:
        """All that tells this model's text encoder from others: what it gave may be used again while this is equal."""
        return self.file.path, self.file.size, self.file.mtime_ns, self.weights.merged.in_text_encoder

    def scheduled(self, request: GenerationRequest) -> Model:
        """The same model on the noise levels that the request wants, else those that the file declares."""
        zero = request.sd_noise_schedule == ZERO_TERMINAL_SNR or bool(self.weights.declared.zero_terminal_snr)
        if (zero, request.flow_shift) == (self.zero_terminal_snr, self.flow_shift):
            return self
        return replace(self, zero_terminal_snr=zero, flow_shift=request.flow_shift)

    @property
    def is_flow(self) -> bool:
        return self.weights.prediction == FLOW

    @cached_property
    def sigmas(self) -> ModelSigmas:
        family = self.weights.family
        if self.is_flow:
            guided = self.weights.distilled_guidance and family.guided_flow_shift
            shift = self.flow_shift or self.weights.declared.flow_shift or guided or family.flow_shift
            return FlowSigmas(shift, family.training_steps, family.flow_schedule)
        return ModelSigmas.scaled_linear(*family.betas, family.training_steps, zero_terminal_snr=self.zero_terminal_snr)

    @cached_property
    def denoiser(self) -> EpsDenoiser:
        return denoiser_for(self.weights.prediction, concatenating(self.weights.predict), self.sigmas)

    @property
    def extra_channels(self) -> int:
        """How many channels the UNet is given beside the noisy latents: 0 for most."""
        if self.is_flow:
            return 0
        return self.weights.unet.config.in_channels - self.weights.latent_channels

    @property
    def purpose(self) -> str:
        """What those channels are for: `INPAINTING` (mask and masked picture), `EDITING` (the picture), or ""."""
        channels = self.weights.latent_channels
        return {1 + channels: INPAINTING, channels: EDITING}.get(self.extra_channels, "")

    @cached_property
    def preview_colours(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Factors and bias for previews; None for a family without a known fit."""
        factors, bias = self.weights.preview_colours
        return (factors, bias) if len(factors) else None

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """(channels, h, w) of the latents of a picture of that many pixels."""
        factor = self.weights.latent_factor
        return self.weights.latent_channels, height // factor, width // factor


def hash_behind(pool: ThreadPoolExecutor, hashes: HashCache, file: ModelFile) -> Future[str]:
    """The short hash of a file, from its row, the cache or a thread."""
    if file.short_hash:
        known: Future[str] = Future()
        known.set_result(file.short_hash)
        return known
    return pool.submit(lambda: short_hash(hashes.sha256(file.path)))

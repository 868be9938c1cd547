"""From a network that predicts noise to `denoised(x, sigma, conditioning)`: a guess at the clean latents.

Samplers work on x = alpha * latents + sigma * noise. For most networks alpha is 1; they were trained on the same thing
scaled to unit variance, at a timestep instead of a sigma, and predict eps or v. For flow models (see `flow`) alpha is
1 - sigma, and they see x itself. The wrappers here, and `alpha` of the levels, are the only places that know.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.errors import UserError

Conditioning = Tensor | Mapping[str, Tensor]
Network = Callable[[Tensor, Tensor, Any], Tensor]


LEAST_ALPHA = 4.8973451890853435e-08  # of the picture left in pure noise, as A1111 has it: sigma 4,519, not endless


def ending_in_noise(alphas_cumprod: Tensor) -> Tensor:
    """The shares of the picture (timesteps,) of a schedule, stretched so that nothing is left of it at the last step.

    Lin et al. 2023 (arXiv 2305.08891), algorithm 1; but for the very last, which is `LEAST_ALPHA` instead of 0.
    """
    roots = alphas_cumprod.sqrt()
    first, last = roots[0], roots[-1]
    stretched = ((roots - last) * (first / (first - last))) ** 2
    stretched[-1] = LEAST_ALPHA
    return stretched


class ModelSigmas:
    """The noise levels a network was trained on, and the way between a level and its timestep.

    Between two trained levels, log sigma is linear in the timestep (k-diffusion's unquantised `DiscreteSchedule`).
    """

    limit = math.inf  # no level is above

    def __init__(self, betas: Tensor, *, zero_terminal_snr: bool = False) -> None:
        """`betas`: noise variances of the training steps, shape (timesteps,), each between 0 and 1, best in float64.
        `zero_terminal_snr`: the network was trained on these levels as `ending_in_noise` stretches them.
        """
        alphas_cumprod = torch.cumprod(1 - betas.double(), dim=0)
        if zero_terminal_snr:
            alphas_cumprod = ending_in_noise(alphas_cumprod)
        sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
        self.sigmas: Tensor = sigmas.float()
        self._log_table = self.sigmas.log()
        self._log_sigmas: list[float] = self.sigmas.double().log().tolist()

    @classmethod
    def scaled_linear(
        cls, start: float = 0.00085, end: float = 0.012, timesteps: int = 1000, *, zero_terminal_snr: bool = False
    ) -> ModelSigmas:
        """Betas evenly spaced in their square root: Stable Diffusion 1, 2 and XL with the defaults."""
        betas = torch.linspace(start**0.5, end**0.5, timesteps, dtype=torch.float64) ** 2
        return cls(betas, zero_terminal_snr=zero_terminal_snr)

    @property
    def sigma_min(self) -> float:
        return self.sigmas[0].item()

    @property
    def sigma_max(self) -> float:
        return self.sigmas[-1].item()

    def __len__(self) -> int:
        return len(self.sigmas)

    def automatic(self, own: str) -> str:
        """The schedule that "Automatic" means with a sampler whose own is called `own`."""
        return own

    def alpha(self, sigma: float) -> float:
        """How much of the picture is in x = alpha * latents + sigma * noise at a level."""
        return 1.0

    def noised(self, latents: Tensor, noise: Tensor, sigma: float, extra: float = 0.0) -> Tensor:
        """x at the level `sigma`, of clean latents and standard normal noise that fit one another in shape. `extra`:
        so much more noise than the level says, in the latents' own scale.
        """
        alpha = self.alpha(sigma)
        return latents * alpha + noise * (sigma + alpha * extra)

    def raised(self, x: Tensor, noise: Tensor, sigma: float, to: float) -> Tensor:
        """`x` at the level `sigma` with as much standard normal noise added that it is at the level `to`, above it."""
        kept = self.alpha(to) / self.alpha(sigma)
        return torch.add(x * kept, noise, alpha=math.sqrt(to**2 - (kept * sigma) ** 2))

    def ratio(self, sigma: float) -> float:
        """Noise to picture at a level, sigma / alpha."""
        return sigma

    def at_ratio(self, ratio: float) -> float:
        """The level where that is `ratio`."""
        return ratio

    def every(self, n: int) -> Tensor:
        """Of the trained levels every (timesteps / n)-th, n of them, from the highest; float32."""
        stride = len(self) / n
        return self.sigmas[[-1 - int(i * stride) for i in range(n)]]

    def sigmas_at(self, timesteps: Tensor) -> Tensor:
        """The noise levels at `timesteps`, float32: between 0 and len - 1, whole or not."""
        timesteps = timesteps.float()
        low, high = timesteps.floor().long(), timesteps.ceil().long()
        weight = timesteps.frac()
        return ((1 - weight) * self._log_table[low] + weight * self._log_table[high]).exp()

    def timestep(self, sigma: float) -> float:
        """The timestep with noise level `sigma`: 0 for anything below the lowest, len - 1 above the highest."""
        if sigma <= 0:
            return 0.0
        log_sigma = math.log(sigma)
        low = min(max(bisect_right(self._log_sigmas, log_sigma) - 1, 0), len(self) - 2)
        here, above = self._log_sigmas[low], self._log_sigmas[low + 1]
        return low + min(max((log_sigma - here) / (above - here), 0.0), 1.0)


class EpsDenoiser:
    """Denoised latents from a network that predicts the noise itself (SD 1, SDXL)."""

    def __init__(self, network: Network, model: ModelSigmas, dtype: torch.dtype | None = None) -> None:
        """`network(x, t, conditioning)` takes x (rows, c, h, w) of unit variance in `dtype` (None: as it comes) and t
        (rows,) float32, and gives a prediction of x's shape."""
        self.network = network
        self.model = model
        self.dtype = dtype

    def __call__(self, x: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """Clean latents of x's shape and dtype. `x` (rows, c, h, w); `sigma` 0-dim on the CPU, to be read at once."""
        level = float(sigma)
        t = torch.full((x.shape[0],), self.timestep(level), dtype=torch.float32, device=x.device)
        scaled = self.seen(x, level)
        prediction = self.network(scaled.to(self.dtype or x.dtype), t, conditioning)
        return self.denoised(x, prediction.to(x.dtype), level)

    def timestep(self, sigma: float) -> float:
        """What the network is told of the level."""
        return self.model.timestep(sigma)

    def seen(self, x: Tensor, sigma: float) -> Tensor:
        """x as the network was trained to see it: of unit variance."""
        return x * (1 / math.hypot(sigma, 1.0))

    def denoised(self, x: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """x = latents + sigma * eps, solved for the latents; of a flow, x = latents + sigma * (noise - latents)."""
        return torch.add(x, prediction, alpha=-sigma)


class VDenoiser(EpsDenoiser):
    """Denoised latents from a network that predicts v (SD 2 at 768 and models tuned like it).

    v = alpha * eps - sqrt(1 - alpha^2) * latents on the unit-variance scale: Salimans and Ho 2022, appendix D.
    """

    def denoised(self, x: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        variance = sigma * sigma + 1
        return (x / variance).add_(prediction, alpha=-sigma / math.sqrt(variance))


class FlowDenoiser(EpsDenoiser):
    """Denoised latents from a network that predicts the velocity of a flow, noise - latents (SD 3, FLUX).

    With x = (1 - sigma) * latents + sigma * noise: Esser et al. 2024 (arXiv 2403.03206).
    """

    def timestep(self, sigma: float) -> float:
        return sigma * len(self.model)

    def seen(self, x: Tensor, sigma: float) -> Tensor:
        return x


FLOW = "flow"
DENOISERS: Mapping[str, type[EpsDenoiser]] = {
    "epsilon": EpsDenoiser,
    "v_prediction": VDenoiser,
    FLOW: FlowDenoiser,
}


def denoiser_for(
    prediction: str, network: Network, model: ModelSigmas, dtype: torch.dtype | None = None
) -> EpsDenoiser:
    """The wrapper for a network's prediction type, one of `DENOISERS`. Raises UserError for any other."""
    if prediction not in DENOISERS:
        raise UserError(
            f"This checkpoint says that its network predicts {prediction!r}.",
            hint=f"Prediction types that can be sampled: {', '.join(DENOISERS)}.",
        )
    return DENOISERS[prediction](network, model, dtype)

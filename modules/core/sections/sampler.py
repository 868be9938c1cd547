"""What samplers and schedules can be told beyond their name. Each option counts for those that have it."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

MOST_LETTERS = 20_000
DEFAULT, ZERO_TERMINAL_SNR = "Default", "Zero Terminal SNR"


class SamplerOptions(BaseModel):
    """Eta, churn and noise of samplers; range and shape of schedules. Defaults and names are A1111's."""

    eta: float = param(
        1.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Eta",
        written="noted",
        group="sampler",
        help="How much of the noise is renewed at every step by samplers that do so; 0 is none.",
    )
    eta_ddim: float = param(
        0.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Eta DDIM",
        written="noted",
        group="sampler",
        help="The same for DDIM, which renews none unless told.",
    )
    eta_noise_seed_delta: int = param(
        0,
        ge=0,
        le=2**32,
        label="Eta noise seed delta",
        infotext="ENSD",
        written="noted",
        group="sampler",
        help="Added to the seed for the noise between steps. 31337 is NovelAI's.",
    )
    s_churn: float = param(
        0.0,
        ge=0,
        le=100,
        slider=(0, 100, 0.01),
        label="Sigma churn",
        written="noted",
        group="sampler",
        help="Noise added before steps, over all of them together.",
    )
    s_tmin: float = param(
        0.0,
        ge=0,
        le=1000,
        slider=(0, 10, 0.01),
        label="Sigma tmin",
        written="noted",
        group="sampler",
        help="Below this noise level there is no churn.",
    )
    s_tmax: float = param(
        0.0,
        ge=0,
        le=1000,
        slider=(0, 999, 0.01),
        label="Sigma tmax",
        written="noted",
        group="sampler",
        help="Above this noise level there is no churn. 0: no such limit.",
    )
    s_noise: float = param(
        1.0,
        ge=0,
        le=2,
        slider=(0, 1.1, 0.001),
        label="Sigma noise",
        written="noted",
        group="sampler",
        help="What the noise between steps is multiplied with.",
    )
    sampler_options: str = param(
        "",
        max_length=400,
        label="Further options",
        infotext="Sampler options",
        written="noted",
        group="sampler",
        help="Of this sampler alone, as name=value with commas between. An unknown name is answered with those it has.",
    )
    sigma_min: float = param(
        0.0,
        ge=0,
        le=1000,
        label="Schedule min sigma",
        written="changed",
        group="sampler",
        help="The lowest noise level above 0. 0: the model's.",
    )
    sigma_max: float = param(
        0.0,
        ge=0,
        le=10_000,
        label="Schedule max sigma",
        written="changed",
        group="sampler",
        help="The noise level to start from. 0: the model's.",
    )
    rho: float = param(
        0.0,
        ge=0,
        le=100,
        label="Schedule rho",
        written="changed",
        group="sampler",
        help="The power of Karras (7) and Polyexponential (1). 0: these.",
    )
    beta_dist_alpha: float = param(
        0.6,
        ge=0.01,
        le=10,
        slider=(0.01, 1, 0.01),
        label="Beta schedule alpha",
        written="noted",
        group="sampler",
        help="The Beta schedule's shape: lower puts more steps where the noise is high.",
    )
    beta_dist_beta: float = param(
        0.6,
        ge=0.01,
        le=10,
        slider=(0.01, 1, 0.01),
        label="Beta schedule beta",
        written="noted",
        group="sampler",
        help="The Beta schedule's shape: lower puts more steps where the noise is low.",
    )
    always_discard_next_to_last_sigma: bool = param(
        False,
        label="Discard penultimate sigma",
        written="changed",
        group="sampler",
        help="Leave out the last noise level before 0, as DPM2 and DPM++ 3M SDE always do.",
    )
    sd_noise_schedule: str = param(
        DEFAULT,
        choices=(DEFAULT, ZERO_TERMINAL_SNR),
        label="Noise schedule",
        infotext="Noise Schedule",
        written="changed",
        group="sampler",
        help="Zero Terminal SNR starts from pure noise, for models that predict v and were trained so. Default does "
        "that where the checkpoint, or the .yaml beside it, says so.",
    )
    flow_shift: float = param(
        0.0,
        ge=0,
        le=100,
        slider=(0, 12, 0.05),
        label="Shift",
        written="noted",
        group="sampler",
        help="How much longer flow models (SD 3, FLUX) stay at high noise levels. 0: the model's own, 3 for SD 3, 3.16 "
        "for FLUX dev, 1 for schnell. Larger pictures want more.",
    )
    sgm_noise_multiplier: bool = param(
        False,
        label="SGM noise multiplier",
        written="changed",
        group="sampler",
        help="Start with the amount of noise that Stability AI's own SDXL code starts with.",
    )
    custom_sigmas: str = param(
        "",
        max_length=MOST_LETTERS,
        label="Custom sigmas",
        written="changed",
        group="sampler",
        help="A list of descending noise levels, with commas between, instead of steps and schedule type.",
    )

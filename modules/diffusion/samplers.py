"""All samplers. Importing this module registers them; `SAMPLERS` in `core.registry` lists them.

A sampler is a plain function `f(model, x, sigmas, *, noise, step, **options) -> x`:

- `model(x, sigma)` gives the denoised latents for x (n, c, h, w) at the 0-dim level `sigma`;
- `x` starts as noise * sigmas[0] (plus latents, for img2img) and is never written to;
- `sigmas` descend, float32, on the CPU; the result is at the last of them, which is 0 for most schedules;
- `noise` and `step` are described in `stepping`; options are typed keyword arguments with defaults.
"""

from .samplers_cfgpp import ddim_cfgpp, dpmpp_2m_cfgpp, euler_cfgpp
from .samplers_diffusers import adapted, deis, sa_solver
from .samplers_dpmpp import dpmpp_2m, dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_2s_ancestral, dpmpp_3m_sde, dpmpp_sde
from .samplers_euler import dpm_2, dpm_2_ancestral, euler, euler_ancestral, heun, linear_multistep, restart
from .samplers_extended import ddpm, heunpp2, ipndm, ipndm_v, tcd
from .samplers_smea import euler_dy, euler_smea_dy
from .samplers_solver import dpm_adaptive, dpm_fast
from .samplers_timesteps import ddim, lcm, plms, starting_scale, unipc

__all__ = [
    "adapted",
    "ddim",
    "ddim_cfgpp",
    "ddpm",
    "deis",
    "dpm_2",
    "dpm_2_ancestral",
    "dpm_adaptive",
    "dpm_fast",
    "dpmpp_2m",
    "dpmpp_2m_cfgpp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_heun",
    "dpmpp_2s_ancestral",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "euler",
    "euler_ancestral",
    "euler_cfgpp",
    "euler_dy",
    "euler_smea_dy",
    "heun",
    "heunpp2",
    "ipndm",
    "ipndm_v",
    "lcm",
    "linear_multistep",
    "plms",
    "restart",
    "sa_solver",
    "starting_scale",
    "tcd",
    "unipc",
]

"""What other programs call samplers and schedules, in A1111's words."""

from __future__ import annotations

from typing import Final

# ComfyUI's own names, which Fooocus and SwarmUI share. `_gpu` says who draws the noise and is cut off first.
COMFY_SAMPLERS: Final = {
    "euler": "Euler",
    "euler_cfg_pp": "Euler CFG++",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "heunpp2": "HeunPP2",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_cfg_pp": "DPM++ 2M CFG++",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "ddpm": "DDPM",
    "lcm": "LCM",
    "tcd": "TCD",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM_V",
    "deis": "DEIS",
    "ddim": "DDIM",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
    "sa_solver": "SA-Solver",
    "restart": "Restart",
}
COMFY_SCHEDULES: Final = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "kl_optimal": "KL Optimal",
    "turbo": "Turbo",
    "align_your_steps": "Align Your Steps",
    "ays": "Align Your Steps",
}
# InvokeAI's, after diffusers' classes; a "_k" behind them means Karras.
INVOKE_SAMPLERS: Final = {
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "deis": "DEIS",
    "dpmpp_2s": "DPM++ 2S a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m": "DPM++ 3M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "heun": "Heun",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "lms": "LMS",
    "pndm": "PLMS",
    "plms": "PLMS",
    "unipc": "UniPC",
    "euler": "Euler",
    "euler_a": "Euler a",
    "lcm": "LCM",
    "tcd": "TCD",
}
NOVELAI_SAMPLERS: Final = {
    "k_euler": "Euler",
    "k_euler_ancestral": "Euler a",
    "k_lms": "LMS",
    "k_heun": "Heun",
    "k_dpm_2": "DPM2",
    "k_dpm_2_ancestral": "DPM2 a",
    "k_dpm_fast": "DPM fast",
    "k_dpm_adaptive": "DPM adaptive",
    "k_dpmpp_2m": "DPM++ 2M",
    "k_dpmpp_2s_ancestral": "DPM++ 2S a",
    "k_dpmpp_sde": "DPM++ SDE",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE",
    "k_dpmpp_3m_sde": "DPM++ 3M SDE",
    "ddim": "DDIM",
    "ddim_v3": "DDIM",
    "plms": "PLMS",
}
SDNEXT_SAMPLERS: Final = {
    "KDPM2": "DPM2",
    "KDPM2 a": "DPM2 a",
    "LMSD": "LMS",
    "PNDM": "PLMS",
    "SA Solver": "SA-Solver",
    "DPM SDE": "DPM++ SDE",
    "DPM++ 3M": "DPM++ 3M SDE",
}


def comfy_sampler(name: str) -> str:
    """A1111's name for a sampler of ComfyUI's; an unknown one as it is."""
    return COMFY_SAMPLERS.get(name.removesuffix("_gpu"), name)

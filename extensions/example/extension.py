"""An extension in one small file: a parameter, a setting, a sampler, a tab and a route.

Copy this folder, rename it, and begin. `docs/extensions.md` lists every moment that can be listened to.
"""

from __future__ import annotations

import numpy as np

from modules.plugins.api import Param, Setting, hook, sampler

Param(
    "vignette",
    0.0,
    ge=0,
    le=1,
    slider=(0, 1, 0.05),
    label="Vignette",
    written="changed",
    help="Darkens the corners of the picture.",
)
Setting("vignette_softness", 2.0, ge=0.5, le=8, label="Vignette softness", help="Higher keeps more of the middle bright.")


@sampler("Midpoint", aliases=("midpoint",), model_calls=2)
def midpoint(model, x, sigmas, *, noise, step):
    """The midpoint method: the slope halfway to the next level takes the whole step. Two model calls a step."""
    for i, (sigma, after) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        denoised = model(x, sigma)
        step(i, x, float(sigma), denoised)
        halfway = (sigma + after) / 2
        there = x + (x - denoised) / sigma * (halfway - sigma)
        x = x + (there - model(there, halfway)) / halfway * (after - sigma)
    return x


@hook
def picture_ready(run, draft):
    strength = run.request.extra.get("vignette", 0.0)
    if strength:
        height, width, _ = draft.pixels.shape
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        shade = 1 - strength * ((x**2 + y**2) / 2) ** run.settings["vignette_softness"]
        draft.pixels = (draft.pixels * shade[..., None]).round().astype(np.uint8)


@hook
def building_ui(ui):
    ui.tab("Example", build_tab)


def build_tab():
    import gradio as gr

    gr.Markdown(
        "### The example extension\n"
        "It adds the slider **Vignette** to txt2img, the sampler **Midpoint**, the setting **Vignette softness**, "
        "this tab, and the route `/ext/example/hello`. Read `extensions/example/extension.py` to see how."
    )


@hook
def app_ready(web):
    @web.get("/ext/example/hello")
    def hello() -> dict[str, str]:
        return {"message": "Hello from the example extension."}

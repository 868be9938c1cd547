"""The tabs that make pictures. One builder for txt2img, img2img, inpainting and Extras: their parameters differ.

Gradio holds the widgets; pressing Generate hands their values to the studio and returns. What a job does afterwards
reaches the page through `/api/events` and is drawn by the modules in `static/`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from ..core.errors import UserError
from ..core.params import EXTENSION_PARAMS, EXTRAS, Param
from ..core.request import PARAMS
from ..core.scripts import SCRIPTS
from .events import QUICK, called
from .fields import param_field, values_of
from .layout import fold, markup, tool
from .offers import offers
from .script_fields import CHOOSER, GROUP, NO_SCRIPT, is_meant, prefix, script_params, with_script

if TYPE_CHECKING:
    from ..studio import Studio

log = logging.getLogger("easel.page")

# What paints or enlarges is chosen first; then the groups of parameters in the order in which they stand. Any other
# group is folded away under "More", and what extensions added under "Extensions".
FIRST = ("checkpoint", "upscaler_1")
IN_SIGHT = ("sampling", "size", "batch", "seed", "upscaling", "blending", "restoring")
# Of the groups that need a picture, what changes often stands in sight too; the rest of each is a section of its own.
OFTEN = (("denoising_strength", "resize_mode"), ("inpaint_area", "masked_content", "mask_blur"))
SECTIONS = {
    "hires": "Hires. fix",
    "image": "Picture to start from",
    "mask": "Inpainting",
    "outpaint": "Outpainting",
    "guidance": "Guidance",
    "refiner": "Refiner",
    "variation": "Variations of the seed",
    "sampler": "Sampler and schedule",
    "language": "How prompts are read",
    "loopback": "Loopback",
    "files": "Files and folders",
}

# Small buttons right after a parameter's widget: (label, A1111's id, icon).
TOOLS_AFTER = {
    "checkpoint": (("Look for new model files", "refresh_models", "refresh"),),
    "upscaler_1": (("Look for new model files", "refresh_upscalers", "refresh"),),
    "width": (("Swap width and height", "res_switch_btn", "swap"),),
    "seed": (
        ("A new seed for every picture", "random_seed", "dice"),
        ("The seed of the picture shown", "reuse_seed", "recycle"),
    ),
}


@dataclass
class Form:
    """The widgets of a tab by parameter name, and its small buttons by icon, as they are built."""

    tab: str
    params: Mapping[str, Param]
    widgets: dict[str, Component] = field(default_factory=dict)
    tools: dict[str, gr.Button] = field(default_factory=dict)

    def add(self, params: list[Param]) -> None:
        for param in params:
            self.widgets[param.name] = param_field(param, self.tab)
            for label, name, icon in TOOLS_AFTER.get(param.name, ()):
                self.tools[icon] = tool(label, f"{self.tab}_{name}", icon)

    def group(self, group: str) -> list[Param]:
        """The parameters of a group that have no widget yet, in the order of their declaration."""
        return [param for param in self.rest() if param.group == group and not param.owner]

    @property
    def pictures(self) -> list[Param]:
        """The parameters that are pictures."""
        return [param for param in self.params.values() if param.picture]

    def rest(self) -> list[Param]:
        return [param for param in self.params.values() if param.name not in self.widgets]


def build_generate_tab(page: gr.Blocks, studio: Studio, tab: str, declared: Mapping[str, Param] = PARAMS) -> Form:
    """Builds a tab inside the present Gradio context of `page`, with its events."""
    everything = {**declared, **{param.name: param for param in EXTENSION_PARAMS}}
    own = {name: param for name, param in everything.items() if tab in param.tabs}
    form = Form(tab, {**own, **script_params(tab)})
    with gr.Row(elem_classes=["bench"], elem_id=f"{tab}_bench"):
        with gr.Column(elem_classes=["desk"], elem_id=f"{tab}_settings"):
            if form.group("prompt"):
                with gr.Column(elem_classes=["words"], elem_id=f"{tab}_toprow"):
                    form.add(form.group("prompt"))
                    form.add(form.group("styles"))
                    markup(f'<easel-styles tab="{tab}"></easel-styles>', elem_id=f"{tab}_styles_row")
            with gr.Column(elem_classes=["knobs"]):
                _knobs(form)
            generate = _actions(tab)
        stage = f'{_picture_place(form)}<easel-stage tab="{tab}"></easel-stage>'
        markup(stage, elem_id=f"{tab}_results", elem_classes=["stage-cell"])
        rail = f'<easel-queue tab="{tab}"></easel-queue><easel-recent tab="{tab}"></easel-recent>'
        markup(rail, elem_classes=["rail"])
    _wire(page, studio, form, generate)
    return form


def _picture_place(form: Form) -> str:
    """What holds the pictures that a tab starts from, and the choice between them and the result."""
    if form.tab == EXTRAS:
        return f'<easel-tray-looks tab="{EXTRAS}"></easel-tray-looks><easel-tray tab="{EXTRAS}"></easel-tray>'
    if not form.pictures:
        return ""
    return f'<easel-looks tab="{form.tab}"></easel-looks><easel-source tab="{form.tab}"></easel-source>'


def _knobs(form: Form) -> None:
    """The checkpoint, then what changes often, then the rest folded away."""
    for first in FIRST:
        if first in form.params:
            with gr.Row(elem_classes=["fields", "fields-first"]):
                form.add([form.params[first]])
    form.add(form.pictures)
    for names in OFTEN if form.pictures else ():
        params = [form.params[name] for name in names if name in form.params]
        if params:
            with gr.Row(elem_classes=["fields", f"fields-{params[0].name}"]):
                form.add(params)
    for group in IN_SIGHT:  # what is chosen from a list sets the scene
        params = sorted(form.group(group), key=lambda param: param.choices is None)
        if params:
            with gr.Row(elem_classes=["fields", f"fields-{group}"]):
                form.add(params)
        if group == "size" and params:
            markup(f'<easel-aspects tab="{form.tab}"></easel-aspects>', elem_id=f"{form.tab}_aspects")
    for group, label in SECTIONS.items():
        params = form.group(group)
        if group == "hires" and params:  # how much of the first picture stays belongs to it where no other one is
            params[2:2] = [form.params["denoising_strength"]]
        if params:
            with fold(label, f"{form.tab}_{group}_section"):
                if group == "sampler":
                    markup(f'<easel-schedule tab="{form.tab}"></easel-schedule>', elem_classes=["schedule-cell"])
                form.add(params)
    if CHOOSER in form.params:
        _script(form)
    folded = {"More": [p for p in form.rest() if not p.owner], "Extensions": [p for p in form.rest() if p.owner]}
    for label, params in folded.items():
        if params:
            with fold(label, f"{form.tab}_{label.lower()}"):
                form.add(params)


def _script(form: Form) -> None:
    """The chooser of scripts, and the fields of each in a column of its own."""
    with fold("Script", f"{form.tab}_script_container"):
        form.add([form.params[CHOOSER]])
        for script in SCRIPTS:
            fields = [param for param in form.group(GROUP) if param.name.startswith(prefix(script.name))]
            if fields:
                column = f"{form.tab}_{prefix(script.name)}fields"
                with gr.Column(elem_id=column, elem_classes=["script-fields", "fields"]):
                    form.add(fields)


def _actions(tab: str) -> gr.Button:
    """The bar that is always in reach: what went wrong, Generate, Skip, Interrupt."""
    with gr.Row(elem_classes=["actions"], elem_id=f"{tab}_actions_column"):
        markup(f'<easel-message tab="{tab}"></easel-message>', elem_classes=["message-cell"])
        generate = gr.Button("Generate", variant="primary", elem_id=f"{tab}_generate", min_width=0)
        markup(f'<easel-stops tab="{tab}"></easel-stops>', elem_classes=["stops-cell"])
    return generate


def _wire(page: gr.Blocks, studio: Studio, form: Form, generate: gr.Button) -> None:
    """Every event of the tab. Those without a Python function never reach the server."""
    tab, widgets, names = form.tab, list(form.widgets.values()), json.dumps(list(form.widgets))
    answer = gr.Textbox(visible=False)
    fill = gr.Button("Fill", elem_id=f"{tab}_fill", elem_classes=["behind"])
    apply = gr.Button("Apply", elem_id=f"{tab}_apply", elem_classes=["behind"])

    submitted = generate.click(_submitting(studio, form), set(widgets), answer, preprocess=False, **QUICK)
    submitted.then(None, answer, None, js=called(f"answered('{tab}', ...given)"))

    refreshing = form.tools["refresh"].click(studio.refresh, None, None, **QUICK) if "refresh" in form.tools else None
    triggers = [page.load, fill.click, *([refreshing.then] if refreshing else [])]
    offered = [trigger(_offering(studio, form), None, answer, **QUICK) for trigger in triggers]
    for event in offered:
        event.then(None, [answer, *widgets], widgets, js=called(f"filled('{tab}', {names}, ...given)"))

    apply.click(None, None, widgets, js=called(f"applied('{tab}', {names})"))
    changes = [widget.change for widget in widgets]
    gr.on(changes, None, widgets, None, js=called(f"remember('{tab}', {names}, given)"))
    _wire_tools(form)


def _wire_tools(form: Form) -> None:
    checkpoint, vae = form.widgets.get("checkpoint"), form.widgets.get("vae")
    if checkpoint is not None and vae is not None:
        checkpoint.input(None, [checkpoint, vae], None, js=called(f"load('{form.tab}', ...given)"))
    width, height, seed = (form.widgets.get(name) for name in ("width", "height", "seed"))
    if width is not None and height is not None:
        form.tools["swap"].click(None, [width, height], [width, height], js="(width, height) => [height, width]")
    if seed is not None:
        form.tools["dice"].click(None, None, seed, js="() => -1")
        form.tools["recycle"].click(None, seed, seed, js=called(f"seedToReuse('{form.tab}', ...given)"))


def _submitting(studio: Studio, form: Form) -> Any:
    def submit(given: dict[Component, Any]) -> str:
        """Queues a job. The answer is its id, or what is wrong: this is a border, so nothing escapes as a stack."""
        try:
            script = given[form.widgets[CHOOSER]] if CHOOSER in form.widgets else NO_SCRIPT
            params = [param for param in form.params.values() if is_meant(param, script)]
            values = with_script(values_of(params, form.widgets, given), script)
            return json.dumps({"job": studio.submit(values, form.tab).id})
        except UserError as error:
            return json.dumps({"message": error.message, "hint": error.hint})
        except Exception as error:
            log.exception("A job could not be queued.")
            return json.dumps({"message": f"The job could not be queued: {error}.", "hint": "The log says more."})

    return submit


def _offering(studio: Studio, form: Form) -> Any:
    def offer() -> str:
        """The tab's lists and defaults now."""
        return json.dumps(offers(studio, form.params.values()))

    return offer

"""Widgets come from declarations: type, bounds, list, label, help and A1111's id."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest

from modules.core.errors import UserError
from modules.core.params import EXTENSION_PARAMS, Param, param, params_of
from modules.core.request import PARAMS, GenerationRequest
from modules.core.settings import SETTINGS
from modules.gui.fields import elem_id, param_field, setting_field, values_of


class RequestWithWarmth(GenerationRequest):
    warmth: float = param(0.5, ge=0, le=1, slider=(0, 1, 0.1), label="Warmth", help="How warm.", group="sampling")


def test_every_parameter_has_a_widget_with_its_label_and_default() -> None:
    for declared in PARAMS.values():
        widget = param_field(declared, "txt2img", choices=[str(declared.default)])
        assert widget.label == declared.label
        assert widget.value == declared.default
        assert widget.info == declared.help


def test_a_made_up_parameter_of_a_subclass_becomes_a_slider() -> None:
    widget = param_field(params_of(RequestWithWarmth)["warmth"], "txt2img")
    assert isinstance(widget, gr.Slider)
    assert (widget.minimum, widget.maximum, widget.step, widget.value) == (0, 1, 0.1, 0.5)
    assert (widget.elem_id, widget.label, widget.info) == ("txt2img_warmth", "Warmth", "How warm.")


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        (Param("a", True, "A", type=bool), gr.Checkbox),
        (Param("a", "x", "A", choices=("x", "y")), gr.Dropdown),
        (Param("a", "x", "A", choices="samplers"), gr.Dropdown),
        (Param("a", 1, "A", type=int), gr.Number),
        (Param("a", 1.5, "A", type=float), gr.Number),
        (Param("a", None, "A", type=int, optional=True, slider=(0, 9, 1)), gr.Number),
        (Param("a", "", "A"), gr.Textbox),
    ],
)
def test_the_type_decides_the_widget(declared: Param, kind: type) -> None:
    assert type(param_field(declared, "txt2img")) is kind


def test_prompts_have_several_lines_and_whole_numbers_no_decimals() -> None:
    assert param_field(PARAMS["prompt"], "txt2img").lines == 3
    assert param_field(PARAMS["seed"], "txt2img").precision == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prompt", "txt2img_prompt"),
        ("negative_prompt", "txt2img_neg_prompt"),
        ("sampler", "txt2img_sampling"),
        ("schedule", "txt2img_scheduler"),
        ("steps", "txt2img_steps"),
        ("cfg_scale", "txt2img_cfg_scale"),
        ("seed", "txt2img_seed"),
        ("width", "txt2img_width"),
        ("height", "txt2img_height"),
        ("batch_count", "txt2img_batch_count"),
        ("batch_size", "txt2img_batch_size"),
    ],
)
def test_ids_are_those_that_scripts_for_a1111_look_up(name: str, expected: str) -> None:
    assert param_field(PARAMS[name], "txt2img").elem_id == elem_id("txt2img", name) == expected


def test_every_setting_has_a_widget_showing_its_value() -> None:
    for setting in SETTINGS:
        widget = setting_field(setting, setting.default, choices=["", "starter"])
        assert widget.value == setting.default
        assert widget.elem_id == f"setting_{setting.name}"


@pytest.fixture
def sparkle() -> Iterator[Param]:
    declared = Param("sparkle", 0.0, "Sparkle", type=float, slider=(0, 1, 0.05), owner="glitter")
    EXTENSION_PARAMS.add(declared)
    yield declared
    EXTENSION_PARAMS.remove(declared.name)


def test_values_of_an_extension_travel_in_extra(sparkle: Param) -> None:
    params = [PARAMS["steps"], sparkle]
    widgets = {declared.name: param_field(declared, "txt2img") for declared in params}
    given = {widgets["steps"]: 12, widgets["sparkle"]: 0.4}
    values = values_of(params, widgets, given)
    assert values == {"steps": 12, "extra": {"sparkle": 0.4}}
    assert GenerationRequest.checked(values).extra == {"sparkle": 0.4}


def test_an_emptied_number_is_named_in_one_sentence() -> None:
    widgets = {"steps": param_field(PARAMS["steps"], "txt2img")}
    with pytest.raises(UserError, match="Steps is empty or not a number"):
        values_of([PARAMS["steps"]], widgets, {widgets["steps"]: None})


def test_an_optional_number_may_stay_empty() -> None:
    declared = Param("limit", None, "Limit", type=int, optional=True)
    widgets = {"limit": param_field(declared, "txt2img")}
    assert values_of([declared], widgets, {widgets["limit"]: None}) == {}

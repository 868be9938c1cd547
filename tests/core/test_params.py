"""One declaration is all a parameter needs: this test makes one up and looks for it everywhere."""

from __future__ import annotations

import dataclasses

import pytest

from docs.parameters import parameter_row
from modules.core import infotext
from modules.core.errors import UserError
from modules.core.params import ALL, EXTRAS, TXT2IMG, ExtensionParams, Param, param, params_of
from modules.core.pictures import Facts
from modules.core.request import PARAMS, GenerationRequest


class Sparkling(GenerationRequest):
    sparkle: float = param(
        0.5,
        ge=0,
        le=2,
        slider=(0, 1, 0.05),
        label="Sparkle",
        help="How much it glitters.",
        alias="sparkle_amount",
        group="extras",
        tabs=(TXT2IMG,),
    )
    comets: int | None = param(None, ge=1, label="Comets", written="changed")


SPARKLE = params_of(Sparkling)["sparkle"]


def test_the_facts_of_a_declaration_can_be_looked_up() -> None:
    assert SPARKLE.default == 0.5
    assert SPARKLE.type is float
    assert (SPARKLE.ge, SPARKLE.le, SPARKLE.slider) == (0, 2, (0, 1, 0.05))
    assert (SPARKLE.label, SPARKLE.key, SPARKLE.tabs) == ("Sparkle", "Sparkle", (TXT2IMG,))


def test_an_optional_parameter_is_known_by_its_plain_type() -> None:
    comets = params_of(Sparkling)["comets"]
    assert (comets.type, comets.optional, comets.default) == (int, True, None)


def test_a_subclass_has_the_parameters_of_its_parent_first() -> None:
    assert list(params_of(Sparkling))[: len(PARAMS)] == list(PARAMS)


def test_its_bounds_are_enforced_with_a_sentence() -> None:
    with pytest.raises(UserError, match=r"Sparkle is 3, but must be at most 2\."):
        Sparkling.checked({"sparkle": 3})


def test_its_value_is_written_into_a_picture_and_read_back() -> None:
    request = Sparkling(prompt="a cat", sparkle=1.25, seed=3)
    text = infotext.write(request, Facts(seed=3))
    assert "Sparkle: 1.25" in text
    assert infotext.read(text, model=Sparkling).values["sparkle"] == 1.25


def test_a_parameter_written_when_changed_is_absent_at_its_default_and_comes_back_as_it() -> None:
    text = infotext.write(Sparkling(seed=3), Facts(seed=3))
    assert "Comets" not in text
    assert infotext.read(text, model=Sparkling).values["comets"] is None
    changed = infotext.write(Sparkling(seed=3, comets=4), Facts(seed=3))
    assert infotext.read(changed, model=Sparkling).values["comets"] == 4


def test_it_has_a_widget() -> None:
    fields = pytest.importorskip("modules.gui.fields")
    widget = fields.param_field(SPARKLE, TXT2IMG)
    assert (widget.label, widget.info, widget.elem_id) == ("Sparkle", "How much it glitters.", "txt2img_sparkle")
    assert (widget.minimum, widget.maximum, widget.step, widget.value) == (0, 1, 0.05, 0.5)


def test_it_has_a_row_in_the_docs() -> None:
    row = parameter_row(SPARKLE)
    for fact in ("`sparkle`", "Sparkle", "0.5", "0 to 2", "How much it glitters.", "`sparkle_amount`"):
        assert fact in row


def test_it_stands_in_the_api_schema() -> None:
    schema = Sparkling.model_json_schema()["properties"]["sparkle"]
    assert schema["title"] == "Sparkle"
    assert schema["description"] == "How much it glitters."
    assert (schema["minimum"], schema["maximum"], schema["default"]) == (0, 2, 0.5)


def test_it_answers_to_its_a1111_name() -> None:
    assert SPARKLE.a1111 == "sparkle_amount"
    assert PARAMS["cfg_scale"].a1111 == "cfg_scale"


def test_a_misspelt_fact_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="sider"):
        param(1.0, label="Sparkle", sider=(0, 1, 0.1))


@pytest.mark.parametrize("declared", PARAMS.values(), ids=lambda declared: declared.name)
def test_every_parameter_is_explained_and_comfortable_within_its_bounds(declared: Param) -> None:
    assert declared.label
    assert declared.help.endswith(".")
    assert set(declared.tabs) <= {*ALL, EXTRAS}
    if declared.slider:
        minimum, maximum, _ = declared.slider
        assert (declared.ge if declared.ge is not None else minimum) <= minimum
        assert maximum <= (declared.le if declared.le is not None else maximum)


def test_no_two_parameters_share_a_key_but_those_that_are_a_size() -> None:
    second = ("height", "seed_resize_from_h", "hr_resize_y")
    keys = [declared.key for declared in PARAMS.values() if declared.key and declared.name not in second]
    assert len(keys) == len(set(keys))


def test_extensions_cannot_declare_a_name_or_an_infotext_key_twice() -> None:
    params = ExtensionParams()
    params.add(Param("glow", 0.0, "Glow", type=float, owner="first"))
    with pytest.raises(ValueError, match="already declared by first"):
        params.add(Param("glow", 0.0, "Shine", type=float))
    with pytest.raises(ValueError, match="'Glow' already belongs to 'glow' of first"):
        params.add(Param("shine", 0.0, "Glow", type=float))
    params.remove("glow")
    assert list(params) == []


def test_a_parameter_cannot_be_changed_after_its_declaration() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPARKLE.default = 1.0

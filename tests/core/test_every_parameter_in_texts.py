"""Request -> text -> request is the identity for every parameter that is written, whatever its value."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.errors import UserError
from modules.core.infotext import SIZES, read, write
from modules.core.params import Param
from modules.core.pictures import Facts
from modules.core.request import PARAMS, GenerationRequest

# What is written by another road: prompts and models have tests of their own, and a picture cannot stand in a text.
ELSEWHERE = {"prompt", "negative_prompt", "checkpoint", "vae", "sampler", "schedule"}
WRITTEN = [one for one in PARAMS.values() if one.key and not one.picture and one.name not in ELSEWHERE]
NAMES = st.text(string.ascii_letters + string.digits + ' ,:"\\()[]<>-_/.', min_size=1, max_size=20).map(str.strip)
LINES = st.lists(NAMES, max_size=3).map("\n".join)
# What a parameter needs in order to mean something.
NEEDED = {
    "enable_hr": {"enable_hr": True},
    "scales_hires": {"enable_hr": True, "hr_resize_x": 0, "hr_resize_y": 0},
    "resizes_hires": {"enable_hr": True},
    "init_image": {"init_image": "0" * 32},
    "starts_partly_noised": {"init_image": "0" * 32},
    "has_mask": {"init_image": "0" * 32, "mask": "1" * 32},
    "inpaints_only_masked": {"init_image": "0" * 32, "mask": "1" * 32, "inpaint_area": "Only masked"},
    "outpaints": {"init_image": "0" * 32, "outpaint_left": 64},
    "refines": {"refiner_checkpoint": "other"},
    "varies": {"subseed_strength": 0.25},
    "loops": {"init_image": "0" * 32, "loopback": 2},
    "resizes_seed": {"seed_resize_from_h": 512, "seed_resize_from_w": 512},
    "extras": {"extras": True},
}
COLOUR = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
SPECIAL = {"img2img_background_color": COLOUR, "hr_resize_x": st.integers(1, 2000).map(lambda n: n * 8)}


def values_of(declared: Param) -> st.SearchStrategy[Any]:
    """All values that a parameter takes."""
    if declared.name in SPECIAL:
        return SPECIAL[declared.name]
    if declared.type is bool:
        return st.booleans()
    if isinstance(declared.choices, tuple):
        return st.sampled_from(declared.choices)
    step = declared.multiple_of or 1
    low, high = int(declared.ge or 0), int(declared.le or 10**6)
    if declared.type is int:
        return st.integers(-(-low // step), high // step).map(lambda n: n * step)
    if declared.type is float:
        return st.floats(float(declared.ge or 0), float(declared.le or 1000)) | st.integers(-(-low // 1), high).map(
            float
        )
    return (LINES if declared.lines > 1 else NAMES).filter(bool)


def test_every_condition_that_a_parameter_has_is_known_here() -> None:
    assert {one.needs for one in WRITTEN if one.needs} <= set(NEEDED)


@pytest.mark.parametrize("declared", WRITTEN, ids=lambda one: one.name)
def test_a_parameter_that_is_written_comes_back_the_same(declared: Param) -> None:
    needs = PARAMS[SIZES.get(declared.key, (declared.name,))[0]].needs

    @given(value=values_of(declared))
    @settings(derandomize=True, deadline=None, max_examples=12, database=None)
    def there_and_back(value: Any) -> None:
        values = {**NEEDED.get(needs, {}), declared.name: value}
        try:
            request = GenerationRequest.checked({"prompt": "a cat", "seed": 1, **values})
        except UserError:  # two values that exclude each other are no request
            return
        noted = {declared.key: getattr(request, declared.name)} if declared.written == "noted" else {}
        text = write(request, Facts(seed=request.seed, notes=noted))
        pasted = read(text)
        if needs and not getattr(request, needs):
            return
        for name in SIZES.get(declared.key, (declared.name,)):
            assert pasted.values.get(name, PARAMS[name].default) == getattr(request, name), text

    there_and_back()


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in WRITTEN if one.type is not str]), st.integers(0, 8), max_size=8
    )
)
@settings(derandomize=True, deadline=None, max_examples=60, database=None)
def test_many_parameters_at_once_do_not_disturb_each_other(values: dict[str, int]) -> None:
    accepted: dict[str, Any] = {}
    for name, value in values.items():
        try:
            GenerationRequest.checked({**accepted, name: value})
            accepted[name] = value
        except UserError:  # out of its bounds, or not together with the others
            continue
    request = GenerationRequest.checked({"seed": 1, **accepted})
    notes = {PARAMS[name].key: getattr(request, name) for name in accepted if PARAMS[name].written == "noted"}
    text = write(request, Facts(seed=request.seed, notes=notes))
    again = GenerationRequest.checked({**read(text).values})
    assert write(again, Facts(seed=again.seed, notes=notes)) == text

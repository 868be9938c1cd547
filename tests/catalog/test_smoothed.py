"""A UNet that a checkpoint has only as its smoothed twin is found by the names that a UNet's tensors have."""

from __future__ import annotations

import pytest

from modules.catalog.contents import EMA, UNET, twin_of
from modules.catalog.detect import detect
from modules.catalog.header import Header, TensorEntry
from modules.catalog.smoothed import unet_tensors, with_plain_names
from tests.catalog import architectures
from tests.toy import Shapes

COUNTERS: Shapes = {EMA + "decay": (), EMA + "num_updates": ()}


def header(shapes: Shapes, tmp_path) -> Header:
    return Header(
        tmp_path / "x.safetensors", {name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}, {}, 0
    )


def with_twins(shapes: Shapes) -> Shapes:
    return shapes | {twin_of(name): shape for name, shape in shapes.items() if name.startswith(UNET)} | COUNTERS


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "refiner"])
def test_every_tensor_of_a_smoothed_unet_gets_its_plain_name(family, tmp_path) -> None:
    shapes = getattr(architectures, family)()
    alone = {name: shape for name, shape in with_twins(shapes).items() if not name.startswith(UNET)}
    found = with_plain_names(header(alone, tmp_path))
    assert found.shapes == shapes and found.smoothed
    plain, told = detect(header(shapes, tmp_path)), detect(found)
    assert (told.kind, told.family_id, told.variant) == (plain.kind, plain.family_id, plain.variant)
    assert "only the smoothed ones" in told.reason


def test_every_part_that_any_unet_has_is_asked_for() -> None:
    shapes = architectures.sdxl()
    names = {name for name in shapes if name.startswith(UNET)}
    assert set(unet_tensors(names.__contains__)) == names


def test_a_unet_of_which_parts_are_lost_is_taken_from_its_twin_as_a_whole(tmp_path) -> None:
    whole = with_twins(architectures.sd1())
    torn = {name: shape for name, shape in whole.items() if not name.startswith(f"{UNET}output_blocks.")}
    found = with_plain_names(header(torn, tmp_path))
    assert found.smoothed and found.shapes == architectures.sd1()


def test_a_file_with_both_complete_ones_stays_as_it_is(tmp_path) -> None:
    whole = header(with_twins(architectures.sd1()), tmp_path)
    assert with_plain_names(whole) is whole

"""The parameters of pictures and masks: what is written of them, and when."""

from __future__ import annotations

import pytest

from modules.core import infotext
from modules.core.errors import UserError
from modules.core.pictures import Facts
from modules.core.request import GenerationRequest

ID = "0" * 32


def entries(**values: object) -> dict[str, str]:
    return infotext.split(infotext.write(GenerationRequest(seed=1, **values), Facts(seed=1)))[2]


def test_what_concerns_a_picture_is_written_only_where_there_is_one() -> None:
    changed = {"img2img_color_correction": True, "resize_mode": "crop and resize", "img2img_extra_noise": 0.05}
    assert not entries(**changed).keys() & {"Denoising strength", "Color correction", "Resize mode", "Extra noise"}
    told = entries(init_image=ID, **changed)
    assert told["Denoising strength"] == "0.75"
    assert told["Color correction"] == "True"
    assert told["Resize mode"] == "Crop and resize"
    assert told["Extra noise"] == "0.05"


def test_a_mask_is_written_in_a1111s_words() -> None:
    changed = {"mask_mode": "Inpaint not masked", "masked_content": "fill", "inpaint_area": "Only masked"}
    assert "Mask blur" not in entries(init_image=ID, **changed)
    told = entries(init_image=ID, mask=ID, inpaint_full_res_padding=40, **changed)
    assert told["Mask blur"] == "4"
    assert told["Mask mode"] == "Inpaint not masked"
    assert told["Masked content"] == "fill"
    assert told["Inpaint area"] == "Only masked"
    assert told["Masked area padding"] == "40"
    assert "Masked area padding" not in entries(init_image=ID, mask=ID, inpaint_full_res_padding=40)


def test_outpainting_counts_as_a_mask() -> None:
    told = entries(init_image=ID, outpaint_left=64)
    assert (told["Outpaint left"], told["Mask blur"], told["Outpaint fill"]) == ("64", "4", "mirror")
    assert "Outpaint right" not in told


def test_what_a_plain_model_does_not_use_is_never_claimed() -> None:
    request = GenerationRequest(init_image=ID, mask=ID, image_cfg_scale=2, inpainting_mask_weight=0.5)
    assert "Image CFG scale" not in infotext.write(request, Facts(seed=1))
    text = infotext.write(request, Facts(1, notes={"Image CFG scale": 2.0, "Init image hash": "ab"}))
    assert "CFG scale: 7, Image CFG scale: 2, Seed: 1" in text
    pasted = infotext.read(text)
    assert pasted.values["image_cfg_scale"] == 2
    assert not pasted.unknown


def test_everything_that_is_written_comes_back() -> None:
    request = GenerationRequest(
        seed=1,
        init_image=ID,
        mask=ID,
        denoising_strength=0.4,
        resize_mode="Resize and fill",
        img2img_fix_steps=True,
        initial_noise_multiplier=0.9,
        img2img_background_color="#00FF00",
        mask_blur=9,
        masked_content="latent nothing",
        soft_inpainting=True,
        inpaint_resampling=3,
        overlay_inpaint=False,
        outpaint_down=128,
        outpaint_fill="noise",
    )
    values = infotext.read(infotext.write(request, Facts(seed=1))).values
    assert GenerationRequest.checked({**values, "init_image": ID, "mask": ID}) == request


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"resize_mode": "fold"}, "Resize mode: 'fold' is not one of Just resize, Crop and resize"),
        ({"masked_content": "cheese"}, "Masked content: 'cheese' is not one of fill, original"),
        ({"img2img_background_color": "red"}, "Background color: 'red' is not a colour such as #ffffff"),
        ({"denoising_strength": 1.5}, "Denoising strength is 1.5, but must be at most 1"),
        ({"outpaint_left": -8}, "Outpaint left is -8, but must be at least 0"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        GenerationRequest.checked(values)

"""What a file's own metadata may declare about it, and what happens when that is wrong."""

import json
from pathlib import Path

import pytest

from modules.catalog.declared import declared_facts
from modules.core.errors import UserError

FILE = Path("a.safetensors")


def declared(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return declared_facts(FILE, {"webui.architecture": text})


def test_a_file_that_declares_nothing_follows_sd1s_rules():
    facts = declared_facts(FILE, {"format": "pt"})
    assert (facts.unet.num_attention_heads, facts.unet.norm_num_groups) == (None, 32)
    assert facts.vae.norm_num_groups == 32
    assert (facts.text_encoder.num_attention_heads, facts.text_encoder.hidden_act) == (None, None)
    assert facts.native_size is None
    assert facts.prediction_type is None


def test_what_is_declared_is_kept_and_the_rest_follows_the_rules():
    facts = declared(
        {
            "native_size": 256,
            "unet": {"num_attention_heads": 4},
            "preview": {"factors": [[1, 0, 0]] * 4},
            "recommended": {"steps": 12, "sampler": "Euler a"},
            "something new": [1, 2],
        }
    )
    assert facts.native_size == 256
    assert (facts.unet.num_attention_heads, facts.unet.norm_num_groups) == (4, 32)
    assert facts.preview.factors == ((1, 0, 0),) * 4
    assert facts.recommended.model_dump(exclude_none=True) == {"steps": 12, "sampler": "Euler a"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ([], "all of it"),
        ({"native_size": 100}, "native_size"),
        ({"unet": {"num_attention_heads": 0}}, "unet.num_attention_heads"),
        ({"vae": {"norm_num_groups": "many"}}, "vae.norm_num_groups"),
        ({"prediction_type": "guess"}, "prediction_type"),
        ({"recommended": {"cfg_scale": -1}}, "recommended.cfg_scale"),
        ('{"recommended": {"cfg_scale": NaN}}', "recommended.cfg_scale"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(value, problem):
    with pytest.raises(UserError, match=r"a\.safetensors describes its architecture wrongly") as caught:
        declared(value)
    assert problem in caught.value.message

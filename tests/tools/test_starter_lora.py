"""The starter's LoRA: it learns its style, and is a LoRA that the program uses."""

from pathlib import Path

import torch

from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from tests.toy import write_toy_checkpoint
from tools.starter_model.drawing import draw
from tools.starter_model.lora import BLUE, blueprint, lessons, save, train
from tools.starter_model.world import training_scene


def test_a_blueprint_is_mostly_blue_with_light_lines() -> None:
    sheet = blueprint(draw(training_scene(3), 64, 64))
    colours = sheet.resize((1, 1)).getpixel((0, 0))
    assert colours[2] > colours[1] > colours[0]
    assert max(max(pixel) for pixel in sheet.getdata()) > 200
    assert min(pixel[0] for pixel in sheet.getdata()) <= BLUE[0] + 40


def test_what_is_learnt_is_what_the_merged_file_computes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = write_toy_checkpoint(tmp_path / "toy.safetensors")
    learning, using = load_checkpoint(model), load_checkpoint(model)
    latents, texts = lessons(learning, 4)
    additions = train(learning, latents, texts, minutes=1, steps=3)
    save(additions, tmp_path / "style.safetensors")
    assert (tmp_path / "style.safetensors").stat().st_size < 2_000_000
    plain = using.predict(latents, torch.full((4,), 500.0), texts)
    assert merge(using, [Wanted(read_lora(tmp_path / "style.safetensors"))]) == []
    expected = learning.predict(latents, torch.full((4,), 500.0), texts)
    found = using.predict(latents, torch.full((4,), 500.0), texts)
    assert (found - plain).abs().max() > 10 * (found - expected).abs().max()
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-2)  # the file is fp16

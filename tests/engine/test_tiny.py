"""TAESD in place of the VAE, and for previews."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file

from modules.core.errors import UserError
from modules.core.events import Preview
from modules.core.hooks import Hooks
from modules.engine.engine import Engine
from modules.weights.taesd import load_tiny, tiny_file
from tests.conftest import folders_in
from tests.engine.conftest import pictures, told


@pytest.fixture(scope="module")
def tiny() -> AutoencoderTiny:
    torch.manual_seed(0)
    return AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()


def write(tiny: AutoencoderTiny, path: Path, *, by_its_author: bool = False) -> Path:
    tensors = {name: tensor.contiguous() for name, tensor in tiny.state_dict().items()}
    if by_its_author:
        layers = [(name.split(".", 3), tensor) for name, tensor in tensors.items() if name.startswith("decoder")]
        torch.save({f"{int(parts[2]) + 1}.{parts[3]}": tensor for parts, tensor in layers}, path)
    else:
        save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def tiny_of_16() -> AutoencoderTiny:
    """Of SD 3 and FLUX."""
    torch.manual_seed(0)
    widths = (8,) * 4
    return AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, latent_channels=16
    ).eval()


@pytest.mark.parametrize("by_its_author", [False, True])
@torch.inference_mode()
def test_it_computes_what_diffusers_does(tiny_of_16: AutoencoderTiny, tmp_path: Path, by_its_author: bool) -> None:
    tiny = tiny_of_16
    path = write(tiny, tmp_path / ("x.pth" if by_its_author else "x.safetensors"), by_its_author=by_its_author)
    latents = torch.randn(2, 16, 6, 9, generator=torch.Generator().manual_seed(1)) * 3
    found = load_tiny(path, torch.device("cpu"), torch.float32)(latents)
    torch.testing.assert_close(found * 2 - 1, tiny.decode(latents).sample, rtol=0, atol=1e-5)


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    save_file({"0.weight": torch.zeros(3)}, tmp_path / "taesd.safetensors")
    with pytest.raises(UserError, match=r"taesd\.safetensors is not a TAESD decoder"):
        load_tiny(tmp_path / "taesd.safetensors", torch.device("cpu"), torch.float32)


def test_each_family_has_its_file(tmp_path: Path) -> None:
    for name in ("taesd_decoder.pth", "taesdxl.safetensors"):
        (tmp_path / name).touch()
    found = [tiny_file(tmp_path, family) for family in ("sd1", "sd2", "sdxl", "flux")]
    assert found == [tmp_path / "taesd_decoder.pth"] * 2 + [tmp_path / "taesdxl.safetensors", None]


@pytest.fixture
def painter(tmp_path: Path, toy_checkpoint: Path, shared_hooks: Hooks) -> Iterator[tuple[Engine, Path]]:
    """An engine that previews by TAESD, and the folder where that belongs."""
    folder = tmp_path / "models" / "VAE-approx"
    folder.mkdir(parents=True)
    engine = Engine(folders_in(tmp_path, toy_checkpoint), shared_hooks, preview_by=lambda: "TAESD")
    yield engine, folder
    engine.close()


def test_pictures_and_previews_are_made_by_it(painter: tuple[Engine, Path], tiny: AutoencoderTiny) -> None:
    engine, folder = painter
    with pytest.raises(UserError, match="no TAESD decoder for SD 1"):
        told(engine, sd_vae_decode_method="TAESD")
    full = told(engine)
    write(tiny, folder / "taesd_decoder.safetensors")
    events = told(engine, sd_vae_decode_method="TAESD")
    (picture,), (usual,) = pictures(events), pictures(full)
    assert picture.pixels.shape == usual.pixels.shape
    assert not np.array_equal(picture.pixels, usual.pixels)
    assert "VAE Decoder: TAESD" in picture.infotext
    assert "VAE Decoder" not in usual.infotext
    (first, *_), (cheap, *_) = ([event for event in each if isinstance(event, Preview)] for each in (events, full))
    assert Image.open(io.BytesIO(first.jpeg)).size == Image.open(io.BytesIO(cheap.jpeg)).size == (256, 256)
    assert first.jpeg != cheap.jpeg

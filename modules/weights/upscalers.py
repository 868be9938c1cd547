"""Upscaling networks of every kind that spandrel knows, from their files.

The file is read by our own readers, which run nothing in it; spandrel finds out from names and shapes which network it
is. spandrel is imported only when the first such model is used.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from ..catalog.open import read_tensors
from ..core.errors import UserError
from .tensors import read_all

TABLES = ("params_ema.", "params-ema.", "params.")  # in which training codes put the weights, the best first
TORCHVISION = "torchvision.transforms.functional"


@dataclass(frozen=True)
class Upscaling:
    """An upscaling network in memory. `scale` is how many times as wide and high its results are."""

    name: str
    scale: int
    network: Any

    @contextlib.contextmanager
    def watched(self, check: Callable[[], None]) -> Iterator[None]:
        """Within it `check` is called before every layer: what it raises ends the work in the middle of a picture."""
        layers = [layer for layer in self.network.model.modules() if not any(layer.children())]
        hooks = [layer.register_forward_pre_hook(lambda *_: check()) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.inference_mode()
    def __call__(self, pixels: numpy.ndarray) -> numpy.ndarray:
        """uint8 (h, w, 3) becomes float32 (h * scale, w * scale, 3) in 0..255. Raises UserError when it is NaN."""
        levels = torch.tensor(pixels, device=self.network.device, dtype=self.network.dtype)
        image = levels.permute(2, 0, 1)[None] / 255
        if self.network.input_channels == 1:  # made for grey: each colour is a picture of its own
            image = image.transpose(0, 1)
        result = torch.cat([self.network(one[None]) for one in image]).float()
        if self.network.output_channels == 1:
            result = result.transpose(0, 1)
        if not torch.isfinite(result).all():
            raise UserError(f"The upscaler {self.name} made numbers that are not finite (NaN).", hint="Try another.")
        return result[0].permute(1, 2, 0).mul(255).cpu().numpy()


def load_upscaler(path: Path, device: torch.device, dtype: torch.dtype) -> Upscaling:
    """The network in a file, on `device`; in `dtype` if it bears it, else in float32.

    Raises UserError when spandrel is not there, the file is broken, or is no upscaler.
    """
    spandrel = _spandrel()
    network = _recognised(spandrel, path, read_all(read_tensors(path)))
    if not isinstance(network, spandrel.ImageModelDescriptor) or network.purpose == "FaceSR":
        raise UserError(f"{path.name} is a model for {network.purpose}, not an upscaler.", hint="Choose another one.")
    channels = network.input_channels, network.output_channels
    if channels not in ((1, 1), (3, 3)):
        raise UserError(f"{path.name} takes pictures of {channels[0]} channels and gives {channels[1]}; 3 are needed.")
    halves = {torch.float16: network.supports_half, torch.bfloat16: network.supports_bfloat16}
    network.to(device=device, dtype=dtype if halves.get(dtype) and device.type != "cpu" else torch.float32).eval()
    return Upscaling(path.stem, network.scale, network)


def _recognised(spandrel: Any, path: Path, tensors: Mapping[str, Tensor]) -> Any:
    """What spandrel makes of a file's tensors. Raises UserError when it makes nothing of them."""
    for candidate in _tables(tensors):
        try:
            return spandrel.MAIN_REGISTRY.load(spandrel.canonicalize_state_dict(candidate))
        except spandrel.UnsupportedModelError:
            continue
        except Exception as error:  # what a network says about weights that do not fit is not listed anywhere
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UserError(
                f"{path.name} cannot be loaded: its tensors do not fit the network that they are named for ({reason}).",
                hint="The file is incomplete or damaged; download it again.",
            ) from error
    raise UserError(f"{path.name} is not an upscaler of a kind that is known.", hint="Choose another one.")


def _tables(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tables of weights that may be meant: one of `TABLES`, else all tensors, with and without what their names
    have in front in common.
    """
    for table in TABLES:
        found = {name.removeprefix(table): tensor for name, tensor in tensors.items() if name.startswith(table)}
        if found:
            yield found
            return
    yield dict(tensors)
    first = {name.partition(".")[0] for name in tensors}
    if len(first) == 1:
        yield {name.partition(".")[2]: tensor for name, tensor in tensors.items()}


def _spandrel() -> Any:
    """The library. Raises UserError when it is not installed."""
    try:
        with _without_torchvision():
            import spandrel
    except ImportError as error:
        raise UserError(
            f"Upscaler models need the Python package spandrel, which cannot be imported ({error}).",
            hint=f"Install it with `{sys.executable} -m pip install --no-deps spandrel==0.4.2 einops==0.8.2`.",
        ) from error
    return spandrel


@contextlib.contextmanager
def _without_torchvision() -> Iterator[None]:
    """Lets spandrel be imported where torchvision is not there, or is another device's: it asks for three functions of
    it, for networks that are no upscalers.
    """
    if "spandrel" in sys.modules or "torchvision" in sys.modules:
        yield
        return
    names = ("torchvision", "torchvision.transforms", TORCHVISION)
    sys.modules.update({name: types.ModuleType(name) for name in names})
    for function in ("InterpolationMode", "rotate", "normalize"):
        setattr(sys.modules[TORCHVISION], function, None)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]

"""Large pictures through the VAE in tiles, so that memory does not grow with them, and no seam shows.

Only the costly part is cut: what works at more than the latents' resolution. The middle, whose attention looks at the
whole picture, is computed at once. Each tile is computed with a margin as wide as its layers look, which is then cut
off. What is left that ties a picture together are the group norms: what they measure is estimated beforehand on samples
from all over the picture, and is the same for every tile. On drawings of 1024 pixels that gives 54 dB of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise, product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

MARGIN = 8  # latents; what lies further away hardly matters to a layer
SAMPLE, FEWEST = 24, 4  # a sample's side in latents, its margin included; how many each way at least
SAMPLES_SHARE = 1.7  # how many tiles' room all samples may take
SMALLEST, STEP = 48, 16  # sides of tiles that are tried, in latents
COPIES = 6  # how many times a picture at its widest layer is in memory at once
SHARE = 0.8  # of the free memory, what a picture may take
UNKNOWN = 4 << 30  # bytes taken to be free where nobody says

Measures = dict[nn.GroupNorm, tuple[Tensor, Tensor]]


class Tile(NamedTuple):
    """A stretch of rows and columns, in latents: with its margin, and the part of that which is kept."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]

    def cut(self, whole: Tensor, factor: int = 1) -> Tensor:
        """This tile of (b, c, h, w), where a latent is `factor` numbers wide."""
        return whole[(..., *(_times(part, factor) for part in self.outer))]

    def kept(self, tile: Tensor, factor: int = 1) -> Tensor:
        """The tile without its margin."""
        kept = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for outer, inner in zip(self.outer, self.inner, strict=True)
        )
        return tile[(..., *(_times(part, factor) for part in kept))]


def tile_side(vae: AutoencoderKL, height: int, width: int, free: int | None) -> int:
    """How large the tiles of a picture of `height` x `width` latents should be each way, in latents, with `free` bytes
    of memory; 0 where the whole picture finds room.
    """
    room = SHARE * (UNKNOWN if free is None else free)
    each = _factor(vae) ** 2 * max(vae.config.block_out_channels[:2]) * COPIES * next(vae.parameters()).itemsize
    if height * width * each <= room:
        return 0
    side = max(SMALLEST, int((room / each / SAMPLES_SHARE) ** 0.5 - 2 * MARGIN) // STEP * STEP)
    return side if side < max(height, width) else 0


def decode_tiled(vae: AutoencoderKL, latents: Tensor, side: int) -> Tensor:
    """What the VAE decodes from `latents` (b, c, h, w), unscaled: (b, 3, h * factor, w * factor). `side`: of a tile, in
    latents, without its margin.
    """
    decoder = vae.decoder
    plain = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
    middle = decoder.mid_block(decoder.conv_in(plain))
    upwards = nn.Sequential(*decoder.up_blocks, decoder.conv_norm_out, decoder.conv_act, decoder.conv_out)
    return torch.cat([_in_tiles(one, upwards, side, 1, _factor(vae)) for one in middle.split(1)])


def encode_tiled(vae: AutoencoderKL, pictures: Tensor, side: int) -> Tensor:
    """The code, mean and log variance (b, 2c, h, w), of `pictures` (b, 3, h * factor, w * factor)."""
    encoder = vae.encoder
    downwards = nn.Sequential(encoder.conv_in, *encoder.down_blocks)
    features = torch.cat([_in_tiles(one, downwards, side, _factor(vae), 1) for one in pictures.split(1)])
    middle = encoder.mid_block(features)
    code = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(middle)))
    return code if vae.quant_conv is None else vae.quant_conv(code)


def _factor(vae: AutoencoderKL) -> int:
    return 2 ** (len(vae.config.block_out_channels) - 1)


def _in_tiles(whole: Tensor, part: nn.Sequential, side: int, into: int, out: int) -> Tensor:
    """`part` of `whole` (1, c, h, w), which has `into` numbers a latent; the result has `out`."""
    if any(isinstance(layer, nn.Conv2d) and layer.padding_mode == "circular" for layer in part.modules()):
        frame = (MARGIN * into,) * 4  # opposite edges meet: what lies beyond an edge is laid around the picture
        whole = F.pad(whole, frame, mode="circular")
    else:
        frame = None
    height, width = whole.shape[2] // into, whole.shape[3] // into
    measures = _measured(whole, part, (height, width), side, into)
    result: Tensor | None = None
    with _norms(part, partial(_normed, measures)):
        for tile in _tiles(height, width, side):
            computed = tile.kept(part(tile.cut(whole, into)), out)
            if result is None:
                result = computed.new_empty(1, computed.shape[1], height * out, width * out)
            result[(..., *(_times(place, out) for place in tile.inner))] = computed
    assert result is not None
    edge = MARGIN * out
    return result if frame is None else result[..., edge:-edge, edge:-edge].contiguous()


def _tiles(height: int, width: int, side: int) -> Iterator[Tile]:
    """The tiles of a picture, about equally large and at most `side` each way without their margins."""
    for row, column in product(_stretches(height, side), _stretches(width, side)):
        outer = tuple(
            slice(max(0, part.start - MARGIN), min(end, part.stop + MARGIN))
            for part, end in ((row, height), (column, width))
        )
        yield Tile(outer, (row, column))


def _stretches(length: int, side: int) -> list[slice]:
    count = -(-length // side)
    edges = [length * number // count for number in range(count + 1)]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def _measured(whole: Tensor, part: nn.Sequential, size: tuple[int, int], side: int, into: int) -> Measures:
    """Mean and variance of every norm's groups, over samples from all over the picture of `size` latents taken
    together, from edge to edge.
    """
    sides = min(SAMPLE, size[0]), min(SAMPLE, size[1])
    most = max(FEWEST, int(SAMPLES_SHARE**0.5 * (side + 2 * MARGIN) / SAMPLE))
    rows, columns = (_spread(length, one, most) for length, one in zip(size, sides, strict=True))
    samples = [
        whole[:, :, y * into : (y + sides[0]) * into, x * into : (x + sides[1]) * into]
        for y, x in product(rows, columns)
    ]
    measures: Measures = {}
    with _norms(part, partial(_measuring, measures, sides)):
        part(torch.cat(samples))
    return measures


def _spread(length: int, size: int, most: int) -> list[int]:
    """Where samples of that size begin, evenly from one end to the other."""
    count = min(most, -(-length // size))
    return [round((length - size) * number / max(1, count - 1)) for number in range(count)]


def _measuring(measures: Measures, sizes: tuple[int, int], norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Measures a norm over a batch of samples (n, c, h, w), their margins left out, and norms them by that."""
    edges = [min(MARGIN, size // 4) * length // size for size, length in zip(sizes, x.shape[2:], strict=True)]
    inner = x[:, :, edges[0] : x.shape[2] - edges[0], edges[1] : x.shape[3] - edges[1]]
    groups = inner.float().unflatten(1, (norm.num_groups, -1)).transpose(0, 1).flatten(1)
    variance, mean = torch.var_mean(groups, dim=1, correction=0)
    each = x.shape[1] // norm.num_groups
    measures[norm] = mean.repeat_interleave(each), variance.repeat_interleave(each)
    return _normed(measures, norm, x)


def _normed(measures: Measures, norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """x as the norm gives it where its groups measure what was measured."""
    mean, variance = measures[norm]
    return F.batch_norm(x, mean.to(x.dtype), variance.to(x.dtype), norm.weight, norm.bias, training=False, eps=norm.eps)


@contextmanager
def _norms(part: nn.Module, rule: Callable[[nn.GroupNorm, Tensor], Tensor]) -> Iterator[None]:
    """While the block lasts, the part's group norms follow a rule of ours."""
    norms = [one for one in part.modules() if isinstance(one, nn.GroupNorm)]
    for norm in norms:
        norm.forward = partial(rule, norm)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _times(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)

"""3 x 3 convolution with fewer multiplications: Winograd's F(m x m, 3 x 3), in float32, by torch's operations.

Every m x m block of the output comes from an (m + 2) x (m + 2) block of the input: both are transformed by additions
alone, and in between stand (m + 2)^2 independent matrix products. For m = 2 that is 4 multiplications for each output
and channel instead of 9, for m = 4 only 2.25, with weights that are 16 / 9 and 4 times as large. The pictures are
channels-last, so that the additions run over whole rows of channels, and worked on in bands that stay in the
processor's cache. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BAND_BYTES = 16 * 2**20  # what one band's transformed input and output may take; best of 2 to 64 MiB
LEAST_BLOCKS = 64  # of a band, whatever they take: smaller matrix products are slow

Lines = Sequence[Tensor]  # tensors of one shape, one for each place along an axis of a block
Transform = Callable[[Lines, Lines, Tensor], None]  # lines in, lines out, and two spare tensors of their shape


@dataclass(frozen=True)
class Winograd:
    """One of the algorithms: blocks of `side` x `side` outputs. `filter` is G (side + 2, 3); `into` applies B^T along
    one axis of a block, `back` A^T.
    """

    side: int
    filter: tuple[tuple[float, float, float], ...]
    into: Transform
    back: Transform

    @property
    def reach(self) -> int:
        """The inputs that a block sees, each way."""
        return self.side + 2

    def blocks(self, pictures: int, height: int, width: int) -> int:
        """How many blocks cover so many pictures of that size."""
        return pictures * -(-height // self.side) * -(-width // self.side)

    def transformed_filter(self, weight: Tensor) -> Tensor:
        """G w G^T of every filter of `weight` (out, in, 3, 3), as (reach^2, out, in)."""
        out, into = weight.shape[:2]
        one = torch.tensor(self.filter)
        return torch.mm(torch.kron(one, one), weight.reshape(-1, 9).t()).view(-1, out, into)


def _into_2(d: Lines, out: Lines, spare: Tensor) -> None:
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _back_2(m: Lines, out: Lines, spare: Tensor) -> None:
    torch.add(m[0], m[1], out=out[0]).add_(m[2])
    torch.sub(m[1], m[2], out=out[1]).sub_(m[3])


def _into_4(d: Lines, out: Lines, spare: Tensor) -> None:
    torch.add(d[4], d[2], alpha=-5, out=out[0]).add_(d[0], alpha=4)
    even, odd = spare
    torch.add(d[4], d[2], alpha=-4, out=even)
    torch.add(d[3], d[1], alpha=-4, out=odd)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.add(even, odd, alpha=-2, out=out[4])
    torch.add(d[5], d[3], alpha=-5, out=out[5]).add_(d[1], alpha=4)


def _back_4(m: Lines, out: Lines, spare: Tensor) -> None:
    near, far = spare
    torch.add(m[1], m[2], out=near)
    torch.add(m[3], m[4], out=far)
    torch.add(m[0], near, out=out[0]).add_(far)
    torch.add(near, far, alpha=4, out=out[2])
    torch.sub(m[1], m[2], out=near)
    torch.sub(m[3], m[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(m[5])


SMALL = Winograd(2, ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)), _into_2, _back_2)
LARGE = Winograd(
    4,
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    _into_4,
    _back_4,
)


class Scratch:
    """Memory that is used again and again by the layers of a network, which run one after another.

    Fresh memory has to be cleared by the kernel page by page, which costs as much as the additions themselves.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """Float32 memory of that shape, with whatever the last user of `name` left in it."""
        count = torch.Size(shape).numel()
        kept = self._kept.get(name)
        if kept is None or kept.numel() < count:
            with torch.inference_mode(False):  # of no mode, it can be written to in any
                kept = self._kept[name] = torch.empty(count)
        return kept[:count].view(shape)


def winograd_conv2d(way: Winograd, x: Tensor, filters: Tensor, bias: Tensor, scratch: Scratch) -> Tensor:
    """The convolution with padding 1 and stride 1 of x (b, c, h, w): (b, out, h, w), both channels-last in memory.

    `filters` are of `way.transformed_filter`. Equals `conv2d` to about 2e-6 of the output's size with `SMALL`, to 5e-5
    with `LARGE`.
    """
    batch, channels, height, width = x.shape
    side, rows, columns = way.side, -(-height // way.side), -(-width // way.side)
    padded = scratch.take("padded", batch, side * rows + 2, side * columns + 2, channels)
    _put_in_frame(x.permute(0, 2, 3, 1), padded)
    out = x.new_empty(batch, rows, side, columns, side, len(bias))
    for pictures, band in _bands(batch, rows, columns, way.reach**2 * 4 * (channels + len(bias))):
        inside = padded[pictures, side * band.start : side * band.stop + 2]
        blocks = _transformed(way, inside, scratch)
        count = blocks[0, 0].numel() // channels
        products = scratch.take("products", way.reach**2, count, len(bias))
        torch.bmm(blocks.view(-1, count, channels), filters.transpose(1, 2), out=products)
        products[way.reach + 1] += bias  # this product is added once to every output
        grid = products.view(way.reach, way.reach, *blocks.shape[2:5], -1)
        _back_transformed(way, grid, out[pictures, band], scratch)
    whole = out.view(batch, side * rows, side * columns, -1)[:, :height, :width]
    return whole.permute(0, 3, 1, 2)


def _put_in_frame(x: Tensor, padded: Tensor) -> None:
    """Copies x (b, h, w, c) into the larger `padded`: one row and column of zeros before it, and all that is after."""
    _, height, width, _ = x.shape
    padded[:, 0] = 0
    padded[:, 1 + height :] = 0
    padded[:, :, 0] = 0
    padded[:, :, 1 + width :] = 0
    padded[:, 1 : 1 + height, 1 : 1 + width] = x


def _bands(batch: int, rows: int, columns: int, bytes_a_block: int) -> Iterator[tuple[slice, slice]]:
    """Cuts a batch of `rows` rows of blocks into bands of cache size: whole pictures where several fit, else rows."""
    fitting = max(1, BAND_BYTES // (columns * bytes_a_block), LEAST_BLOCKS // columns)
    if fitting >= rows:
        step = fitting // rows
        yield from ((slice(first, min(first + step, batch)), slice(0, rows)) for first in range(0, batch, step))
        return
    for picture in range(batch):
        for first in range(0, rows, fitting):
            yield slice(picture, picture + 1), slice(first, min(first + fitting, rows))


def _transformed(way: Winograd, inside: Tensor, scratch: Scratch) -> Tensor:
    """B^T d B of the blocks, `side` apart, of `inside` (b, h, w, c): (reach, reach, b, rows, columns, c)."""
    batch, height, width, channels = inside.shape
    side, reach = way.side, way.reach
    rows, columns = (height - 2) // side, (width - 2) // side
    half = scratch.take("half", reach, batch, rows, width, channels)
    spare = scratch.take("spare", 2, batch, rows, width, channels)
    way.into([inside[:, i : i + side * (rows - 1) + 1 : side] for i in range(reach)], half.unbind(), spare)
    blocks = scratch.take("blocks", reach, reach, batch, rows, columns, channels)
    spare = scratch.take("spare", 2, reach, batch, rows, columns, channels)
    lines = [half[:, :, :, j : j + side * (columns - 1) + 1 : side] for j in range(reach)]
    way.into(lines, blocks.unbind(1), spare)
    return blocks


def _back_transformed(way: Winograd, products: Tensor, out: Tensor, scratch: Scratch) -> None:
    """A^T m A of `products` (reach, reach, b, rows, columns, o) into `out` (b, rows, side, columns, side, o)."""
    half = scratch.take("half_out", way.side, *products.shape[1:])
    way.back(products.unbind(), half.unbind(), scratch.take("spare_out", 2, *products.shape[1:]))
    spare = scratch.take("spare_out", 2, way.side, *products.shape[2:])
    way.back(half.unbind(1), out.permute(4, 2, 0, 1, 3, 5).unbind(), spare)


def is_winograd_convolution(conv: torch.nn.Conv2d) -> bool:
    """Whether this layer is one that `winograd_conv2d` computes."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == (1, 1)
        and conv.padding == (1, 1)
        and conv.padding_mode == "zeros"
        and conv.groups == 1
    )

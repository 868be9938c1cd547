"""3 x 3 convolution with 2.25 times fewer multiplications: Winograd's F(2x2, 3x3), in float32, by torch's operations.

Every 2 x 2 block of the output comes from a 4 x 4 block of the input: both are transformed by additions alone, and in
between stand 16 independent matrix products instead of 36 multiplications a channel. The pictures are channels-last, so
that the additions run over whole rows of channels, and worked on in bands that stay in the processor's cache.
Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BAND_BYTES = 8 * 2**20  # what one band's transformed input and output may take; best of 1 to 32 MiB
_FILTER = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]])


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
            kept = self._kept[name] = torch.empty(count)
        return kept[:count].view(shape)


def transformed_filter(weight: Tensor) -> Tensor:
    """G w G^T of every filter of `weight` (out, in, 3, 3), as (16, out, in): 16/9 of its size."""
    out, into = weight.shape[:2]
    both = torch.kron(_FILTER, _FILTER)
    return torch.mm(both, weight.reshape(-1, 9).t()).view(16, out, into)


def winograd_conv2d(x: Tensor, filters: Tensor, bias: Tensor, scratch: Scratch) -> Tensor:
    """The convolution with padding 1 and stride 1 of x (b, c, h, w): (b, out, h, w), both channels-last in memory.

    `filters` are of `transformed_filter`. Equals `conv2d` to about 1e-6 of the output's size.
    """
    batch, channels, height, width = x.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    padded = scratch.take("padded", batch, 2 * rows + 2, 2 * columns + 2, channels)
    _put_in_frame(x.permute(0, 2, 3, 1), padded)
    out = x.new_empty(batch, rows, 2, columns, 2, len(bias))
    for pictures, band in _bands(batch, rows, columns * 64 * (channels + len(bias))):
        inside = padded[pictures, 2 * band.start : 2 * band.stop + 2]
        blocks = _transformed(inside, scratch)
        products = scratch.take("products", 16, blocks[0, 0].numel() // channels, len(bias))
        torch.bmm(blocks.view(16, -1, channels), filters.transpose(1, 2), out=products)
        _back_transformed(products.view(4, 4, *blocks.shape[2:5], -1), bias, out[pictures, band], scratch)
    whole = out.view(batch, 2 * rows, 2 * columns, -1)[:, :height, :width]
    return whole.permute(0, 3, 1, 2)


def _put_in_frame(x: Tensor, padded: Tensor) -> None:
    """Copies x (b, h, w, c) into the larger `padded`: one row and column of zeros before it, and all that is after."""
    _, height, width, _ = x.shape
    padded[:, 0] = 0
    padded[:, 1 + height :] = 0
    padded[:, :, 0] = 0
    padded[:, :, 1 + width :] = 0
    padded[:, 1 : 1 + height, 1 : 1 + width] = x


def _bands(batch: int, rows: int, bytes_a_row: int) -> Iterator[tuple[slice, slice]]:
    """Cuts a batch of `rows` rows of blocks into bands of cache size: whole pictures where several fit, else rows."""
    fitting = max(1, BAND_BYTES // bytes_a_row)
    if fitting >= rows:
        step = fitting // rows
        yield from ((slice(first, min(first + step, batch)), slice(0, rows)) for first in range(0, batch, step))
        return
    for picture in range(batch):
        for first in range(0, rows, fitting):
            yield slice(picture, picture + 1), slice(first, min(first + fitting, rows))


def _transformed(inside: Tensor, scratch: Scratch) -> Tensor:
    """B^T d B of the 4 x 4 blocks, two apart, of `inside` (b, 2n + 2, 2m + 2, c): (4, 4, b, n, m, c)."""
    batch, height, width, channels = inside.shape
    rows, columns = height // 2 - 1, width // 2 - 1
    lines = [inside[:, i : i + 2 * rows - 1 : 2] for i in range(4)]
    half = scratch.take("half", 4, batch, rows, width, channels)
    _differences(lines, [half[i] for i in range(4)])
    blocks = scratch.take("blocks", 4, 4, batch, rows, columns, channels)
    _differences([half[:, :, :, j : j + 2 * columns - 1 : 2] for j in range(4)], [blocks[:, j] for j in range(4)])
    return blocks


def _differences(d: list[Tensor], out: list[Tensor]) -> None:
    """B^T along one axis: d0 - d2, d1 + d2, d2 - d1, d1 - d3."""
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _back_transformed(products: Tensor, bias: Tensor, out: Tensor, scratch: Scratch) -> None:
    """A^T m A plus bias of `products` (4, 4, b, n, m, o) into `out` (b, n, 2, m, 2, o). Uses up the products."""
    half = scratch.take("half_out", 2, *products.shape[1:])
    torch.add(products[0], products[1], out=half[0]).add_(products[2])
    torch.sub(products[1], products[2], out=half[1]).sub_(products[3])
    spare = products[0, 0]
    for i in range(2):
        torch.add(half[i, 0], half[i, 1], out=spare).add_(half[i, 2])
        torch.add(spare, bias, out=out[:, :, i, :, 0])
        torch.sub(half[i, 1], half[i, 2], out=spare).sub_(half[i, 3])
        torch.add(spare, bias, out=out[:, :, i, :, 1])


def is_winograd_convolution(conv: torch.nn.Conv2d) -> bool:
    """Whether this layer is one that `winograd_conv2d` computes."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == (1, 1)
        and conv.padding == (1, 1)
        and conv.padding_mode == "zeros"
        and conv.groups == 1
    )

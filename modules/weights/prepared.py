"""Layers for the CPU that compute what torch's do, faster: they bring their weights into the best form once.

torch re-orders a convolution's weights for oneDNN at every call, and multiplies more than it must. These layers prepare
themselves when they are first called, since the best form depends on the size of the pictures: large 3 x 3 convolutions
take Winograd's (see `winograd.py`), other layers oneDNN's own order of weights. oneDNN's operations are private to
torch: where they are missing, or refuse the dtype, a layer computes as torch does. Nothing changes on other devices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from .memory import free_memory, pages_of_their_own
from .winograd import LARGE, SMALL, Scratch, Winograd, is_winograd_convolution, winograd_conv2d

log = logging.getLogger("easel.weights")

Kernel = Callable[[Tensor], Tensor]
WINOGRAD_WORK = 2 * 10**8  # multiplications of a call below which Winograd's additions cost more than they save
WINOGRAD_CHANNELS = 64
# Fewer weights than these are not worth ordering: nothing is gained, and oneDNN can even lose by it.
WORTH_ORDERING = 2**20
WORTH_ORDERING_LINEAR = 100_000
PIECE = 1024  # tokens that a feed-forward layer takes at once: what it widens them to stays in the processor's cache
LARGE_BLOCKS = 32  # fewer blocks of 4 x 4 make matrix products too small to gain by
LEFT_FREE = 2 << 30  # bytes of memory that Winograd's larger weights leave to others; those four times as large thrice


def prepare_network(network: nn.Module) -> None:
    """Replaces the network's linear and convolution layers by ones that prepare themselves. Names stay as they are."""
    scratch = Scratch()
    for name, layer in [(name, layer) for name, layer in network.named_modules() if type(layer) in _PREPARED]:
        owner, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(owner), leaf, _PREPARED[type(layer)](layer, scratch))


def set_weight(layer: nn.Module, weight: Tensor, bias: Tensor | None = None) -> None:
    """Gives a layer, prepared or not, another weight of the same shape, and another bias if one is given."""
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    if isinstance(layer, (PreparedLinear, PreparedConv2d)):
        layer.kernel = None
    if isinstance(layer, PreparedConv2d):
        layer.plain_weight, layer.extra_bytes = None, 0


def held_bytes(network: nn.Module) -> int:
    """Bytes that the network's parameters take, those that Winograd's larger weights add included."""
    larger = sum(layer.extra_bytes for layer in network.modules() if isinstance(layer, PreparedConv2d))
    return larger + sum(parameter.nbytes for parameter in network.parameters())


class PreparedLinear(nn.Linear):
    """A linear layer that keeps its weight in oneDNN's order once it was called; `weight` then has only a shape."""

    def __init__(self, layer: nn.Linear, scratch: Scratch) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, "meta", layer.weight.dtype)
        self.weight, self.bias = layer.weight, layer.bias
        self.kernel: Kernel | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel is None:
            with pages_of_their_own():
                self.kernel = _linear_kernel(self.weight, self.bias)
            _let_go(self)
        return self.kernel(x)


class PreparedConv2d(nn.Conv2d):
    """A convolution that takes its fastest form when it is first called; `weight` then has only a shape.

    Winograd's suits all sizes from then on. Any other is chosen again for pictures of another size: they may be worth
    Winograd's, and a weight in oneDNN's order for others is re-ordered at every call, which takes up to a second.
    """

    def __init__(self, layer: nn.Conv2d, scratch: Scratch) -> None:
        super().__init__(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            layer.bias is not None,
            layer.padding_mode,
            "meta",
            layer.weight.dtype,
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.scratch = scratch
        self.kernel: Kernel | None = None
        self.plain_weight: Callable[[], Tensor] | None = None  # gives it back, if the kernel suits one size
        self.size = torch.Size()  # height and width that the kernel was chosen for
        self.extra_bytes = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.plain_weight is not None and x.shape[2:] != self.size:
            set_weight(self, self.plain_weight())
        if self.kernel is None:
            self.size = x.shape[2:]
            with pages_of_their_own():
                self.kernel = self._best_kernel(x)
            _let_go(self)
        if self.padding_mode == "zeros":
            return self.kernel(x)
        # The frame goes around the picture first; what lies where the frame was is then right, and cut out.
        above, left = self.padding
        framed = self.kernel(F.pad(x, (2 * left, 2 * left, 2 * above, 2 * above), mode=self.padding_mode))
        above, left = (2 * above // self.stride[0], 2 * left // self.stride[1])
        return framed[:, :, above : framed.shape[2] - above, left : framed.shape[3] - left]

    def _best_kernel(self, x: Tensor) -> Kernel:
        way = self._winograd(x)
        if way is not None:
            filters, scratch = way.transformed_filter(self.weight), self.scratch
            self.extra_bytes = filters.nbytes - self.weight.nbytes
            bias = self.bias if self.bias is not None else torch.zeros(self.out_channels)
            return lambda x: winograd_conv2d(way, x, filters, bias, scratch)
        if self.kernel_size == self.stride == (1, 1) and self.padding == (0, 0) and self.groups == 1:
            linear = _linear_kernel(self.weight.flatten(1), self.bias)
            return lambda x: linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self._plain_kernel() if self.weight.numel() < WORTH_ORDERING else self._ordered_kernel(x)

    def _plain_kernel(self) -> Kernel:
        """x (b, in, h, w) -> (b, out, h', w'), with zeros around it, as torch computes it."""
        weight, bias, geometry = self.weight, self.bias, self._geometry
        self.plain_weight = lambda: weight
        return lambda x: F.conv2d(x, weight, bias, *geometry)

    def _ordered_kernel(self, x: Tensor) -> Kernel:
        """The same in oneDNN's order of weights, the one that suits x best."""
        bias, (stride, padding, dilation, groups) = self.bias, self._geometry
        try:
            ordered = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, padding, stride, dilation, groups, list(x.shape)
            )
            operation = torch.ops.mkldnn._convolution_pointwise
            operation(torch.zeros_like(x), ordered, bias, padding, stride, dilation, groups, "none", [], "")
        except (AttributeError, RuntimeError) as error:
            log.debug("oneDNN does not take this convolution: %s", error)
            return self._plain_kernel()
        self.plain_weight = ordered.to_dense
        return lambda x: operation(x, ordered, bias, padding, stride, dilation, groups, "none", [], "")

    @property
    def _geometry(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
        return self.stride, self.padding, self.dilation, self.groups

    def _winograd(self, x: Tensor) -> Winograd | None:
        """Which of Winograd's ways pays here and finds room for its larger weights; None: neither."""
        if self.weight.dtype != torch.float32 or not is_winograd_convolution(self):
            return None
        pictures, _, height, width = x.shape
        if min(self.in_channels, self.out_channels) < WINOGRAD_CHANNELS:
            return None
        if self.weight.numel() * pictures * height * width < WINOGRAD_WORK:
            return None
        free = free_memory(torch.device("cpu"))
        if LARGE.blocks(pictures, height, width) >= LARGE_BLOCKS and (
            free is None or free > 3 * LEFT_FREE + 4 * self.weight.nbytes
        ):
            return LARGE
        return SMALL if free is None or free > LEFT_FREE + 2 * self.weight.nbytes else None


class PreparedFeedForward(nn.Module):
    """A feed-forward layer that reads its tokens in pieces, so that the wide middle needs no memory of its own."""

    def __init__(self, layer: FeedForward, scratch: Scratch) -> None:
        super().__init__()
        self.net = layer.net

    def forward(self, x: Tensor) -> Tensor:
        """x (..., tokens, width) to the same shape."""
        tokens = x.reshape(-1, x.shape[-1])
        return torch.cat([self._through(piece) for piece in tokens.split(PIECE)]).view(*x.shape[:-1], -1)

    def _through(self, x: Tensor) -> Tensor:
        for layer in self.net:
            x = layer(x)
        return x


_PREPARED: dict[type, Callable[[nn.Module, Scratch], nn.Module]] = {
    nn.Linear: PreparedLinear,
    nn.Conv2d: PreparedConv2d,
    FeedForward: PreparedFeedForward,
}


def _let_go(layer: PreparedLinear | PreparedConv2d) -> None:
    """Frees the weight that the kernel has in its own form."""
    layer.weight = nn.Parameter(torch.empty_like(layer.weight, device="meta"), requires_grad=False)


def _linear_kernel(weight: Tensor, bias: Tensor | None) -> Kernel:
    """x (..., in) -> (..., out)."""
    if weight.numel() < WORTH_ORDERING_LINEAR:
        return lambda x: F.linear(x, weight, bias)
    try:
        ordered = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        operation = torch.ops.mkldnn._linear_pointwise
        operation(torch.zeros(1, weight.shape[1], dtype=weight.dtype), ordered, bias, "none", [], "")
    except (AttributeError, RuntimeError) as error:
        log.debug("oneDNN does not take this linear layer: %s", error)
        return lambda x: F.linear(x, weight, bias)
    return lambda x: operation(x, ordered, bias, "none", [], "")

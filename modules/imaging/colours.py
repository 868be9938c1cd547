"""One picture given another one's colours, as A1111's colour correction does."""

from __future__ import annotations

import numpy

Pixels = numpy.ndarray

_TO_XYZ = numpy.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = numpy.array([0.950456, 1.0, 1.088754])
_LUMA = numpy.array([0.3, 0.59, 0.11], numpy.float32)


def corrected(pixels: Pixels, model: Pixels) -> Pixels:
    """`pixels`, uint8 (h, w, 3), with the colours of `model`, uint8 (any size, 3), and its own light and dark.

    The histograms of L, a and b are matched; of the result hue and saturation are taken.
    """
    lab, wanted = to_lab(pixels), to_lab(model)
    matched = numpy.stack([_matched(lab[..., channel], wanted[..., channel]) for channel in range(3)], axis=-1)
    return _with_luminosity(to_rgb(matched), pixels)


def to_lab(pixels: Pixels) -> Pixels:
    """CIE L*a*b* (D65) in 8 bits: L scaled to 255, a and b moved by 128."""
    colours = pixels.astype(numpy.float32) / 255
    linear = numpy.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    xyz = linear @ (_TO_XYZ / _WHITE[:, None]).T.astype(numpy.float32)
    f = numpy.where(xyz > 0.008856, numpy.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = [(116 * f[..., 1] - 16) * 2.55, 500 * (f[..., 0] - f[..., 1]) + 128, 200 * (f[..., 1] - f[..., 2]) + 128]
    return numpy.rint(numpy.stack(lab, axis=-1)).clip(0, 255).astype(numpy.uint8)


def to_rgb(lab: Pixels) -> Pixels:
    """8-bit L*a*b*, whole or not, as uint8 sRGB."""
    lightness, a, b = (lab[..., channel].astype(numpy.float32) for channel in range(3))
    y = (lightness / 2.55 + 16) / 116
    f = numpy.stack([y + (a - 128) / 500, y, y - (b - 128) / 200], axis=-1)
    xyz = numpy.where(f > 6 / 29, f**3, (f - 16 / 116) / 7.787) * _WHITE.astype(numpy.float32)
    linear = (xyz @ numpy.linalg.inv(_TO_XYZ).T.astype(numpy.float32)).clip(0, 1)
    colours = numpy.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return numpy.rint(colours * 255).clip(0, 255).astype(numpy.uint8)


def _matched(levels: Pixels, model: Pixels) -> Pixels:
    """`levels`, uint8, moved so that as many pixels lie below each as do in `model`. Float32."""
    counts, wanted = (numpy.bincount(one.ravel(), minlength=256) for one in (levels, model))
    below = numpy.cumsum(counts) / levels.size
    present = numpy.flatnonzero(wanted)
    moved = numpy.interp(below, (numpy.cumsum(wanted) / model.size)[present], present)
    return moved.astype(numpy.float32)[levels]


def _with_luminosity(colours: Pixels, light: Pixels) -> Pixels:
    """Hue and saturation of `colours`, luminosity of `light`: the blend mode of W3C's Compositing, section 13.4."""
    base, source = colours.astype(numpy.float32) / 255, light.astype(numpy.float32) / 255
    wanted = source @ _LUMA
    moved = base + (wanted - base @ _LUMA)[..., None]
    luma = wanted[..., None]
    lowest, highest = moved.min(-1, keepdims=True), moved.max(-1, keepdims=True)
    moved = numpy.where(lowest < 0, luma + (moved - luma) * luma / numpy.maximum(luma - lowest, 1e-6), moved)
    over = luma + (moved - luma) * (1 - luma) / numpy.maximum(highest - luma, 1e-6)
    return numpy.rint(numpy.where(highest > 1, over, moved) * 255).clip(0, 255).astype(numpy.uint8)

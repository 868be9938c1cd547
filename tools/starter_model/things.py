"""The things of the world, each drawn in a unit box: x from -0.5 to 0.5, y from 0 (ground) to 1 (top)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from .world import Colour

Point = tuple[float, float]

WINDOW_BY_DAY: Colour = (190, 226, 244)
WINDOW_AT_NIGHT: Colour = (255, 224, 110)
WOOD: Colour = (112, 70, 44)
CREAM: Colour = (252, 246, 228)
INK: Colour = (36, 34, 44)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Colour `a` with `share` (0 to 1) of it replaced by `b`."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def dark(colour: Colour, share: float = 0.28) -> Colour:
    return blend(colour, (14, 10, 40), share)


def light(colour: Colour, share: float = 0.3) -> Colour:
    return blend(colour, (255, 255, 255), share)


@dataclass(frozen=True)
class Pen:
    """Draws in a thing's own unit box: `x`, `y` is its foot and `size` its height, in pixels."""

    canvas: ImageDraw.ImageDraw
    x: float
    y: float
    size: float
    lit: bool = False

    def at(self, px: float, py: float) -> Point:
        return self.x + px * self.size, self.y - py * self.size

    def poly(self, points: Sequence[Point], colour: Colour) -> None:
        self.canvas.polygon([self.at(*p) for p in points], fill=colour)

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def oval(self, cx: float, cy: float, rx: float, ry: float, colour: Colour) -> None:
        x, y = self.at(cx, cy)
        rx, ry = rx * self.size, ry * self.size
        self.canvas.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def slice(self, cx: float, cy: float, rx: float, ry: float, start: float, end: float, colour: Colour) -> None:
        x, y = self.at(cx, cy)
        rx, ry = rx * self.size, ry * self.size
        self.canvas.pieslice((x - rx, y - ry, x + rx, y + ry), start, end, fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        self.canvas.line(
            [self.at(*p) for p in points], fill=colour, width=max(1, round(width * self.size)), joint="curve"
        )

    @property
    def glass(self) -> Colour:
        return WINDOW_AT_NIGHT if self.lit else WINDOW_BY_DAY


def house(pen: Pen, colour: Colour) -> None:
    pen.rect(0.2, 0.66, 0.31, 0.98, dark(colour, 0.45))
    pen.rect(-0.4, 0, 0.4, 0.56, colour)
    pen.rect(0.22, 0, 0.4, 0.56, dark(colour, 0.12))
    pen.poly([(-0.52, 0.54), (0, 1), (0.52, 0.54)], dark(colour, 0.42))
    pen.rect(-0.1, 0, 0.1, 0.34, WOOD)
    pen.rect(-0.32, 0.2, -0.16, 0.4, pen.glass)
    pen.rect(0.16, 0.2, 0.32, 0.4, pen.glass)


def tree(pen: Pen, colour: Colour) -> None:
    pen.rect(-0.07, 0, 0.07, 0.45, WOOD)
    pen.oval(-0.2, 0.54, 0.24, 0.22, dark(colour, 0.15))
    pen.oval(0.2, 0.54, 0.24, 0.22, dark(colour, 0.15))
    pen.oval(0, 0.7, 0.33, 0.3, colour)
    pen.oval(-0.12, 0.8, 0.1, 0.08, light(colour, 0.22))


def boat(pen: Pen, colour: Colour) -> None:
    pen.rect(-0.02, 0.2, 0.02, 1, WOOD)
    pen.poly([(0.05, 0.32), (0.05, 0.98), (0.42, 0.36)], CREAM)
    pen.poly([(-0.05, 0.36), (-0.05, 0.9), (-0.34, 0.38)], dark(CREAM, 0.1))
    pen.poly([(-0.52, 0.3), (0.52, 0.3), (0.34, 0), (-0.34, 0)], colour)
    pen.poly([(-0.42, 0.13), (0.42, 0.13), (0.34, 0), (-0.34, 0)], dark(colour))


def cat(pen: Pen, colour: Colour) -> None:
    eye = (250, 224, 90) if sum(colour) < 330 else INK
    pen.line([(0.2, 0.06), (0.42, 0.1), (0.44, 0.34), (0.36, 0.44)], 0.1, dark(colour, 0.15))
    pen.oval(0, 0.26, 0.3, 0.28, colour)
    pen.poly([(-0.28, 0.7), (-0.25, 1), (-0.04, 0.86)], colour)
    pen.poly([(0.28, 0.7), (0.25, 1), (0.04, 0.86)], colour)
    pen.oval(0, 0.68, 0.29, 0.23, colour)
    pen.oval(-0.12, 0.7, 0.045, 0.06, eye)
    pen.oval(0.12, 0.7, 0.045, 0.06, eye)
    pen.poly([(-0.045, 0.62), (0.045, 0.62), (0, 0.57)], (240, 130, 150))
    pen.oval(-0.13, 0.03, 0.1, 0.045, light(colour, 0.35))
    pen.oval(0.13, 0.03, 0.1, 0.045, light(colour, 0.35))


def balloon(pen: Pen, colour: Colour) -> None:
    pen.line([(-0.22, 0.42), (-0.08, 0.14)], 0.02, WOOD)
    pen.line([(0.22, 0.42), (0.08, 0.14)], 0.02, WOOD)
    pen.poly([(-0.36, 0.54), (0.36, 0.54), (0.1, 0.24), (-0.1, 0.24)], colour)
    pen.oval(0, 0.66, 0.38, 0.35, colour)
    pen.oval(0, 0.66, 0.15, 0.35, light(colour, 0.3))
    pen.poly([(-0.14, 0.58), (0.14, 0.58), (0.04, 0.24), (-0.04, 0.24)], light(colour, 0.3))
    pen.rect(-0.1, 0, 0.1, 0.15, WOOD)


def lighthouse(pen: Pen, colour: Colour) -> None:
    if pen.lit:
        pen.poly([(0, 0.84), (-0.62, 0.98), (-0.62, 0.74)], (250, 226, 130))
    pen.poly([(-0.2, 0), (0.2, 0), (0.12, 0.74), (-0.12, 0.74)], colour)
    pen.poly([(-0.165, 0.3), (0.165, 0.3), (0.147, 0.44), (-0.147, 0.44)], CREAM)
    pen.rect(-0.17, 0.72, 0.17, 0.77, dark(colour, 0.5))
    pen.rect(-0.09, 0.77, 0.09, 0.89, (255, 232, 120))
    pen.poly([(-0.15, 0.88), (0.15, 0.88), (0, 1)], dark(colour, 0.42))
    pen.rect(-0.05, 0, 0.05, 0.14, WOOD)


def mountain(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.1, 0), (0.4, 0.66), (0.8, 0)], dark(colour, 0.22))
    pen.poly([(-0.72, 0), (-0.08, 1), (0.52, 0)], colour)
    pen.poly([(-0.08, 1), (0.52, 0), (0.1, 0)], dark(colour, 0.14))
    snow = (255, 255, 255) if min(colour) < 235 else (206, 222, 240)
    pen.poly([(-0.08, 1), (-0.272, 0.7), (-0.17, 0.76), (-0.08, 0.66), (0.02, 0.76), (0.1, 0.7)], snow)


def flower(pen: Pen, colour: Colour) -> None:
    stem = (58, 140, 62)
    pen.line([(0, 0), (0, 0.62)], 0.06, stem)
    pen.poly([(0, 0.1), (-0.28, 0.34), (-0.06, 0.32)], stem)
    pen.poly([(0, 0.06), (0.28, 0.28), (0.06, 0.28)], stem)
    for k in range(6):
        angle = math.pi * (k / 3 + 0.5)
        pen.oval(0.21 * math.cos(angle), 0.7 + 0.19 * math.sin(angle), 0.145, 0.135, colour)
    centre = (250, 206, 60) if colour[2] > 90 or colour[0] < 180 or colour[1] < 90 else WOOD
    pen.oval(0, 0.7, 0.125, 0.12, centre)


def fish(pen: Pen, colour: Colour) -> None:
    pen.poly([(0.22, 0.5), (0.54, 0.8), (0.54, 0.2)], dark(colour, 0.2))
    pen.poly([(-0.12, 0.72), (0.04, 0.96), (0.18, 0.68)], dark(colour, 0.2))
    pen.oval(-0.08, 0.5, 0.42, 0.28, colour)
    pen.oval(-0.04, 0.38, 0.26, 0.12, light(colour, 0.35))
    pen.oval(-0.3, 0.56, 0.075, 0.075, (255, 255, 255))
    pen.oval(-0.31, 0.56, 0.04, 0.04, INK)


def car(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.38, 0.4), (-0.24, 0.74), (0.22, 0.74), (0.4, 0.4)], colour)
    pen.poly([(-0.29, 0.42), (-0.2, 0.66), (-0.03, 0.66), (-0.03, 0.42)], pen.glass)
    pen.poly([(0.29, 0.42), (0.18, 0.66), (0.03, 0.66), (0.03, 0.42)], pen.glass)
    pen.rect(-0.6, 0.12, 0.6, 0.42, colour)
    pen.rect(-0.6, 0.12, 0.6, 0.19, dark(colour))
    for x in (-0.33, 0.33):
        pen.oval(x, 0.13, 0.14, 0.14, INK)
        pen.oval(x, 0.13, 0.06, 0.06, (200, 204, 210))
    pen.oval(-0.57, 0.32, 0.045, 0.05, (255, 240, 160))


def mushroom(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.12, 0.5), (0.12, 0.5), (0.18, 0), (-0.18, 0)], CREAM)
    pen.slice(0, 0.42, 0.48, 0.52, 180, 360, colour)
    spot = CREAM if min(colour) < 225 else (214, 60, 60)
    pen.oval(-0.24, 0.58, 0.07, 0.07, spot)
    pen.oval(0.02, 0.76, 0.085, 0.08, spot)
    pen.oval(0.27, 0.56, 0.065, 0.065, spot)


def rocket(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.11, 0.2), (0.11, 0.2), (0, -0.08)], (250, 150, 40))
    pen.poly([(-0.06, 0.2), (0.06, 0.2), (0, 0.04)], (255, 226, 110))
    pen.poly([(-0.14, 0.5), (-0.34, 0.12), (-0.1, 0.22)], dark(colour, 0.4))
    pen.poly([(0.14, 0.5), (0.34, 0.12), (0.1, 0.22)], dark(colour, 0.4))
    pen.oval(0, 0.56, 0.2, 0.42, colour)
    pen.rect(-0.12, 0.19, 0.12, 0.26, dark(colour, 0.5))
    pen.oval(0, 0.64, 0.1, 0.1, CREAM)
    pen.oval(0, 0.64, 0.07, 0.07, pen.glass)


def circle(pen: Pen, colour: Colour) -> None:
    pen.oval(0, 0.5, 0.5, 0.5, colour)


def square(pen: Pen, colour: Colour) -> None:
    pen.rect(-0.46, 0.04, 0.46, 0.96, colour)


def triangle(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.56, 0.02), (0.56, 0.02), (0, 0.98)], colour)


def diamond(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.44, 0.5), (0, 1.06), (0.44, 0.5), (0, -0.06)], colour)


def star(pen: Pen, colour: Colour) -> None:
    radii = (0.58, 0.25)
    pen.poly(
        [
            (radii[k % 2] * math.sin(k * math.pi / 5), 0.47 + radii[k % 2] * math.cos(k * math.pi / 5))
            for k in range(10)
        ],
        colour,
    )


def heart(pen: Pen, colour: Colour) -> None:
    steps = (2 * math.pi * k / 40 for k in range(40))
    pen.poly(
        [
            (
                0.52 * math.sin(t) ** 3,
                0.53 + (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 30,
            )
            for t in steps
        ],
        colour,
    )


def cross(pen: Pen, colour: Colour) -> None:
    pen.rect(-0.17, 0, 0.17, 1, colour)
    pen.rect(-0.5, 0.33, 0.5, 0.67, colour)


DRAWINGS: dict[str, Callable[[Pen, Colour], None]] = {
    drawing.__name__: drawing
    for drawing in (
        house,
        tree,
        boat,
        cat,
        balloon,
        lighthouse,
        mountain,
        flower,
        fish,
        car,
        mushroom,
        rocket,
        circle,
        square,
        triangle,
        diamond,
        star,
        heart,
        cross,
    )
}

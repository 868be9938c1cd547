// The tools of the canvas: what a pointer does to a raster. Each gets points in the picture's pixels.
import { alike } from "./raster.js";

/** Label, key, and whether the tool paints with the size of the brush. */
export const TOOLS = {
  brush: { label: "Brush", key: "b", sized: true },
  eraser: { label: "Eraser", key: "e", sized: true },
  rectangle: { label: "Rectangle", key: "r" },
  lasso: { label: "Lasso", key: "l" },
  wand: { label: "Fill where the colour is alike", key: "f" },
  range: { label: "Fill this colour everywhere", key: "c" },
  hand: { label: "Move the view (hold Space)", key: "h" },
};

/** A stroke in progress: `move(point)` and `end()` give the box that changed. `options`: {raster, ink, size, hardness,
 *  pixels: () => ImageData, tolerance}. */
export function startTool(tool, point, options) {
  const { raster, ink } = options;
  raster.begin();
  const starts = { brush: line, eraser: line, rectangle, lasso, wand: chosen(true), range: chosen(false) };
  const running = starts[tool](point, { ...options, ink: tool === "eraser" ? null : ink });
  return {
    outline: running.outline ?? (() => null),
    box: running.box ?? null,
    move: (next) => running.move?.(next) ?? null,
    end: () => {
      const box = running.end?.() ?? null;
      return { box, changed: raster.end() };
    },
  };
}

function line(first, { raster, ink, size, hardness }) {
  const sized = ({ x, y, pressure }) => ({ x, y, radius: (size / 2) * pressure });
  let last = sized(first);
  return {
    box: raster.stroke(last, last, hardness, ink),
    move(point) {
      const next = sized(point);
      const box = raster.stroke(last, next, hardness, ink);
      last = next;
      return box;
    },
  };
}

function rectangle(first, { raster, ink }) {
  let last = first;
  const corners = () => [first, { x: last.x, y: first.y }, last, { x: first.x, y: last.y }];
  return {
    outline: corners,
    move(point) {
      last = point;
      return null;
    },
    end: () => raster.polygon(corners(), ink),
  };
}

function lasso(first, { raster, ink }) {
  const points = [first];
  return {
    outline: () => points,
    move(point) {
      points.push(point);
      return null;
    },
    end: () => (points.length > 2 ? raster.polygon(points, ink) : null),
  };
}

const chosen =
  (joined) =>
  ({ x, y }, { raster, ink, pixels, tolerance }) => {
    const picture = pixels();
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= picture.width || row >= picture.height) return {};
    return { box: raster.region(alike(picture, column, row, tolerance, joined), ink) };
  };


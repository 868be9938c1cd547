// Moving and zooming the view of a canvas by pointer: one that drags, or two fingers.

/** While this pointer is down, the view moves with it. */
export function dragView(canvas, sight, event, ended) {
  let last = event;
  const move = (now) => {
    sight.move(now.clientX - last.clientX, now.clientY - last.clientY);
    last = now;
  };
  whileDown(canvas, move, () => true, ended);
}

/** Two `fingers` (pointer events by id) zoom and move, until one of them is lifted. */
export function pinchView(canvas, sight, fingers) {
  const both = [...fingers.keys()];
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
  };
  let last = spread();
  const move = (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event);
    const now = spread();
    sight.move(now.x - last.x, now.y - last.y);
    sight.zoomAt(now.apart / Math.max(1, last.apart), now.x, now.y);
    last = now;
  };
  whileDown(canvas, move, ({ pointerId }) => both.includes(pointerId), () => fingers.clear());
}

/** Calls `move` until a pointer goes up of which `last` says that it was the one; then `ended`. */
function whileDown(canvas, move, last, ended) {
  const up = (event) => {
    if (!last(event)) return;
    canvas.removeEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) canvas.removeEventListener(kind, up);
    ended();
  };
  canvas.addEventListener("pointermove", move);
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, up);
}

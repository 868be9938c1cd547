"""How smoothly a person paints on a picture of 4096 x 4096: times between frames in headless Chromium.

    python -m benchmarks.painting

Starts the program with an empty data folder and paints with the mouse, with small and large brushes, seen whole and
close up. Chromium draws in software here, without a graphics card. Writes benchmarks/results/painting.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from .page_start import ROOT, _free_port

RESULT = ROOT / "benchmarks" / "results" / "painting.md"
SIDE = 4096
BAR = 1000 / 60  # ms
MOVES = 240
SOURCE = "document.querySelector('easel-source[tab=inpaint]')"
SOURCE_FILE = "easel-source[tab=inpaint] > input[type=file]"
COUNT_FRAMES = """() => {
    window.frameTimes = [];
    let last = performance.now();
    const count = () => {
        const now = performance.now();
        frameTimes.push(now - last);
        last = now;
        requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
}"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, _program(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}/#inpaint")
        page.wait_for_selector(SOURCE_FILE, state="attached", timeout=60_000)
        page.set_input_files(SOURCE_FILE, _picture(Path(folder)))
        page.wait_for_function(f"{SOURCE}.sight?.half?.width === {SIDE // 2}", timeout=60_000)
        page.evaluate(COUNT_FRAMES)
        rows = [("nothing is painted", *_frames(page, lambda: page.wait_for_timeout(2000)))]
        for size in (60, 300, 600):
            rows.append((f"brush of {size} px, whole picture in sight", *_stroke(page, size)))
        box = page.locator("#inpaint_canvas").bounding_box()
        page.evaluate(f"{SOURCE}.sight.zoomAt(6, {box['x'] + box['width'] / 2}, {box['y'] + box['height'] / 2})")
        for size in (60, 300):
            rows.append((f"brush of {size} px, zoomed in", *_stroke(page, size)))
        browser.close()
    RESULT.write_text(_report(rows), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    return 0


def _stroke(page: Page, size: int) -> tuple[list[float], list[float]]:
    """Frame times, and what the page itself computed in each frame, while a long stroke is painted."""
    page.evaluate(f"{SOURCE}.setBrush({{ size: {size} }})")
    box = page.locator("#inpaint_canvas").bounding_box()
    left, middle = box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2

    def paint() -> None:
        page.mouse.move(left, middle)
        page.mouse.down()
        for i in range(MOVES):
            page.mouse.move(left + box["width"] * 0.6 * i / MOVES, middle + 120 * np.sin(i / 12))
        page.mouse.up()

    return _frames(page, paint)


def _frames(page: Page, does: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Milliseconds between frames while something is done, and those that the canvas's own drawing took."""
    page.evaluate(
        f"""() => {{
        const sight = {SOURCE}.sight;
        window.drawTimes = [];
        frameTimes.length = 0;
        delete sight.now;
        const now = sight.now.bind(sight);
        sight.now = () => {{ const from = performance.now(); now(); drawTimes.push(performance.now() - from); }};
    }}"""
    )
    does()
    return page.evaluate("[frameTimes.slice(1), drawTimes]")


def _report(rows: list[tuple[str, list[float], list[float]]]) -> str:
    lines = [
        f"| {what} | {median(frames):.1f} | {_late(frames):.1f} | {1000 / median(frames):.0f} | "
        f"{f'{median(draws):.1f}' if draws else '-'} |"
        for what, frames, draws in rows
    ]
    return f"""# Painting on a picture of {SIDE} x {SIDE}

`python -m benchmarks.painting`: milliseconds from frame to frame (`requestAnimationFrame`) while the mouse paints a
mask in headless Chromium, which draws in software. {os.cpu_count()} CPU cores, load average {os.getloadavg()[0]:.0f}.
A frame at 60 a second has {BAR:.1f} ms. *drawing*: what the canvas's own code takes of it to show what was painted.

| | median ms | 95 % below | frames a second | drawing |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""


def _late(frames: list[float]) -> float:
    return sorted(frames)[int(0.95 * (len(frames) - 1))]


def _picture(folder: Path) -> Path:
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.stack([x >> 4, y >> 4, (x ^ y) >> 4], axis=-1).astype(np.uint8)
    path = folder / "picture.png"
    Image.fromarray(pixels).save(path, compress_level=1)
    return path


@contextmanager
def _program(folder: Path) -> Iterator[str]:
    """The address of the program, running with an empty data folder."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    options = ["--skip-install", "--no-browser", "--port", str(port), "--data-dir", str(folder / "data")]
    process = subprocess.Popen([sys.executable, "webui.py", *options], cwd=ROOT)
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/engine", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("The program did not start.")


if __name__ == "__main__":
    sys.exit(main())

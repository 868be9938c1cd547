"""How the page looks: a theme of system fonts and our own style sheets, all local."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
TOKENS = "tokens"
SHEETS = (
    "icons",
    "widgets",
    "fields",
    "frame",
    "desk",
    "styles",
    "stage",
    "source",
    "tray",
    "rail",
    "viewer",
    "send",
    "history",
    "models",
    "model_download",
    "model_tools",
    "compare",
    "png_info",
    "inspect",
    "settings",
)
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Segoe UI Mono", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's plainest theme without web fonts. Our sheets travel in its css, which the page waits for: no flash."""
    look = gr.themes.Base(font=[_quoted(font) for font in SANS], font_mono=[_quoted(font) for font in MONO])
    look.body_background_fill, look.body_background_fill_dark = "#f4f3f1", "#161617"
    look.body_text_color, look.body_text_color_dark = "#23211f", "#e9e7e4"
    look.custom_css = _sheet(TOKENS) + _outweighing("\n".join(_sheet(name) for name in SHEETS))
    return look


def _sheet(name: str) -> str:
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")


def _outweighing(sheets: str) -> str:
    """The same rules with the weight of an id, so that they win over Gradio's without `!important`."""
    return f":is(body, #easel) {{\n{sheets}\n}}"


def _quoted(font: str) -> str:
    return f"'{font}'" if " " in font else font


def head() -> str:
    """What our page adds to the document's head."""
    icon = "data:image/svg+xml," + (STATIC / "easel.svg").read_text(encoding="utf-8").strip().replace("#", "%23")
    modules = sorted(path.name for path in STATIC.glob("*.js"))
    preloads = "".join(f'<link rel="modulepreload" href="/static/{name}">' for name in modules)
    return (
        f'<link rel="icon" type="image/svg+xml" href=\'{icon}\'>'
        '<meta name="color-scheme" content="light dark">'
        "<script>window.easel = new Promise((done) => (window.easelLoaded = done));</script>"
        f"{preloads}"
        '<script type="module" src="/static/main.js"></script>'
    )

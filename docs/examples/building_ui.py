"""Adds a tab that turns its text around."""

from modules.plugins.api import hook


@hook
def building_ui(ui):
    ui.tab("Mirror", build)


def build():
    import gradio as gr

    text = gr.Textbox(label="Text")
    text.submit(lambda text: text[::-1], text, text)

"""The page: Gradio widgets computed from declared parameters, and our own JavaScript for everything that is alive.

`page.mount` puts it into a FastAPI application. Importing this package imports neither torch nor the engine.
"""

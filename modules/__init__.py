"""Easel: a web UI for Stable Diffusion.

Two columns stand on one base and meet in `app.py` only:

    core                                what a generation is: request, pictures, events, settings, hooks (no torch)
    catalog, imaging, text              leaves beside it: model files, pictures on disk, prompts (no torch)
    diffusion -> weights -> engine      the compute column (torch)
    jobs -> studio -> server, gui       the application column (no torch)
    plugins                             what extensions import
    bootstrap                           sets up the environment before anything else can be imported

`tests/checks/test_layers.py` holds the arrows. Nothing is imported here, so that a bare Python can start.
"""

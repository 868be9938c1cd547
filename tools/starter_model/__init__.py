"""The starter model: a small Stable Diffusion 1 trained on a world that a program draws."""

"""The checkpoints that everyone starts from, made anew of random numbers: loaded, rendered, compared with diffusers."""

"""The prompt: its language, its tokens, its chunks. No torch."""

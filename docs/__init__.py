"""The documentation. What the code declares is written out by `python -m docs`; `docs/decisions/` is written by hand."""

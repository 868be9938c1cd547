"""The documentation. `python -m docs` writes out what the code declares; `docs/decisions/` is written by hand."""

"""The page of HTTP routes, from the application itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI

from modules.core.files import Folders
from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.jobs.workers import Engine
from modules.server.gate import Gate
from modules.server.routes import build_app
from modules.studio import Studio

from .tables import code, row, table

TOP = """# HTTP API

What the page itself uses, for scripts too. Written by `python -m docs`.

Requests and answers are JSON. An error has a fitting status and `{"message": ..., "hint": ...}`: what was seen, and
what to do. The server answers to `localhost` and to the names given with `--host-name`; requests that a browser sends
on behalf of another site are refused.

```python
import json, time, urllib.request


def call(path, values=None):
    data = None if values is None else json.dumps(values).encode()
    return json.load(urllib.request.urlopen(f"http://127.0.0.1:7860{path}", data))


job = call("/api/jobs", {"prompt": "a red balloon over the sea", "steps": 20})
while job["state"] in ("waiting", "running"):
    time.sleep(0.5)
    job = call(f"/api/jobs/{job['id']}")
print(job["state"], job["message"], [picture["file"] for picture in job["pictures"]])
```

"""


def page() -> str:
    with tempfile.TemporaryDirectory() as folder:
        studio = _studio(Path(folder))
        try:
            rows = [row((code(method), code(path), text)) for method, path, text in routes(build_app(studio, Gate()))]
        finally:
            studio.close()
    return TOP + table(("Method", "Path", "What it does"), rows) + "\n"


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path and description of every route of ours, in order."""
    for path, methods in app.openapi()["paths"].items():
        for method, facts in methods.items():
            if method != "head":
                yield method.upper(), path, " ".join(facts.get("description", "").split())


def _studio(folder: Path) -> Studio:
    """A studio that only lends its routes their shape: it is never started."""

    def no_engine() -> Engine:
        raise RuntimeError("This studio is only described.")

    folders = Folders(folder, folder / "data", folder / "models", folder / "outputs", (), (folder / "models",), ())
    return Studio(folders, Settings(folder / "config.json", environment={}), Hooks(), no_engine)

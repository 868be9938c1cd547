"""The page for writers of extensions: what they may declare, and every moment with an example that the tests run."""

from __future__ import annotations

import inspect
from pathlib import Path

from modules.core.hooks import Moments
from modules.core.params import Param
from modules.core.settings import Setting
from modules.plugins import api

EXAMPLES = Path(__file__).with_name("examples")

TOP = """# Extensions

An extension is a folder in `extensions/` with a file `extension.py`. It is loaded at the start; `extensions/example`
shows a whole one, and `--disable-extension NAME` leaves one out. One that fails, while it is loaded or later, is named
on the page and in the log, and skipped: it never costs a picture. Written by `python -m docs`.

Everything an extension needs comes from one module:

```python
{usage}
```

Other files of the folder are imported relatively (`from .palette import colours`). torch may be imported inside a
listener; at the top of the file it would delay the page.

## Declaring

`Param(name, default, ...)` adds a parameter: a widget, a field of the API (`extra` in `POST /api/jobs`), a key in the
picture's text. Its value is `run.request.extra[name]`. Facts that may be given: {param_facts}.

`Setting(name, default, ...)` adds a setting: a line on the Settings tab, a key in the file. Its value is
`run.settings[name]`. Facts that may be given: {setting_facts}.

`@sampler(name)` and `@schedule(name)` add to every list of samplers and schedule types; `modules/core/registry.py` says
what such a function takes and gives. For SD 1, SD 2 and SDXL x is latents + sigma * noise. With SD 3 and FLUX a sampler
that says `noise="ancestral"` or `noise="brownian"` is given the same, so it need not know them; one that draws no noise
gets (1 - sigma) * latents + sigma * noise, with sigma from 1 to 0, where Euler's step is the same line.

`@script(name, Field(...), ...)` adds a script: one job of many requests, with its fields in the page's fold "Script"
and in `scripts` in `POST /api/jobs`. It yields one `Part` after another and is sent the pictures of each;
`modules/core/scripts.py` says how values are checked and pictures counted beforehand (`prepare`). The X/Y/Z plot in
`modules/plugins/builtin/xyz_plot` is one.

## Listening

A function marked `@hook` and named like a moment is called at that moment. It takes only the arguments that it names.
`@hook(tryfirst=True)` comes before other listeners, `@hook(trylast=True)` after them. The moments of a job come in this
order:

{order}
"""


def page() -> str:
    return TOP.format(
        usage=inspect.cleandoc(api.__doc__.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]),
        param_facts=_facts(Param, {"name", "default", "type", "optional", "owner"}),
        setting_facts=_facts(Setting, {"name", "default", "owner"}),
        order=", ".join(f"[{name}](#{name})" for name in moments()) + ".",
    ) + "".join(f"\n{moment_section(name)}" for name in moments())


def moments() -> list[str]:
    """The names of all moments, in the order in which a job passes them."""
    return [name for name in vars(Moments) if not name.startswith("_")]


def moment_section(name: str) -> str:
    """What a moment is for, what its listeners are given, and an example that works as it stands."""
    moment = getattr(Moments, name)
    arguments = ", ".join(list(inspect.signature(moment).parameters)[1:])
    example = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").strip()
    return f"### {name}\n\n`{name}({arguments})`: {inspect.getdoc(moment)}\n\n```python\n{example}\n```\n"


def _facts(kind: type, without: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in inspect.signature(kind).parameters if name not in without)

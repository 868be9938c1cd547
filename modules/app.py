"""Puts the program together and runs it. Sees everything; nothing imports it but webui.py and tests.

The page comes first: torch is imported only after the first page was served, or when nobody asked for it for a moment.
"""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import flags
from .catalog.comfyui import KINDS, extra_folders
from .core.errors import UserError
from .core.files import Folders
from .core.hooks import Hooks
from .core.settings import Settings
from .core.version import NAME
from .plugins.discover import discover
from .plugins.load import load_all

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .jobs.workers import Engine
    from .server.gate import Gate
    from .studio import Studio

log = logging.getLogger("easel")
PATIENCE = 2.0  # seconds until the engine starts although nobody opened the page
TEXT_ENCODERS = ("text_encoder", "text_encoders", "clip")  # folders as Forge and ComfyUI have them

# Libraries that would call home, trust pickles, or ask the kernel for each 4 KiB of a tensor, read these when they are
# imported.
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    "DO_NOT_TRACK": "1",
    "THP_MEM_ALLOC_ENABLE": "1",  # torch asks for pages of 2 MiB, on Linux: weights are there in two thirds of the time
}


def main(argv: list[str]) -> int:
    """Runs the program until somebody stops it; gives the exit code. A failure to start is one plain sentence."""
    options = flags.parse(argv)
    try:
        return _run(options)
    except UserError as error:
        print(f"{NAME} cannot start. {error}", file=sys.stderr)
        return 1


@dataclass
class Program:
    """Everything that runs, for `main` and for tests."""

    studio: Studio
    web: FastAPI
    gate: Gate


def assemble(options: argparse.Namespace, password: str | None = None) -> Program:
    """Builds the program from its flags, without a socket. `password` opens the gate to the public link."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    folders = folders_for(options)
    folders.create()
    os.environ.setdefault("GRADIO_TEMP_DIR", str(folders.data / "gradio"))
    _log_to(folders.data / "easel.log")

    hooks = Hooks()
    if not options.disable_all_extensions:
        load_all(discover(folders.extensions, options.disable_extension), hooks)
    settings = Settings(folders.settings, command_line={"checkpoint": options.ckpt})

    from .server.gate import Gate
    from .server.routes import build_app
    from .studio import Studio

    studio = Studio(
        folders, settings, hooks, _engine_opener(options, folders, settings, hooks), str(folders.data / "easel.log")
    )
    gate = _gate(options, password, Path(os.environ["GRADIO_TEMP_DIR"]), Gate)
    web = build_app(studio, gate)

    from .gui.page import mount

    hooks.call("app_ready", web=web)
    mount(web, studio, hooks)
    return Program(studio, web, gate)


def folders_for(options: argparse.Namespace) -> Folders:
    """Where everything is, by the flags. The starter model and its LoRA are found with another data folder too."""
    models = options.models_dir or options.data_dir / "models"
    shipped = flags.ROOT / "models"
    also = _folders_of_comfyui(options.comfyui_paths)
    own = (models / "Stable-diffusion", *options.ckpt_dir, *also["checkpoint"])
    checkpoints = dict.fromkeys((*own, shipped / "Stable-diffusion"))
    return Folders(
        root=flags.ROOT,
        data=options.data_dir / "data",
        models=models,
        outputs=options.outputs_dir or options.data_dir / "outputs",
        extensions=tuple(dict.fromkeys((options.data_dir / "extensions", flags.ROOT / "extensions"))),
        checkpoints=tuple(checkpoints),
        vaes=(models / "VAE", *options.vae_dir, *also["VAE"]),
        loras=tuple(dict.fromkeys((models / "Lora", *options.lora_dir, *also["LoRA"], shipped / "Lora"))),
        embeddings=(models / "embeddings", *options.embeddings_dir, *also["embedding"]),
        styles=(*options.styles_file,) or (options.data_dir / "styles.csv",),
        text_encoders=(*(models / name for name in TEXT_ENCODERS), *options.text_encoder_dir, *also["text encoder"]),
    )


def _folders_of_comfyui(files: list[Path]) -> dict[str, tuple[Path, ...]]:
    """The folders that ComfyUI's lists name, by kind of model. Raises UserError."""
    found = [extra_folders(file) for file in files]
    return {kind: tuple(folder for one in found for folder in one[kind]) for kind in KINDS.values()}


def _run(options: argparse.Namespace) -> int:
    from .server.serve import WebServer, listen_on
    from .server.share import new_password

    listener = listen_on("0.0.0.0" if options.listen else "127.0.0.1", options.port)
    password = new_password() if options.share else None
    program = assemble(options, password)
    begin = _once(lambda: program.studio.start("" if options.skip_load_model_at_start else None))
    server = WebServer(_AfterFirstPage(program.web, begin), closing=program.studio.disconnect)
    _announce(options, password, begin)
    try:
        server.run(sockets=[listener])
    finally:
        program.studio.hooks.call("closing")
        program.studio.close()
    return 0


def _announce(options: argparse.Namespace, password: str | None, begin: Callable[[], None]) -> None:
    address = f"http://127.0.0.1:{options.port}"
    print(f"{NAME} is running on {address}  (Ctrl+C stops it)", flush=True)
    for task, delay in ((begin, PATIENCE), *(((lambda: webbrowser.open(address)), 0.3),) * _opens_browser(options)):
        timer = threading.Timer(delay, task)
        timer.daemon = True
        timer.start()
    if password:
        threading.Thread(target=_share, args=(options.port, password), daemon=True).start()


def _share(port: int, password: str) -> None:
    from .server.share import open_share

    try:
        print(f"Public link: {open_share(port)}   user: easel   password: {password}", flush=True)
    except UserError as error:
        print(f"There is no public link. {error} The local page goes on.", flush=True)


def _engine_opener(
    options: argparse.Namespace, folders: Folders, settings: Settings, hooks: Hooks
) -> Callable[[], Engine]:
    """What the worker's thread calls when it is time to import torch."""

    def preview_every() -> int:
        return settings["show_progress_every_n_steps"] if settings["live_previews_enable"] else 0

    def open_engine() -> Engine:
        from .engine.engine import Engine
        from .jobs.inputs import InputPictures
        from .weights.precision import named_precision

        pictures = InputPictures(folders.inputs)
        return Engine(
            folders,
            hooks,
            precision=named_precision(options.precision, cpu=options.use_cpu),
            preview_every=preview_every,
            preview_by=lambda: settings["show_progress_type"],
            checkpoint_memory=lambda: settings["checkpoint_memory"],
            settings=settings.all,
            inputs=pictures.pixels,
            texts=lambda picture: pictures.get(picture).infotext,
        )

    return open_engine


def _gate(options: argparse.Namespace, password: str | None, gradio_files: Path, gate: type[Gate]) -> Gate:
    """Who may come in: --gradio-auth asks everybody for its password, --share those from outside for the random one."""
    user, _, chosen = (options.gradio_auth or "").partition(":")
    if options.gradio_auth and not chosen:
        raise UserError("--gradio-auth needs a user and a password.", hint="Write --gradio-auth user:password.")
    return gate(
        hosts=frozenset([*options.host_name, *([socket.gethostname().lower()] if options.listen else [])]),
        listen=options.listen,
        user=user,
        password=chosen or password,
        ask_everybody=bool(chosen),
        share=options.share,
        gradio_files=gradio_files,
    )


def _opens_browser(options: argparse.Namespace) -> bool:
    """Whether a person sits at this machine: not over SSH or in a container without a screen."""
    if options.no_browser or options.autolaunch:
        return options.autolaunch
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return "SSH_CONNECTION" not in os.environ


def _once(action: Callable[[], None]) -> Callable[[], None]:
    lock, done = threading.Lock(), []

    def run() -> None:
        with lock:
            if not done:
                done.append(True)
                action()

    return run


class _AfterFirstPage:
    """ASGI: lets `begin` run once the first page has gone out, so that importing torch never delays it."""

    def __init__(self, app: Any, begin: Callable[[], None]) -> None:
        self._app, self._begin = app, begin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/":
            threading.Thread(target=self._begin, daemon=True).start()


def _log_to(path: Path) -> None:
    """Warnings to the console; everything of ours, with tracebacks, to a file of a few megabytes."""
    ours = logging.getLogger(NAME.lower())
    if ours.handlers:
        return
    ours.setLevel(logging.INFO)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, encoding="utf-8", delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    console.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    ours.addHandler(file)
    ours.addHandler(console)

"""The command line, with A1111's names where it has them."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from .core.version import NAME, VERSION

DEFAULT_PORT = 7860
ROOT = Path(__file__).resolve().parent.parent


def parse(argv: list[str]) -> argparse.Namespace:
    """The flags in `argv`, preceded by those in the environment variable COMMANDLINE_ARGS. Exits on wrong ones."""
    return _parser().parse_args([*shlex.split(os.environ.get("COMMANDLINE_ARGS", "")), *argv])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webui.py", description=f"{NAME}: a web UI for Stable Diffusion.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    parser.add_argument(
        "--skip-install", action="store_true", help="use the Python at hand; obeyed before this is read"
    )

    network = parser.add_argument_group("network")
    network.add_argument("--port", type=_port, default=DEFAULT_PORT, help="default %(default)s")
    network.add_argument("--listen", action="store_true", help="let other machines of the network open the page")
    network.add_argument(
        "--host-name", action="append", default=[], metavar="NAME", help="a name this server answers to"
    )
    network.add_argument("--share", action="store_true", help="a public link behind a random password")
    network.add_argument("--gradio-auth", metavar="USER:PASSWORD", help="ask everybody for this user and password")
    browser = network.add_mutually_exclusive_group()
    browser.add_argument("--autolaunch", action="store_true", help="open the browser even where none is expected")
    browser.add_argument("--no-browser", action="store_true", help="do not open the browser")

    paths = parser.add_argument_group("folders")
    paths.add_argument("--data-dir", type=_folder, default=ROOT, help="where data/, outputs/ and models/ are")
    paths.add_argument("--models-dir", type=_folder, help="default: models/ in the data folder")
    paths.add_argument("--outputs-dir", type=_folder, help="default: outputs/ in the data folder")
    paths.add_argument("--ckpt-dir", type=_folder, action="append", default=[], help="one more folder of checkpoints")
    paths.add_argument("--vae-dir", type=_folder, action="append", default=[], help="one more folder of VAEs")
    paths.add_argument(
        "--text-encoder-dir", type=_folder, action="append", default=[], help="one more folder of text encoders"
    )
    paths.add_argument("--lora-dir", type=_folder, action="append", default=[], help="one more folder of LoRAs")
    paths.add_argument(
        "--embeddings-dir", type=_folder, action="append", default=[], help="one more folder of embeddings"
    )
    paths.add_argument(
        "--comfyui-paths",
        type=_file,
        action="append",
        default=[],
        metavar="FILE",
        help="ComfyUI's extra_model_paths.yaml, whose folders of checkpoints, text encoders, VAEs, LoRAs and "
        "embeddings are used too",
    )
    paths.add_argument(
        "--styles-file",
        type=_pattern,
        action="append",
        default=[],
        metavar="FILE",
        help="a file of styles, also with * in its name; again for more. Default: styles.csv in the data folder",
    )

    engine = parser.add_argument_group("engine")
    engine.add_argument("--ckpt", help="checkpoint to load at start")
    engine.add_argument("--use-cpu", action="store_true", help="compute on the CPU although there is a GPU")
    engine.add_argument("--precision", choices=("auto", "fp32", "fp16", "bf16"), default="auto")
    engine.add_argument("--skip-load-model-at-start", action="store_true", help="load a model with the first picture")

    extensions = parser.add_argument_group("extensions")
    extensions.add_argument("--disable-all-extensions", action="store_true")
    extensions.add_argument("--disable-extension", action="append", default=[], metavar="NAME")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: choose a number from 1 to 65535")
    return int(text)


def _pattern(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _file(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    return path


def _folder(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file, not a folder")
    return path

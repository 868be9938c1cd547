"""A studio whose engine is never opened, for building pages; a program at the test's pace, and a browser to use it."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from modules.core.events import Event, Preview, Step
from modules.core.files import Folders
from modules.core.hooks import Hooks
from modules.core.request import GenerationRequest
from modules.core.settings import Settings
from modules.core.stop import StopToken
from modules.gui.page import mount
from modules.server.gate import Gate
from modules.server.routes import build_app
from modules.server.serve import WebServer, listen_on
from modules.studio import Studio
from tests.jobs.painting import PaintingEngine, studio_in, until

BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")


def _no_engine() -> None:
    raise AssertionError("This studio is never started.")


@pytest.fixture
def studio(folders: Folders) -> Iterator[Studio]:
    """A studio that finds the toy checkpoint; its engine is still to come."""
    studio = Studio(folders, Settings(folders.settings, environment={}), Hooks(), _no_engine)
    yield studio
    studio.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class PacedEngine(PaintingEngine):
    """The painting engine with previews that a browser can show; it holds still after `hold_at` steps of a job."""

    hold_at: int | None = None

    def generate(self, job: str, request: GenerationRequest, emit: Callable[[Event], None], stop: StopToken) -> None:
        steps = 0

        def tell(event: Event) -> None:
            nonlocal steps
            if isinstance(event, Step):
                steps += 1
                if steps == self.hold_at:
                    self.may_go.clear()
            emit(replace(event, jpeg=JPEG) if isinstance(event, Preview) else event)

        super().generate(job, request, tell, stop)

    def go_on(self) -> None:
        self.hold_at = None
        self.may_go.set()


def _jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "#c04040").save(file, "JPEG")
    return file.getvalue()


JPEG = _jpeg()


class PacedProgram:
    """Studio, server and page as they are, around an engine whose pace the test decides. Can be stopped and started."""

    def __init__(self, folder: Path, extensions: Mapping[str, object] = MappingProxyType({})) -> None:
        self.folder, self.port = folder, 0
        self.hooks = Hooks()
        for name, extension in extensions.items():
            self.hooks.register(extension, name)
        self.start()

    def start(self) -> None:
        self.engine = PacedEngine()
        self.studio = studio_in(self.folder, self.engine, self.hooks)
        app = mount(build_app(self.studio, Gate()), self.studio, self.hooks)
        listener = listen_on("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self._server = WebServer(app, closing=self.studio.disconnect)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        self.studio.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self.engine.go_on()
        self.studio.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def paced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedProgram]:
    program = PacedProgram(tmp_path_factory.mktemp("paced"))
    yield program
    program.stop()


@pytest.fixture(autouse=True)
def _nothing_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    """Jobs of one test do not reach into the next."""
    yield
    if "paced" in request.fixturenames:
        program = request.getfixturevalue("paced")
        for job in program.studio.jobs():
            if job.state == "waiting":
                program.studio.cancel(job.id)
        program.studio.stop()
        program.engine.go_on()
        until(lambda: all(job.over for job in program.studio.jobs()))


class Visit:
    """A page of the real program in a browser of its own, with what went wrong in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self.open()

    def open(self, path: str = "/") -> None:
        """Opens the page and waits until its lists and defaults are in: the checkpoint is there."""
        self.page.goto(self.address + path)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function("document.querySelector('#txt2img_checkpoint input')?.value === 'toy'")
        self.page.wait_for_function("document.querySelector('easel-engine')?.dataset.state === 'ready'", timeout=60_000)
        self.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '64'")

    def start_afresh(self) -> None:
        """The page as after opening it, without the wait."""
        self.page.evaluate(
            """async () => {
                const { apply, form } = await import("/static/values.js");
                const { say } = await import("/static/message.js");
                apply("txt2img", { ...form("txt2img").filled });
                say("txt2img", "");
                document.querySelector("easel-stage").follow();
                document.querySelector("#tab_txt2img-button").click();
            }"""
        )
        self.complaints.clear()

    def number(self, name: str) -> str:
        return self.page.input_value(f"#txt2img_{name} input[type=number]")

    def set_number(self, name: str, value: str) -> None:
        self.page.fill(f"#txt2img_{name} input[type=number]", value)

    def wait_for_picture_of(self, prompt: str) -> None:
        """Until a picture made from this prompt stands on the stage, with its story."""
        self.page.wait_for_function(
            "prompt => document.querySelector('.story-prompt')?.textContent === prompt", arg=prompt
        )
        self.page.wait_for_selector("#txt2img_picture")

    def message(self) -> str:
        self.page.wait_for_selector("#txt2img_message strong")
        return self.page.inner_text("#txt2img_message")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.outside.append(request.url)


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """One per kind of device, so that a page's files are fetched once."""
    opened: dict[str, BrowserContext] = {}
    yield opened
    for context in opened.values():
        context.close()


@pytest.fixture
def visit(browser: Browser, contexts: dict[str, BrowserContext]) -> Iterator[Callable[..., Visit]]:
    """Opens a page in which nothing is kept yet: `visit(address, width=390, color_scheme="dark")`."""
    pages: list[Page] = []

    def open_page(address: str, width: int = 1440, height: int = 900, **options: object) -> Visit:
        device = f"{width} {height} {options}"
        if device not in contexts:
            contexts[device] = browser.new_context(viewport={"width": width, "height": height}, **options)
        pages.append(contexts[device].new_page())
        pages[-1].goto(f"{address}/api/engine")
        pages[-1].evaluate("localStorage.clear()")
        return Visit(pages[-1], address)

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def _desk(browser: Browser, paced: PacedProgram) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield Visit(context.new_page(), paced.address)
    context.close()


@pytest.fixture
def person(_desk: Visit) -> Visit:
    """Somebody at the page of `paced`, with defaults in all widgets."""
    _desk.start_afresh()
    return _desk

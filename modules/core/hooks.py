"""The moments of a generation and of the page at which extensions may speak.

Built on pluggy: an implementation is a function marked with `@hook`, named like the moment, taking only the arguments
it names. A failing implementation is recorded and skipped; it never stops a picture. A moment nobody listens to costs
one dictionary look-up.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pluggy

from .errors import Stopped, UserError

PROJECT = "easel"
moment = pluggy.HookspecMarker(PROJECT)
hook = pluggy.HookimplMarker(PROJECT)
log = logging.getLogger("easel.extensions")


class Moments:
    """Every moment, in the order in which a job passes them. `run` is the job's working state in the engine."""

    @moment
    def generation_starting(self, run: Any) -> None:
        """A job begins. `run.change(cfg_scale=5)` changes its request, `run.notes` go into its pictures' text,
        `run.settings` has the settings in force.
        """

    @moment
    def generating(self, run: Any, proceed: Any) -> None:
        """Around the whole generation: call `proceed()` to let it happen, as often as you like."""

    @moment
    def batch_starting(self, run: Any, batch: Any) -> None:
        """A batch begins. `batch.prompts`, `batch.negative_prompts` and `batch.seeds` (lists) may be changed."""

    @moment
    def prompts_ready(self, run: Any, batch: Any) -> None:
        """The batch's prompts are final and about to be encoded."""

    @moment
    def sampling_starting(self, run: Any, batch: Any, sampling: Any) -> None:
        """Sampling begins. `sampling.x` (starting latents) and `sampling.sigmas` may be changed."""

    @moment
    def guiding(self, run: Any, step: Any) -> None:
        """Before the network is asked. `step.x`, `step.sigma` and `step.scale` (CFG) may be changed; `step.index` is
        the step, from 0.
        """

    @moment
    def predicted(self, run: Any, step: Any) -> None:
        """The network's answers are there, not yet combined: `step.cond_denoised` (a list) and `step.uncond_denoised`
        (None at CFG scale 1) may be changed.
        """

    @moment
    def guided(self, run: Any, step: Any) -> None:
        """`step.denoised` is what the sampler will see; it may be changed."""

    @moment
    def sampled(self, run: Any, batch: Any, latents: Any) -> Any:
        """Latents are finished, shape (batch, 4, h, w). A returned tensor replaces them."""

    @moment
    def decoded(self, run: Any, batch: Any, images: Any) -> Any:
        """Decoded pictures, float (batch, 3, H, W) in 0..1. A returned tensor replaces them."""

    @moment
    def picture_ready(self, run: Any, draft: Any) -> None:
        """One picture before it leaves the engine. `draft.pixels` (uint8 h, w, 3) and `draft.notes` may be changed."""

    @moment
    def saving(self, picture: Any, plan: Any) -> None:
        """A picture is about to be written. `plan.folder`, `plan.name` and `plan.infotext` may be changed."""

    @moment
    def saved(self, picture: Any, path: Any) -> None:
        """A picture lies on disk at `path`."""

    @moment
    def generation_finished(self, run: Any) -> None:
        """A job is over, finished or stopped."""

    @moment
    def model_loaded(self, weights: Any) -> None:
        """A checkpoint sits in memory."""

    @moment
    def offering_masks(self, masks: dict) -> None:
        """Somebody paints a mask: `masks["Faces"] = find` offers to make one. `find` is given the picture's pixels,
        uint8 (height, width, 3), and gives a mask (height, width): True or 255 where it is to be painted anew.
        """

    @moment
    def building_ui(self, ui: Any) -> None:
        """The page is being built: `ui.tab(label, build)` adds a tab, `build` is called inside its Gradio context."""

    @moment
    def app_ready(self, web: Any) -> None:
        """The FastAPI application is complete but not yet serving: routes may be added."""

    @moment
    def infotext_pasted(self, text: str, values: dict) -> None:
        """Settings were read from a picture's text; `values` (request fields) may be changed."""

    @moment
    def closing(self) -> None:
        """The program ends."""


@dataclass(frozen=True)
class Problem:
    """A failure of an extension: which, at which moment, and what it said."""

    extension: str
    moment: str
    message: str


class Hooks:
    """The listeners of all moments. One per application; passed as an argument, never global."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Moments)
        self._problems: dict[Problem, int] = {}

    @property
    def problems(self) -> list[Problem]:
        """What extensions did wrong since the start, each once, oldest first."""
        return list(self._problems)

    def register(self, plugin: Any, name: str) -> None:
        """Adds the marked functions of a module or object. Raises UserError naming a function that fits no moment."""
        taken = self._manager.has_plugin(name)
        try:
            guarded = _guarded(plugin, name, self.report)
            self._manager.register(guarded, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.get_plugin(name) is not None and not taken:
                self._manager.unregister(name=name)
            raise UserError(f"The extension {name} listens wrongly: {str(error).splitlines()[-1].strip()}") from error

    def has(self, name: str) -> bool:
        return self._manager.has_plugin(name)

    def unregister(self, name: str) -> None:
        self._manager.unregister(name=name)

    def listens(self, name: str) -> bool:
        """Whether anybody listens to this moment."""
        return bool(getattr(self._manager.hook, name).get_hookimpls())

    def call(self, name: str, /, **context: Any) -> list[Any]:
        """Tells all listeners; gives their answers that are not None, the last registered first."""
        return getattr(self._manager.hook, name)(**context)

    def changed(self, name: str, value: Any, /, argument: str, **context: Any) -> Any:
        """Passes `value` through every listener in order of registration; an answer replaces it."""
        for implementation in getattr(self._manager.hook, name).get_hookimpls():
            given = {**context, argument: value}
            answer = implementation.function(*(given[wanted] for wanted in implementation.argnames))
            value = value if answer is None else answer
        return value

    def around(self, name: str, work: Callable[[], None], /, **context: Any) -> None:
        """Runs `work` inside the listeners of a moment, the first registered outermost."""
        for implementation in reversed(getattr(self._manager.hook, name).get_hookimpls()):
            work = functools.partial(_enclose, implementation, context, work)
        work()

    def report(self, extension: str, at: str, error: BaseException) -> None:
        """Records a failure; the first of its kind is logged with its traceback."""
        problem = Problem(extension, at, f"{type(error).__name__}: {error}"[:300])
        self._problems[problem] = self._problems.get(problem, 0) + 1
        if self._problems[problem] == 1:
            log.error("Extension %s failed at %s and was skipped.", extension, at, exc_info=error)


def _enclose(implementation: Any, context: dict[str, Any], work: Callable[[], None]) -> None:
    given = {**context, "proceed": work}
    implementation.function(*(given[wanted] for wanted in implementation.argnames))


class _Listeners:
    """An extension's guarded functions, by name. Equal only to itself: two without any listener are still two."""


def _guarded(plugin: Any, name: str, report: Callable[[str, str, BaseException], None]) -> _Listeners:
    """The plugin's marked functions, each wrapped so that its failure is reported and skipped."""
    guarded = _Listeners()
    for attribute in dir(plugin):
        function = getattr(plugin, attribute, None)
        marks = getattr(function, f"{PROJECT}_impl", None)
        if marks is None or not inspect.isroutine(function):
            continue
        at = marks["specname"] or attribute
        guard = _guard_around if at == "generating" else _guard
        wrapped = guard(function, name, at, report)
        setattr(wrapped, f"{PROJECT}_impl", marks)
        setattr(guarded, attribute, wrapped)
    return guarded


def _guard(function: Callable, extension: str, at: str, report: Callable) -> Callable:
    @functools.wraps(function)
    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Stopped:
            raise
        except Exception as error:
            report(extension, at, error)
            return None

    return guarded


def _guard_around(function: Callable, extension: str, at: str, report: Callable) -> Callable:
    """Like `_guard`, but how the last `proceed()` ended is the generation's own affair: its failure passes through,
    whatever the listener raises on top of it. A listener that fails before it lets the generation happen all the same.
    """
    parameters = list(inspect.signature(function).parameters)
    if "proceed" not in parameters:
        raise ValueError(f"{at}({', '.join(parameters)}) must take the argument 'proceed', and call it")
    position = parameters.index("proceed")

    @functools.wraps(function)
    def guarded(*arguments: Any) -> None:
        proceed, endings = arguments[position], []

        def watched() -> None:
            try:
                proceed()
            except BaseException as error:
                endings.append(error)
                raise
            endings.append(None)

        try:
            function(*arguments[:position], watched, *arguments[position + 1 :])
        except Exception as error:
            own_failure = endings[-1] if endings else None
            if isinstance(error, Stopped) or error is own_failure:
                raise
            report(extension, at, error)
            if own_failure is not None:
                raise own_failure from None
            if not endings:
                proceed()

    return guarded

"""Extensions speak at moments: who is heard, in which order, and what becomes of those that fail."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from modules.core.errors import Stopped, UserError
from modules.core.hooks import Hooks, Moments, hook

MOMENTS = [name for name in vars(Moments) if not name.startswith("_")]


def listener(**functions) -> SimpleNamespace:
    """An extension whose functions are hooks of their keyword's name."""
    return SimpleNamespace(**{name: hook(function) for name, function in functions.items()})


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


class TestListening:
    def test_a_listener_takes_only_the_arguments_it_names(self, hooks: Hooks) -> None:
        seen = []

        def guided(step):
            seen.append(step)

        hooks.register(listener(guided=guided), "one")
        hooks.call("guided", run="the run", step="the step")
        assert seen == ["the step"]

    def test_the_methods_of_an_object_listen_too(self, hooks: Hooks) -> None:
        class Counter:
            count = 0

            @hook
            def guided(self, step):
                self.count += step

        counter = Counter()
        hooks.register(counter, "counter")
        hooks.call("guided", run=None, step=3)
        assert counter.count == 3

    def test_functions_without_the_mark_are_not_called(self, hooks: Hooks) -> None:
        hooks.register(SimpleNamespace(guided=lambda step: pytest.fail("called"), helper=len), "one")
        hooks.call("guided", run=None, step=3)
        assert not hooks.listens("guided")

    def test_listens_says_whether_anybody_does(self, hooks: Hooks) -> None:
        assert not hooks.listens("guided")
        hooks.register(listener(guided=lambda step: None), "one")
        assert hooks.listens("guided")
        hooks.unregister("one")
        assert not hooks.listens("guided")

    def test_answers_are_given_the_last_registered_first_without_none(self, hooks: Hooks) -> None:
        for name, answer in (("one", 1), ("two", None), ("three", 3)):
            hooks.register(listener(guided=lambda step, answer=answer: answer), name)
        assert hooks.call("guided", run=None, step=None) == [3, 1]

    def test_a_listener_can_ask_to_be_first(self, hooks: Hooks) -> None:
        order = []
        hooks.register(SimpleNamespace(guided=hook(tryfirst=True)(lambda step: order.append("eager"))), "eager")
        hooks.register(listener(guided=lambda step: order.append("late")), "late")
        hooks.call("guided", run=None, step=None)
        assert order == ["eager", "late"]


class TestChanged:
    def test_a_value_passes_through_every_listener_in_order_of_registration(self, hooks: Hooks) -> None:
        hooks.register(listener(sampled=lambda latents: [*latents, "one"]), "one")
        hooks.register(listener(sampled=lambda run, latents: [*latents, run]), "two")
        changed = hooks.changed("sampled", ["start"], argument="latents", run="two", batch=None)
        assert changed == ["start", "one", "two"]

    def test_a_listener_that_gives_nothing_or_fails_leaves_the_value(self, hooks: Hooks) -> None:
        hooks.register(listener(sampled=lambda latents: None), "silent")
        hooks.register(listener(sampled=lambda latents: 1 / 0), "failing")
        hooks.register(listener(sampled=lambda latents: latents * 2), "doubling")
        assert hooks.changed("sampled", 21, argument="latents", run=None, batch=None) == 42
        assert [problem.extension for problem in hooks.problems] == ["failing"]

    def test_without_listeners_it_is_the_value_itself(self, hooks: Hooks) -> None:
        value = object()
        assert hooks.changed("sampled", value, argument="latents", run=None, batch=None) is value


class TestAround:
    def test_the_first_registered_is_outermost(self, hooks: Hooks) -> None:
        order = []

        def around(name):
            def generating(run, proceed):
                order.append(f"{name} begins")
                proceed()
                order.append(f"{name} ends")

            return generating

        hooks.register(listener(generating=around("outer")), "outer")
        hooks.register(listener(generating=around("inner")), "inner")
        hooks.around("generating", lambda: order.append("work"), run=None)
        assert order == ["outer begins", "inner begins", "work", "inner ends", "outer ends"]

    def test_without_listeners_the_work_is_done_once(self, hooks: Hooks) -> None:
        done = []
        hooks.around("generating", lambda: done.append(1), run=None)
        assert done == [1]

    def test_a_listener_may_do_the_work_again_or_not_at_all(self, hooks: Hooks) -> None:
        done = []
        hooks.register(listener(generating=lambda run, proceed: [proceed() for _ in range(run)] and None), "repeat")
        hooks.around("generating", lambda: done.append(1), run=3)
        hooks.around("generating", lambda: done.append(1), run=0)
        assert len(done) == 3

    def test_a_listener_that_fails_before_the_work_lets_it_happen(self, hooks: Hooks) -> None:
        done = []
        hooks.register(listener(generating=lambda proceed: 1 / 0), "failing")
        hooks.around("generating", lambda: done.append(1), run=None)
        assert done == [1]
        assert hooks.problems[0].moment == "generating"

    def test_a_listener_that_fails_after_the_work_does_not_repeat_it(self, hooks: Hooks) -> None:
        done = []
        hooks.register(listener(generating=lambda proceed: [proceed(), 1 / 0]), "failing")
        hooks.around("generating", lambda: done.append(1), run=None)
        assert done == [1]
        assert len(hooks.problems) == 1

    def test_a_failure_of_the_work_is_the_works_own(self, hooks: Hooks) -> None:
        def work() -> None:
            raise MemoryError("no room")

        hooks.register(listener(generating=lambda proceed: proceed()), "innocent")
        with pytest.raises(MemoryError, match="no room"):
            hooks.around("generating", work, run=None)
        assert hooks.problems == []

    def test_a_listener_that_fails_over_the_works_failure_does_not_hide_it(self, hooks: Hooks) -> None:
        def generating(proceed):
            try:
                proceed()
            except MemoryError:
                raise KeyError("while cleaning up") from None

        def work() -> None:
            raise MemoryError("no room")

        hooks.register(listener(generating=generating), "clumsy")
        with pytest.raises(MemoryError, match="no room"):
            hooks.around("generating", work, run=None)
        assert [problem.extension for problem in hooks.problems] == ["clumsy"]

    def test_a_listener_may_try_again_after_a_failure(self, hooks: Hooks) -> None:
        attempts = []

        def generating(proceed):
            try:
                proceed()
            except MemoryError:
                proceed()

        def work() -> None:
            attempts.append(1)
            if len(attempts) == 1:
                raise MemoryError

        hooks.register(listener(generating=generating), "patient")
        hooks.around("generating", work, run=None)
        assert len(attempts) == 2
        assert hooks.problems == []


class TestFailing:
    def test_it_is_named_and_skipped_and_the_others_are_heard(self, hooks: Hooks, caplog) -> None:
        heard = []
        hooks.register(listener(guided=lambda step: heard.append("first")), "first")
        hooks.register(listener(guided=lambda step: step.nothing), "broken")
        hooks.register(listener(guided=lambda step: heard.append("last")), "last")
        hooks.call("guided", run=None, step=3)
        assert heard == ["last", "first"]
        problem = hooks.problems[0]
        assert (problem.extension, problem.moment) == ("broken", "guided")
        assert problem.message == "AttributeError: 'int' object has no attribute 'nothing'"
        assert "Extension broken failed at guided and was skipped." in caplog.text
        assert "Traceback" in caplog.text

    def test_the_same_failure_a_thousand_times_is_told_once(self, hooks: Hooks, caplog) -> None:
        hooks.register(listener(guided=lambda step: 1 / 0), "broken")
        for _ in range(1000):
            hooks.call("guided", run=None, step=None)
        assert len(hooks.problems) == 1
        assert caplog.text.count("was skipped") == 1

    def test_a_stop_passes_through_every_kind_of_call(self, hooks: Hooks) -> None:
        def stop(run):
            raise Stopped

        hooks.register(listener(guided=stop, sampled=stop, generating=lambda run, proceed: stop(run)), "stopping")
        with pytest.raises(Stopped):
            hooks.call("guided", run=None, step=None)
        with pytest.raises(Stopped):
            hooks.changed("sampled", 1, argument="latents", run=None, batch=None)
        with pytest.raises(Stopped):
            hooks.around("generating", lambda: None, run=None)
        assert hooks.problems == []

    def test_ctrl_c_passes_through(self, hooks: Hooks) -> None:
        def interrupted(step):
            raise KeyboardInterrupt

        hooks.register(listener(guided=interrupted), "one")
        with pytest.raises(KeyboardInterrupt):
            hooks.call("guided", run=None, step=None)


class TestListeningWrongly:
    @pytest.mark.parametrize(
        ("functions", "said"),
        [
            ({"guidded": lambda step: None}, "guidded"),
            ({"guided": lambda stepp: None}, "stepp"),
            ({"generating": lambda run: None}, "must take the argument 'proceed'"),
        ],
        ids=["no such moment", "no such argument", "an around that cannot go on"],
    )
    def test_it_is_refused_with_a_sentence_and_leaves_nothing(self, hooks: Hooks, functions: dict, said: str) -> None:
        with pytest.raises(UserError, match="The extension odd listens wrongly") as refused:
            hooks.register(listener(saved=lambda path: None, **functions), "odd")
        assert said in refused.value.message
        assert not hooks.listens("saved")

    def test_a_second_extension_of_a_name_does_not_push_out_the_first(self, hooks: Hooks) -> None:
        hooks.register(listener(guided=lambda step: "first"), "same")
        with pytest.raises(UserError):
            hooks.register(listener(guided=lambda step: "second"), "same")
        assert hooks.call("guided", run=None, step=None) == ["first"]

    def test_a_moment_under_another_name_is_guarded_like_itself(self, hooks: Hooks) -> None:
        failing = hook(specname="generating")(lambda proceed: 1 / 0)
        hooks.register(SimpleNamespace(my_generating=failing), "renamed")
        done = []
        hooks.around("generating", lambda: done.append(1), run=None)
        assert done == [1]


@pytest.mark.parametrize("name", MOMENTS)
def test_every_moment_says_what_it_is_for(name: str) -> None:
    assert (getattr(Moments, name).__doc__ or "").strip().endswith(".")


def test_a_moment_that_nobody_listens_to_costs_microseconds(hooks: Hooks) -> None:
    def cost() -> float:
        began = time.perf_counter()
        for _ in range(1000):
            hooks.call("guided", run=None, step=None)
        return (time.perf_counter() - began) / 1000

    assert min(cost() for _ in range(5)) < 50e-6


def test_extensions_that_listen_to_nothing_can_be_many(hooks: Hooks) -> None:
    hooks.register(SimpleNamespace(), "one")
    hooks.register(SimpleNamespace(), "two")
    assert hooks.problems == []

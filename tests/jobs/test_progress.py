from __future__ import annotations

import pytest

from modules.core.events import Step
from modules.jobs.progress import Progress


def run(progress: Progress, pattern: list[tuple[int, int, float]], steps: int, batch: int, pictures: int) -> float:
    """Feeds (first picture, step, seconds it took) and gives the time then."""
    now = 100.0
    for first, step, seconds in pattern:
        now += seconds
        progress.done(Step("j", step, steps, first, first + batch - 1, pictures), now)
    return now


def test_nothing_is_claimed_before_two_steps_were_seen():
    progress = Progress()
    assert progress.told(0.0) is None
    now = run(progress, [(0, 1, 9.0)], steps=20, batch=1, pictures=1)
    assert progress.told(now)["seconds_left"] is None
    assert progress.fraction == pytest.approx(1 / 20)


def test_a_slow_first_step_does_not_count():
    progress = Progress()
    now = run(progress, [(0, 1, 30.0), (0, 2, 1.0), (0, 3, 1.0)], steps=20, batch=1, pictures=1)
    assert progress.seconds_left(now) == pytest.approx(17.0)


def test_one_hiccup_changes_little():
    progress = Progress()
    now = run(progress, [(0, n, 60.0 if n == 5 else 1.0) for n in range(1, 11)], steps=20, batch=1, pictures=1)
    assert progress.seconds_left(now) == pytest.approx(10.0)


def test_all_batches_count_and_what_happens_between_them_is_measured():
    progress = Progress()
    first = [(0, n, 1.0) for n in range(1, 5)]
    now = run(progress, [*first, (2, 1, 3.0)], steps=4, batch=2, pictures=8)
    assert progress.fraction == pytest.approx((2 + 2 * 1 / 4) / 8)
    assert progress.seconds_left(now) == pytest.approx(3 * 1.0 + 2 * (3.0 + 3 * 1.0))


def test_jobs_of_single_steps_are_estimated_from_their_batches():
    progress = Progress()
    now = run(progress, [(0, 1, 5.0), (1, 1, 2.0), (2, 1, 2.0)], steps=1, batch=1, pictures=5)
    assert progress.seconds_left(now) == pytest.approx(4.0)


def test_time_that_passes_within_a_step_is_subtracted_but_never_below_zero():
    progress = Progress()
    now = run(progress, [(0, 1, 1.0), (0, 2, 1.0)], steps=4, batch=1, pictures=1)
    assert progress.seconds_left(now + 0.5) == pytest.approx(1.5)
    assert progress.seconds_left(now + 50) == 0.0


def test_the_last_step_is_the_whole_job():
    progress = Progress()
    run(progress, [(0, 1, 1.0), (0, 2, 1.0)], steps=2, batch=3, pictures=3)
    assert progress.fraction == 1.0

import pytest
import torch

from modules.diffusion.guidance import Conditional, Guidance

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
SIGMA = torch.tensor(1.5)


class Rows:
    """A denoiser that adds its conditioning's mean to x, and notes how many rows each call had."""

    def __init__(self) -> None:
        self.calls = []

    def __call__(self, x, sigma, conditioning):
        words = conditioning["words"] if isinstance(conditioning, dict) else conditioning
        assert len(words) == len(x)
        self.calls.append(len(x))
        return x + words.mean(dim=(1, 2))[:, None, None, None]


def words(value: float, tokens: int = 77, rows: int = 1) -> torch.Tensor:
    return torch.full((rows, tokens, 8), value)


def test_guidance_goes_from_the_unconditional_past_the_conditional():
    rows = Rows()
    denoised = Guidance(rows, [Conditional(words(1.0))], words(-1.0), 7.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X + (-1 + 7 * 2))
    assert rows.calls == [4]


def test_cfg_1_runs_the_conditional_alone():
    rows = Rows()
    denoised = Guidance(rows, [Conditional(words(1.0))], words(-1.0), 1.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X + 1)
    assert rows.calls == [2]


def test_cfg_0_is_the_negative_prompt():
    denoised = Guidance(Rows(), [Conditional(words(1.0))], words(-1.0), 0.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X - 1)


def test_several_conditionals_add_up_by_weight_in_one_batch():
    rows = Rows()
    conditionals = [Conditional(words(1.0)), Conditional(words(3.0), 0.5)]
    denoised = Guidance(rows, conditionals, words(-1.0), 4.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X + (-1 + 4 * 1.0 * 2 + 4 * 0.5 * 4))
    assert rows.calls == [6]


def test_weights_that_leave_the_unconditional_no_share_skip_it():
    rows = Rows()
    conditionals = [Conditional(words(1.0), 0.25), Conditional(words(3.0), 0.75)]
    torch.testing.assert_close(Guidance(rows, conditionals, words(-1.0), 1.0)(X, SIGMA), X + 2.5)
    assert rows.calls == [4]


def test_prompts_of_unequal_length_run_one_after_the_other():
    rows = Rows()
    denoised = Guidance(rows, [Conditional(words(1.0, 154))], words(-1.0, 77), 7.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X + 13)
    assert rows.calls == [2, 2]


def test_conditionings_may_have_several_named_parts():
    rows = Rows()
    positive, negative = ({"words": words(v), "size": torch.zeros(1, 6)} for v in (1.0, -1.0))
    torch.testing.assert_close(Guidance(rows, [Conditional(positive)], negative, 7.0)(X, SIGMA), X + 13)
    assert rows.calls == [4]


def test_each_picture_may_have_its_own_prompt():
    own = torch.cat([words(1.0), words(2.0)])
    denoised = Guidance(Rows(), [Conditional(own)], words(-1.0), 2.0)(X, SIGMA)
    torch.testing.assert_close(denoised, X + torch.tensor([3.0, 5.0])[:, None, None, None])


def test_listeners_hear_the_moments_in_order_and_with_what_is_known():
    heard = []

    def note(moment):
        return lambda step: heard.append(
            (moment, step.index, len(step.cond_denoised), step.uncond_denoised is not None, step.denoised is not None)
        )

    moments = {name: note(name) for name in ("guiding", "predicted", "guided")}
    guidance = Guidance(Rows(), [Conditional(words(1.0))], words(-1.0), 7.0, [3.0, 1.5, 0.0], **moments)
    guidance(X, SIGMA)
    assert heard == [("guiding", 1, 0, False, False), ("predicted", 1, 1, True, False), ("guided", 1, 1, True, True)]


def test_what_a_listener_changes_is_what_happens():
    rows = Rows()

    def at_cfg_1_with_other_words(step):
        step.scale = 1.0
        step.conditionals = [Conditional(words(5.0))]

    def add_one(step):
        step.cond_denoised[0] = step.cond_denoised[0] + 1

    def double(step):
        step.denoised = step.denoised * 2

    listeners = {"guiding": at_cfg_1_with_other_words, "predicted": add_one, "guided": double}
    guidance = Guidance(rows, [Conditional(words(1.0))], words(-1.0), 7.0, **listeners)
    torch.testing.assert_close(guidance(X, SIGMA), (X + 6) * 2)
    assert rows.calls == [2]


def test_a_listener_that_changes_nothing_changes_no_bit():
    plain = Guidance(Rows(), [Conditional(words(1.0))], words(-1.0), 7.0)(X, SIGMA)
    heard = Guidance(Rows(), [Conditional(words(1.0))], words(-1.0), 7.0, guided=lambda step: None)(X, SIGMA)
    assert torch.equal(plain, heard)


@pytest.mark.parametrize(("sigma", "index"), [(9.0, 0), (8.0, 0), (5.0, 0), (4.0, 1), (1.9, 2), (0.5, 2)])
def test_the_index_tells_in_which_step_a_level_lies(sigma, index):
    seen = []
    guidance = Guidance(
        Rows(),
        [Conditional(words(1.0))],
        words(-1.0),
        7.0,
        [8.0, 4.0, 2.0, 0.0],
        guiding=lambda s: seen.append(s.index),
    )
    guidance(X, torch.tensor(sigma))
    assert seen == [index]


def test_a_smaller_last_batch_is_joined_anew():
    rows = Rows()
    guidance = Guidance(rows, [Conditional(words(1.0))], words(-1.0), 7.0)
    guidance(X, SIGMA)
    torch.testing.assert_close(guidance(X[:1], SIGMA), X[:1] + 13)
    assert rows.calls == [4, 2]

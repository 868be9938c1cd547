"""Prompts become what the UNet reads: chunk after chunk, emphasis by A1111's rule, earlier layers by clip skip."""

import pytest
import torch

from modules.core.errors import UserError


def test_chunks_are_encoded_alone_and_laid_one_after_the_other(weights, prompt_chunk):
    first, second = prompt_chunk(320, 1125), prompt_chunk(2368)
    both = weights.encode([first, second])
    assert both.shape == (1, 154, 32)
    expected = torch.cat([weights.encode([first]), weights.encode([second])], dim=1)
    torch.testing.assert_close(both, expected, rtol=0, atol=1e-6)


def test_a_token_sees_only_those_before_it(weights, prompt_chunk):
    one, other = weights.encode([prompt_chunk(320, 1125)]), weights.encode([prompt_chunk(320, 2368)])
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2:], other[:, 2:])


def test_emphasis_multiplies_and_restores_the_mean(weights, prompt_chunk):
    emphasis = [1.0, 1.0, 1.5, *[1.0] * 74]
    plain = weights.encode([prompt_chunk(320, 1125)])
    strong = weights.encode([prompt_chunk(320, 1125, weights=emphasis)])
    multiplied = plain * torch.tensor(emphasis)[None, :, None]
    torch.testing.assert_close(strong, multiplied * (plain.mean() / multiplied.mean()))
    torch.testing.assert_close(strong.mean(), plain.mean())
    assert not torch.allclose(strong, plain)


def test_emphasis_in_one_chunk_leaves_the_others_alone(weights, prompt_chunk):
    plain, strong = prompt_chunk(320), prompt_chunk(320, weights=[1.0, 2.0, *[1.0] * 75])
    alone, mixed = weights.encode([plain, plain]), weights.encode([plain, strong])
    assert torch.equal(alone[:, :77], mixed[:, :77])
    assert not torch.allclose(alone[:, 77:], mixed[:, 77:])


def test_clip_skip_takes_an_earlier_layer(weights, prompt_chunk):
    assert not torch.allclose(weights.encode([prompt_chunk(320)], 1), weights.encode([prompt_chunk(320)], 2))


@pytest.mark.parametrize("clip_skip", [0, -1, 3])
def test_a_clip_skip_beyond_the_encoders_layers_is_refused(weights, prompt_chunk, clip_skip):
    with pytest.raises(UserError, match=rf"Clip skip {clip_skip} is out of range.*2 layers"):
        weights.encode([prompt_chunk(320)], clip_skip)

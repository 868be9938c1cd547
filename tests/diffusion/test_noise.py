import math

import pytest
import torch
from safetensors.torch import load_file

from modules.core.errors import UserError
from modules.diffusion.brownian import BrownianTree
from modules.diffusion.noise import SOURCES, NoiseSource, Variation, pasted_centred, slerp
from modules.diffusion.philox import PhiloxGenerator

from .mixture import FIXTURES

PHILOX = load_file(FIXTURES / "philox.safetensors")
SHAPE = (4, 8, 8)
SIGMAS = torch.tensor([14.6146, 4.2, 1.1, 0.31, 0.0292, 0.0])


@pytest.mark.parametrize("seed", sorted({int(name.split("/")[0]) for name in PHILOX}))
def test_philox_draws_a_cuda_devices_numbers_to_the_last_bit(seed):
    generator = PhiloxGenerator(seed)
    assert torch.equal(generator.randn(SHAPE), PHILOX[f"{seed}/first"])
    assert torch.equal(generator.randn(SHAPE), PHILOX[f"{seed}/second"])


def test_nv_noise_between_steps_goes_on_from_the_starting_noise():
    source = NoiseSource([0, 1], source="NV")
    assert torch.equal(source.starting(SHAPE), torch.stack([PHILOX["0/first"], PHILOX["1/first"]]))
    assert torch.equal(source.ancestral(SHAPE)(1.0, 0.5), torch.stack([PHILOX["0/second"], PHILOX["1/second"]]))


def test_cpu_noise_is_pytorchs():
    generator = torch.Generator().manual_seed(1000)
    source = NoiseSource([1000], source="CPU")
    assert torch.equal(source.starting(SHAPE)[0], torch.randn(SHAPE, generator=generator))
    assert torch.equal(source.ancestral(SHAPE)(1.0, 0.5)[0], torch.randn(SHAPE, generator=generator))


@pytest.mark.parametrize("kind", SOURCES)
def test_a_batch_draws_what_its_pictures_draw_alone(kind):
    def draws(seeds):
        source = NoiseSource(seeds, source=kind)
        start = source.starting(SHAPE)
        ancestral, brownian = source.ancestral(SHAPE), source.brownian(SHAPE, SIGMAS)
        return torch.stack([start, ancestral(4.2, 1.1), ancestral(1.1, 0.31), brownian(4.2, 1.1), brownian(1.1, 0.31)])

    alone = torch.cat([draws([seed]) for seed in (5, 6, 4294967293)], dim=1)
    assert torch.equal(draws([5, 6, 4294967293]), alone)


@pytest.mark.parametrize("kind", SOURCES)
def test_noise_is_standard_normal(kind):
    source = NoiseSource([3, 4], source=kind)
    brownian = source.brownian((4, 32, 32), SIGMAS)
    for drawn in (
        source.starting((4, 32, 32)),
        source.ancestral((4, 32, 32))(2, 1),
        brownian(4.2, 1.1),
        brownian(1.1, 0.31),
    ):
        assert drawn.dtype == torch.float32
        assert abs(drawn.mean().item()) < 0.05
        assert abs(drawn.std().item() - 1) < 0.05
    assert abs((brownian(4.2, 1.1) * brownian(1.1, 0.31)).mean().item()) < 0.05


def test_an_unknown_source_is_refused():
    with pytest.raises(UserError, match="NVIDIA"):
        NoiseSource([1], source="NVIDIA")


def test_no_variation_strength_is_the_first_seed_and_full_strength_the_second():
    def starting(seed, variation=None):
        return NoiseSource([seed], variation=variation).starting(SHAPE)

    assert torch.equal(starting(1, Variation((2,), 0.0)), starting(1))
    torch.testing.assert_close(starting(1, Variation((2,), 1.0)), starting(2), atol=1e-5, rtol=0)
    between = starting(1, Variation((2,), 0.5))
    assert 0.9 < between.std() < 1.1
    first, second = ((between - starting(seed)).norm().item() for seed in (1, 2))
    assert first == pytest.approx(second, rel=0.05)


def test_a_variation_leaves_the_noise_between_steps_alone():
    varied, plain = NoiseSource([1], variation=Variation((2,), 0.3)), NoiseSource([1])
    assert not torch.equal(varied.starting(SHAPE), plain.starting(SHAPE))
    assert torch.equal(varied.ancestral(SHAPE)(2, 1), plain.ancestral(SHAPE)(2, 1))


def test_nearly_parallel_noise_is_blended_linearly():
    low = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    high = low * 1.5
    blended = slerp(0.25, low, high)
    torch.testing.assert_close(blended, low * 1.125)


def test_a_resized_seed_keeps_its_noise_in_the_centre():
    kept = NoiseSource([5]).starting((4, 8, 8))[0]
    larger = NoiseSource([5], resize_from=(8, 8)).starting((4, 12, 16))[0]
    assert torch.equal(larger[:, 2:10, 4:12], kept)
    own = NoiseSource([5]).starting((4, 12, 16))[0]
    assert torch.equal(larger[:, :2], own[:, :2])
    smaller = NoiseSource([5], resize_from=(8, 8)).starting((4, 4, 6))[0]
    assert torch.equal(smaller, kept[:, 2:6, 1:7])


def test_pasting_a_wide_piece_into_a_tall_one_crops_and_centres():
    canvas, patch = torch.zeros(1, 4, 2), torch.arange(8.0).reshape(1, 2, 4)
    assert pasted_centred(canvas, patch)[0].tolist() == [[0, 0], [1, 2], [5, 6], [0, 0]]


def test_the_eta_seed_delta_changes_only_the_noise_between_steps():
    moved, plain = NoiseSource([10], eta_seed_delta=31337), NoiseSource([10])
    assert torch.equal(moved.starting(SHAPE), plain.starting(SHAPE))
    assert torch.equal(moved.ancestral(SHAPE)(2, 1), NoiseSource([10 + 31337]).starting(SHAPE))


def tree(seed: int = 1, start: float = 0.03, end: float = 14.0) -> BrownianTree:
    return BrownianTree(start, end, seed, lambda at: PhiloxGenerator(at).randn((4, 16, 16)))


def test_a_brownian_path_does_not_depend_on_the_questions_before():
    asked = tree()
    for low, high in [(0.5, 3.0), (0.03, 14.0), (2.0, 2.1), (0.031, 0.5)]:
        asked(low, high)
    assert torch.equal(asked(1.0, 2.0), tree()(1.0, 2.0))


def test_rises_of_a_brownian_path_add_up_and_have_their_variance():
    path = tree()
    torch.testing.assert_close(path(0.03, 5.0) + path(5.0, 14.0), path(0.03, 14.0), atol=1e-5, rtol=0)
    for low, high in [(1.0, 2.0), (0.03, 0.05), (6.0, 14.0)]:
        assert path(low, high).std().item() == pytest.approx(math.sqrt(high - low), rel=0.1)


def test_a_brownian_path_is_still_outside_of_its_ends():
    path = tree()
    assert torch.equal(path(0.0, 20.0), path(0.03, 14.0))
    assert path(3.0, 3.0).abs().max() == 0


def test_noise_upward_is_noise_downward_reversed():
    down, up = (NoiseSource([1]).brownian(SHAPE, SIGMAS) for _ in range(2))
    assert torch.equal(down(4.2, 1.1), -up(1.1, 4.2))

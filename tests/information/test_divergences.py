"""Measures of two distributions, and the families of Renyi and Tsallis: known values, edges, gradients."""

from __future__ import annotations

import math

import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from entropylab.information import (
    cross_entropy,
    entropy,
    jensen_shannon_divergence,
    kl_divergence,
    renyi_entropy,
    tsallis_entropy,
    use_backend,
)

PAIRS = (cross_entropy, kl_divergence, jensen_shannon_divergence)


def logits_of(p):
    return torch.tensor([p], dtype=torch.float64).log()


def random_logits(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_divergences_agree_with_scipy():
    p, q = random_logits(0, 10, 30), random_logits(1, 10, 30)
    a, b = p.softmax(-1).numpy(), q.softmax(-1).numpy()
    assert kl_divergence(p, q).numpy() == pytest.approx(scipy.stats.entropy(a, b, axis=-1), abs=1e-12)
    distance = scipy.spatial.distance.jensenshannon(a, b, axis=-1)
    assert jensen_shannon_divergence(p, q).numpy() == pytest.approx(distance**2, abs=1e-12)


def test_cross_entropy_with_a_single_possible_token_is_that_of_torch():
    q, targets = random_logits(0, 6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    certain = torch.full((6, 5), -math.inf, dtype=torch.float64)
    certain[torch.arange(6), targets] = 2.0
    expected = torch.nn.functional.cross_entropy(q, targets, reduction="none")
    assert torch.allclose(cross_entropy(certain, q), expected)


def test_supports_that_differ():
    p, q = logits_of([0.5, 0.5, 0.0]), logits_of([0.25, 0.25, 0.5])
    assert kl_divergence(p, q).item() == pytest.approx(math.log(2))
    assert kl_divergence(q, p).item() == math.inf
    assert cross_entropy(q, p).item() == math.inf
    left, right = logits_of([1.0, 0.0, 0.0]), logits_of([0.0, 1.0, 0.0])
    assert jensen_shannon_divergence(left, right).item() == pytest.approx(math.log(2))
    assert jensen_shannon_divergence(left, left).item() == pytest.approx(0.0)


@pytest.mark.parametrize("measure", PAIRS)
def test_gradients_of_pairs(measure):
    p, q = random_logits(0, 3, 5), random_logits(1, 3, 5)
    assert torch.autograd.gradcheck(measure, (p.requires_grad_(), q.requires_grad_()))


@pytest.mark.parametrize("measure", PAIRS)
def test_gradients_at_tokens_that_neither_or_only_one_allows(measure):
    p, q = random_logits(0, 2, 6), random_logits(1, 2, 6)
    p[:, 0] = q[:, 0] = -math.inf
    p[:, 1] = -math.inf
    p.requires_grad_(), q.requires_grad_()
    measure(p, q).sum().backward()
    assert p.grad.isfinite().all()
    assert q.grad.isfinite().all()
    assert (p.grad[:, :2] == 0).all()
    assert (q.grad[:, 0] == 0).all()


@pytest.mark.parametrize("measure", PAIRS)
def test_half_precision_counts_in_float32(measure):
    p, q = random_logits(0, 4, 9).bfloat16(), random_logits(1, 4, 9).bfloat16()
    result = measure(p, q)
    assert result.dtype == torch.float32
    assert torch.allclose(result.double(), measure(p.double(), q.double()), atol=1e-6)


def test_known_renyi_entropies():
    z = logits_of([0.5, 0.25, 0.25, 0.0])
    assert renyi_entropy(z, 0).item() == pytest.approx(math.log(3))
    assert renyi_entropy(z, 1).item() == pytest.approx(1.5 * math.log(2))
    assert renyi_entropy(z, 2).item() == pytest.approx(-math.log(0.375))
    assert renyi_entropy(z, math.inf).item() == pytest.approx(math.log(2))


def test_known_tsallis_entropies():
    z = logits_of([0.5, 0.25, 0.25, 0.0])
    assert tsallis_entropy(z, 0).item() == pytest.approx(2)
    assert tsallis_entropy(z, 1).item() == pytest.approx(1.5 * math.log(2))
    assert tsallis_entropy(z, 2).item() == pytest.approx(1 - 0.375)


@pytest.mark.parametrize("family", [renyi_entropy, tsallis_entropy])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_families_are_smooth_at_order_one(family, dtype):
    z = (random_logits(0, 5, 200) * 3).to(dtype)
    z[:, 0] = -math.inf
    for distance in (1e-3, 1e-6, 1e-9, 1e-12):
        for order in (1 - distance, 1 + distance):
            allowed = 20 * distance + (1e-5 if dtype == torch.float32 else 1e-11)
            assert torch.allclose(family(z, order), entropy(z), atol=allowed)


@pytest.mark.parametrize("family", [renyi_entropy, tsallis_entropy])
@pytest.mark.parametrize("order", [0.3, 0.97, 1.0, 1.02, 2.0, 5.0])
def test_gradients_of_families(family, order):
    z = random_logits(0, 3, 5)
    assert torch.autograd.gradcheck(lambda x: family(x, order), (z.requires_grad_(),))
    masked = random_logits(1, 2, 6)
    masked[:, 2] = -math.inf
    masked.requires_grad_()
    family(masked, order).sum().backward()
    assert masked.grad.isfinite().all()
    assert (masked.grad[:, 2] == 0).all()


def test_the_measures_do_not_depend_on_the_backend():
    z = random_logits(0, 3, 20)
    for order in (1.0, 2.0):
        values = []
        for name in ("reference", "cpu", "torch"):
            with use_backend(name):
                values.append(renyi_entropy(z, order))
        assert torch.allclose(values[0], values[1])
        assert torch.allclose(values[0], values[2])


@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 5), (4, 1)])
def test_shapes(shape):
    z = torch.zeros(shape)
    for measure in PAIRS:
        assert measure(z, z).shape == shape[:-1]
    for family in (renyi_entropy, tsallis_entropy):
        for order in (0.0, 0.5, 1.0, 2.0):
            assert family(z, order).shape == shape[:-1]

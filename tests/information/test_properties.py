"""Properties that hold for every distribution, searched for counterexamples."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from entropylab.information import (
    cross_entropy,
    entropy,
    jensen_shannon_divergence,
    kl_divergence,
    renyi_entropy,
    surprisal,
    token_statistics,
    tsallis_entropy,
)

quick = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def rows(draw, least=1, width=None):
    """Logits [N, V] in float64, some of them -inf, with a possible token in every row."""
    size = width or draw(st.integers(least, 40))
    shape = (draw(st.integers(1, 5)), size)
    values = draw(arrays.arrays(np.float64, shape, elements=st.floats(-60, 60)))
    masked = draw(arrays.arrays(np.bool_, shape))
    masked[
        np.arange(shape[0]), draw(arrays.arrays(np.int64, shape[0], elements=st.integers(0, size - 1)))
    ] = False
    return torch.from_numpy(np.where(masked, -np.inf, values))


def near(a, b, tolerance=1e-9):
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


@quick
@given(rows())
def test_entropy_lies_between_zero_and_the_logarithm_of_the_support(z):
    for logits, slack in ((z, 1e-12), (z.float(), 1e-5)):
        h = entropy(logits).double()
        support = (logits > -math.inf).sum(-1).double().log()
        assert (h >= -slack).all()
        assert (h <= support + slack).all()


@quick
@given(rows(), st.floats(-1000, 1000))
def test_a_constant_added_to_the_logits_changes_nothing(z, constant):
    for a, b in zip(token_statistics(z)[:2], token_statistics(z + constant)[:2], strict=True):
        assert near(a, b, 1e-8)


@quick
@given(rows(), st.randoms(use_true_random=False))
def test_the_order_of_the_vocabulary_does_not_matter(z, random):
    order = list(range(z.shape[-1]))
    random.shuffle(order)
    for a, b in zip(token_statistics(z)[:4], token_statistics(z[:, order])[:4], strict=True):
        assert near(a, b)


@quick
@given(rows())
def test_temperature_limits(z):
    z = (z * 4).round() / 4  # logits are equal, or a quarter apart
    hot = entropy(z, temperature=1e9)
    assert near(hot, (z > -math.inf).sum(-1).double().log(), 1e-6)
    cold = entropy(z, temperature=1e-4)
    ties = (z == z.amax(-1, keepdim=True)).sum(-1).double().log()
    assert near(cold, ties, 1e-6)


@quick
@given(rows(), st.floats(0.1, 10))
def test_temperature_is_division(z, temperature):
    for a, b in zip(
        token_statistics(z, temperature=temperature)[:4], token_statistics(z / temperature)[:4], strict=True
    ):
        assert near(a, b, 1e-8)


@quick
@given(rows(width=4), rows(width=3))
def test_the_entropy_of_a_pair_is_a_sum(a, b):
    """Chain rule: H(X, Y) = H(X) + sum p(x) H(Y | x), here with Y independent of X and with Y given X."""
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    joint = (a[:, :, None] + b[:, None, :]).reshape(count, -1)
    assert near(entropy(joint), entropy(a) + entropy(b), 1e-8)
    conditional = torch.stack([b, b.flip(-1) * 0.5, b * 2.0, b + 1.0], dim=1)
    log_joint = a.log_softmax(-1)[:, :, None] + conditional.log_softmax(-1)
    expected = entropy(a) + (a.softmax(-1) * entropy(conditional)).sum(-1)
    assert near(entropy(log_joint.reshape(count, -1)), expected, 1e-8)


@quick
@given(rows())
def test_the_entropy_is_the_mean_surprisal_and_the_varentropy_its_variance(z):
    count, width = z.shape
    every = torch.arange(width).expand(count, width)
    s = surprisal(z[:, None, :].expand(count, width, width), every)
    p = z.softmax(-1)
    s = s.masked_fill(p == 0.0, 0.0)
    mean = (p * s).sum(-1)
    assert near(entropy(z), mean, 1e-8)
    assert near(token_statistics(z).varentropy, (p * (s - mean[:, None]) ** 2).sum(-1), 1e-8)


@quick
@given(rows(width=9), rows(width=9))
def test_cross_entropy_is_entropy_plus_divergence(a, b):
    count = min(len(a), len(b))
    p, q = a[:count], b[:count]
    divergence = kl_divergence(p, q)
    assert (divergence >= -1e-9).all()
    assert near(cross_entropy(p, q), entropy(p) + divergence, 1e-8)
    assert near(cross_entropy(p, p), entropy(p), 1e-8)
    assert near(kl_divergence(p, p), torch.zeros(count, dtype=torch.float64))


@quick
@given(rows(width=9), rows(width=9))
def test_jensen_shannon_is_symmetric_and_bounded(a, b):
    count = min(len(a), len(b))
    p, q = a[:count], b[:count]
    divergence = jensen_shannon_divergence(p, q)
    assert near(divergence, jensen_shannon_divergence(q, p))
    assert (divergence >= -1e-9).all()
    assert (divergence <= math.log(2) + 1e-9).all()


@quick
@given(rows(), st.floats(0, 8), st.floats(0, 8))
def test_renyi_entropy_falls_with_the_order_and_is_bounded_by_its_ends(z, one, two):
    low, high = sorted((one, two))
    assert (renyi_entropy(z, low) >= renyi_entropy(z, high) - 1e-8).all()
    assert (renyi_entropy(z, 0.0) >= renyi_entropy(z, low) - 1e-8).all()
    assert (renyi_entropy(z, high) >= renyi_entropy(z, math.inf) - 1e-8).all()


@quick
@given(rows(), st.floats(0, 6).filter(lambda order: abs(order - 1) > 1e-3))
def test_tsallis_and_renyi_entropy_are_functions_of_each_other(z, order):
    power_sum = ((1 - order) * renyi_entropy(z, order)).exp()
    assert near(tsallis_entropy(z, order), (1 - power_sum) / (order - 1), 1e-7)


@quick
@given(rows(), st.integers(1, 4))
def test_a_batch_may_be_split_anywhere(z, at):
    for logits in (z, z.float(), z.bfloat16()):
        whole = token_statistics(logits)
        parts = [token_statistics(logits[:at]), token_statistics(logits[at:])]
        for field in range(4):
            assert torch.equal(whole[field], torch.cat([part[field] for part in parts]))

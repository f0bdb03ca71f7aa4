"""The NumPy definition against worked cases, SciPy and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import scipy.stats

from entropylab.kernels import Statistics
from entropylab.kernels.reference import (
    find_invalid_row,
    statistics,
    statistics_backward,
    typical_filter,
    typical_sample,
)

LN2 = np.log(2.0)


def log(p):
    with np.errstate(divide="ignore"):
        return np.log(np.array([p], dtype=np.float64))


def kept(p, mass, min_tokens_to_keep=1, temperature=1.0):
    filtered = typical_filter(log(p) / temperature, mass, min_tokens_to_keep)
    return set(np.flatnonzero(np.isfinite(filtered[0])))


# The worked cases of the paper's chapter: probabilities, mass, least number of tokens, kept tokens.
WORKED = {
    "the likeliest token goes": ([0.4, 0.2, 0.2, 0.2], 0.5, 1, {1, 2, 3}),
    "ties are kept together": ([0.4, 0.2, 0.2, 0.2], 0.3, 1, {1, 2, 3}),
    "three at least": ([0.4, 0.2, 0.2, 0.2], 0.2, 3, {1, 2, 3}),
    "mass met exactly": ([0.5, 0.25, 0.125, 0.125], 0.25, 1, {1}),
    "uniform": ([0.25] * 4, 0.5, 1, {0, 1, 2, 3}),
    "an impossible token": ([0.5, 0.3, 0.2, 0.0], 0.9, 1, {0, 1, 2}),
    "peaked": ([0.97, 0.01, 0.01, 0.01], 0.5, 1, {0}),
    "all but the two likeliest": ([0.3, 0.2] + [0.01] * 50, 0.5, 1, set(range(1, 52))),
    "after top-k": ([0.3, 0.2], 0.5, 1, {0}),
    "inside 1": ([0.35, 0.3, 0.2, 0.1, 0.05], 0.45, 1, {1, 2}),
    "inside 2": ([0.35, 0.3, 0.2, 0.1, 0.05], 0.55, 1, {0, 1, 2}),
    "inside 3": ([0.6, 0.2, 0.1, 0.05, 0.05], 0.15, 1, {1}),
    "inside 4": ([0.6, 0.2, 0.1, 0.05, 0.05], 0.85, 1, {0, 1, 2}),
    "two outcomes": ([0.1, 0.9], 0.5, 1, {1}),
}


@pytest.mark.parametrize("case", WORKED)
def test_typical_keeps_the_worked_sets(case):
    p, mass, count, expected = WORKED[case]
    assert kept(p, mass, count) == expected


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, {0}), (1.0, {0, 1}), (2.0, {0, 1, 2})])
def test_typical_after_temperature(temperature, expected):
    assert kept([0.6, 0.2, 0.1, 0.05, 0.05], 0.5, temperature=temperature) == expected


@pytest.mark.parametrize(
    ("p", "entropy"),
    [
        ([0.4, 0.2, 0.2, 0.2], 1.332179040210122),
        ([0.5, 0.25, 0.125, 0.125], 1.75 * LN2),
        ([0.97, 0.01, 0.01, 0.01], 0.167700536839810),
        ([0.3, 0.2] + [0.01] * 50, 2.9856645167786464),
        ([0.6, 0.4], 0.6730116670092565),
        ([0.35, 0.3, 0.2, 0.1, 0.05], 1.430562290336242),
        ([0.6, 0.2, 0.1, 0.05, 0.05], 1.158214693401218),
        ([0.9, 0.1], 0.3250829733914482),
        ([0.5, 0.5, 0.0], LN2),
    ],
)
def test_entropy_of_worked_distributions(p, entropy):
    assert statistics(log(p)).entropy == pytest.approx([entropy], abs=1e-12)


def test_statistics_agree_with_scipy():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 30)) * 3
    logits[:, ::7] = -np.inf
    targets = np.full(50, 1)
    p = scipy.special.softmax(logits / 0.7, axis=-1)
    result = statistics(logits, targets, 0.7)
    assert result.entropy == pytest.approx(scipy.stats.entropy(p, axis=-1), abs=1e-12)
    assert result.logsumexp == pytest.approx(scipy.special.logsumexp(logits / 0.7, axis=-1), abs=1e-12)
    assert result.max_probability == pytest.approx(p.max(-1), abs=1e-12)
    assert result.surprisal == pytest.approx(-np.log(p[:, 1]), abs=1e-12)
    variance = (p * scipy.special.xlogy(1.0, np.where(p > 0, p, 1.0)) ** 2).sum(-1) - result.entropy**2
    assert result.varentropy == pytest.approx(variance, abs=1e-12)


def test_statistics_write_into_given_arrays():
    logits = np.zeros((2, 3))
    out = Statistics(*(np.empty(2) for _ in range(4)), None)
    assert statistics(logits, out=out) is out
    assert out.entropy == pytest.approx(np.log([3, 3]))


@pytest.mark.parametrize("field", range(5))
def test_gradient_agrees_with_finite_differences(field):
    rng = np.random.default_rng(field)
    logits = rng.normal(size=(3, 6))
    logits[1, 2] = -np.inf
    targets = np.array([0, 3, 5])
    result = statistics(logits, targets, 1.3)
    upstream = [None] * 5
    upstream[field] = np.array([1.0, -2.0, 0.5])
    gradient = statistics_backward(logits, targets, 1.3, *result[:4], Statistics(*upstream))
    step = 1e-6
    for i in range(6):
        up, down = logits.copy(), logits.copy()
        up[:, i] += step
        down[:, i] -= step
        difference = (statistics(up, targets, 1.3)[field] - statistics(down, targets, 1.3)[field]) / (
            2 * step
        )
        assert gradient[:, i] == pytest.approx(upstream[field] * difference, abs=1e-7)
    assert gradient[1, 2] == 0.0


def test_a_bad_row_is_marked_and_leaves_the_others_alone():
    logits = np.array([[0.0, 1.0], [np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf], [-np.inf, 2.0]])
    assert find_invalid_row(logits) == 1
    assert find_invalid_row(logits[2:]) == 0
    assert find_invalid_row(logits[3:]) == 0
    assert find_invalid_row(logits[[0, 4]]) == -1
    assert np.isnan(statistics(logits).entropy).tolist() == [False, True, True, True, False]
    assert np.isnan(typical_filter(logits, 0.5)).all(-1).tolist() == [False, True, True, True, False]
    assert typical_sample(logits, 0.5, np.full(5, 0.3)).tolist()[1:] == [-1, -1, -1, 1]


def test_sampling_inverts_the_cumulative_distribution_of_the_kept_tokens():
    logits = log([0.4, 0.2, 0.1, 0.2, 0.1]).repeat(4, axis=0)
    # A mass of 0.3 keeps the two tokens of probability 0.2, which get one half each.
    assert typical_sample(logits, 0.3, np.array([0.0, 0.49, 0.51, 0.99])).tolist() == [1, 1, 3, 3]


def test_a_mass_of_one_changes_nothing():
    logits = np.random.default_rng(0).normal(size=(2, 5))
    assert np.array_equal(typical_filter(logits, 1.0), logits)


def test_no_rows():
    logits = np.empty((0, 4))
    assert statistics(logits).entropy.shape == (0,)
    assert typical_filter(logits, 0.5).shape == (0, 4)
    assert typical_sample(logits, 0.5, np.empty(0)).shape == (0,)
    assert find_invalid_row(logits) == -1

"""Granger causality and transfer entropy: exact values, statsmodels as a peer, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.stattools import grangercausalitytests

from entropylab.information.granger_causality import (
    granger_causality,
    simulate_var1,
    stationary_covariance,
    var1_granger,
    var1_transfer_entropy,
)

A, Q = [[0.5, 0.4], [0.0, 0.3]], np.eye(2)


def test_the_reference_autoregression():
    causality, restricted = var1_granger(A, Q)
    assert restricted == pytest.approx(1.1732928049865328, abs=1e-12)
    assert causality == pytest.approx(0.15981415914067532, abs=1e-12)
    assert var1_transfer_entropy(A, Q) == pytest.approx(0.07990707957033766, abs=1e-12)
    covariance = stationary_covariance(A, Q)
    assert covariance[0] == pytest.approx([1.65050636, 0.15513898], abs=1e-8)
    assert covariance[1, 1] == pytest.approx(1.0989011, abs=1e-7)


@pytest.mark.parametrize("a", [[[0.2, -0.5], [0.3, 0.4]], [[0.9, 0.1], [0.0, -0.5]]])
def test_f_is_twice_the_transfer_entropy(a):
    noise = [[1.0, 0.0], [0.0, 0.3]]
    assert var1_granger(a, noise)[0] == pytest.approx(2 * var1_transfer_entropy(a, noise, 200), abs=1e-10)


def test_without_coupling_nothing_flows():
    assert var1_granger([[0.5, 0.0], [0.4, 0.3]], Q)[0] == pytest.approx(0, abs=1e-12)
    assert var1_transfer_entropy([[0.5, 0.0], [0.4, 0.3]], Q) == pytest.approx(0, abs=1e-12)


def test_simulations_are_stationary_and_estimates_are_near():
    runs = simulate_var1(A, Q, 4000, 30, seed=0)
    assert runs.shape == (30, 2, 4000)
    assert np.cov(runs[:, :, 0].T) == pytest.approx(stationary_covariance(A, Q), abs=1.2)
    assert np.einsum("rit,rjt->ij", runs, runs) / 120_000 == pytest.approx(
        stationary_covariance(A, Q), abs=0.05
    )
    found = [granger_causality(x, y, 8) for y, x in runs]
    assert np.mean(found) == pytest.approx(0.1598, abs=4 * np.std(found) / np.sqrt(30) + 8 / 4000)


def test_least_squares_agree_with_statsmodels():
    ((y, x),) = simulate_var1(A, Q, 500, 1, seed=1)
    (restricted, full, _) = grangercausalitytests(np.stack([y, x], 1), [3])[3][1]
    assert granger_causality(x, y, 3) == pytest.approx(np.log(restricted.ssr / full.ssr), rel=1e-9)


def test_a_series_adds_nothing_to_itself():
    ((y, _),) = simulate_var1(A, Q, 500, 1, seed=2)
    assert granger_causality(y, y, 3) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: granger_causality([1.0, 2.0], [1.0], 1), "effect: got shape|effect: got 1"),
        (lambda: granger_causality(np.arange(9.0), np.arange(8.0), 1), "effect: got 8 values"),
        (lambda: granger_causality(np.arange(5.0), np.arange(5.0), 1), "cause, effect: got 5"),
        (lambda: granger_causality(np.ones(9), np.arange(9.0), 1), "cause: got shape"),
        (lambda: granger_causality(np.arange(9.0), np.arange(9.0), 0), "lags: got 0"),
        (
            lambda: granger_causality(np.sin(np.arange(30.0)), np.sin(np.arange(30.0)), 2),
            "effect: got a series",
        ),
        (lambda: var1_granger([[1.0, 0.0], [0.0, 0.5]], Q), "coefficients: got"),
        (lambda: var1_granger(A, [[1.0, 2.0], [2.0, 1.0]]), "noise: got"),
        (lambda: var1_transfer_entropy(A, Q, 0), "lags: got 0"),
        (lambda: simulate_var1(A, Q, 0, 1), "steps: got 0"),
        (lambda: simulate_var1(A, Q, 1, 0), "runs: got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

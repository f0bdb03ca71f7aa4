"""The rate-distortion function: closed forms, convergence, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import entr

from entropylab.information.rate_distortion import information, rate_distortion

P = np.array([0.5, 0.3, 0.2])


def binary_entropy(p):
    return entr(p) + entr(1 - p)


@pytest.mark.parametrize(("distortion", "rate"), [(0.1, 0.3680642071684971), (0.25, 0.130812035941137)])
def test_the_fair_bit_with_hamming_distortion(distortion, rate):
    point = rate_distortion([0.5, 0.5], 1 - np.eye(2), np.log(1 / distortion - 1))
    assert point.cost == pytest.approx(distortion, abs=1e-12)
    assert point.rate == pytest.approx(rate, abs=1e-12)
    assert point.rate == pytest.approx(np.log(2) - binary_entropy(distortion), abs=1e-12)
    assert point.gap == pytest.approx(0, abs=1e-12)


def test_log_loss_gives_a_straight_line():
    law = np.array([0.7, 0.3])
    grid = np.concatenate([[1e-9], np.linspace(0, 1, 201)[1:-1], [1 - 1e-9]])
    loss = -np.log([1 - grid, grid])
    points = rate_distortion(law, loss, [0.5, 1.0, 2.0], iterations=2000)
    assert entr(law).sum() == pytest.approx(0.6108643020548935, abs=1e-15)
    assert points.rate[1:] + points.cost[1:] == pytest.approx(entr(law).sum(), abs=1e-6)
    assert points.rate[0] < 1e-3
    assert points.cost[2] < 1e-6
    assert points.gap[0] > 1e-6  # what is not used dies out slowly, and the gap says so


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_distortion([0.5, 0.6], np.eye(2), 1.0), "p_x: row 0"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(3), 1.0), "distortion: got shape"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2) / 0.0, 1.0), "distortion: got shape"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2), -1.0), "slope: got -1.0"),
        (lambda: rate_distortion([0.5, 0.5], np.eye(2), 1.0, iterations=0), "iterations: got 0"),
        (lambda: information(P, [[1.0]]), "kernel: got shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

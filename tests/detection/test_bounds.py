"""The bounds bound: against simulation, against each other, and on bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entropylab import detection


def rademacher_sums(count, steps, seed=0):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (count, steps)).cumsum(1)


def test_azuma_holds_and_is_not_vacuous():
    sums = rademacher_sums(20_000, 100)[:, -1]
    for t in (0.1, 0.2, 0.3):
        share = (abs(sums) / 100 >= t).mean()
        bound = detection.azuma_bound(t, 100, 2.0)  # steps in [-1, 1]
        assert share <= bound <= min(1, 2 * math.exp(-100 * t**2 / 2)) + 1e-15
    assert detection.azuma_bound(0.3, 100, 2.0) < 0.03
    assert detection.azuma_bound(0.0, 5, 1.0) == 1.0


def test_smoothing_bounds_the_surprisal_and_costs_little():
    p = np.array([1.0, 0.0, 0.0, 0.0])
    smoothed = 0.9 * p + 0.1 / 4
    surprisal = -np.log(smoothed)
    assert surprisal.min() >= 0
    assert surprisal.max() == pytest.approx(detection.smoothed_width(4, 0.1))
    assert surprisal[0] <= -math.log(0.9)


def test_freedman_holds_for_the_maximum_over_time():
    sums = rademacher_sums(20_000, 64)
    for x in (12.0, 20.0, 28.0):
        share = (sums.max(1) >= x).mean()
        assert share <= detection.freedman_bound(x, 64.0, 1.0)
    assert detection.freedman_bound(28.0, 64.0, 1.0) < 0.01
    assert detection.freedman_bound(0.0, 0.0, 0.0) == 1.0
    assert detection.freedman_bound(1.0, 0.0, 0.0) == 0.0


def test_freedman_at_the_observed_variance_pays_for_the_grid():
    x, w = 30.0, 50.0
    found = detection.freedman_p_value(x, w, 1.0, least=1.0, greatest=1024.0)
    assert found == pytest.approx(11 * detection.freedman_bound(x, 64.0, 1.0))
    assert detection.freedman_p_value(x, 2000.0, 1.0, least=1.0, greatest=1024.0) == 1.0
    small = detection.freedman_p_value(x, 0.0, 1.0, least=1.0, greatest=2.0)
    assert small == pytest.approx(2 * detection.freedman_bound(x, 1.0, 1.0))


def test_the_gap_bounds_hold_on_the_markov_source_and_agree_with_the_kernel():
    chain, _ = detection.markov_rivals(3, states=16)
    states = detection.sample_texts(chain, 2000, 64, seed=1)
    figures = detection.concentration_figures(detection.markov_evidence(chain, states), vocabulary=16)
    for t in (0.05, 0.2, 0.4):
        for side, sign in (("unlikely", -1), ("likely", 1)):
            share = (sign * figures.gap >= t).mean()
            assert share <= detection.gap_tail_bound(t, 64, 16, side)
    for b in range(20):
        gap = figures.gap[b]
        side, p = ("likely", figures.p_likely[b]) if gap > 0 else ("unlikely", figures.p_unlikely[b])
        assert p == pytest.approx(detection.gap_tail_bound(abs(gap), 64, 16, side))


def test_the_type_two_bound_holds_for_another_writer():
    a, b = detection.markov_rivals(0, states=16)
    states = detection.sample_texts(b, 2000, 50, seed=2)
    surprisal = detection.markov_evidence(a, states).surprisal
    centre = detection.transition_cross_entropies(b, a)[states[:, :-1]].mean(1)
    q, s = b.transitions, -np.log(a.transitions)
    second_moment = (q * s**2).sum(1).max()
    below = centre - surprisal.mean(1)
    for u in (1.0, 2.0):
        assert (below >= u).mean() <= detection.generator_tail_bound(u, 50, second_moment)


def test_arrays_in_arrays_out():
    t = np.array([0.0, 0.1, 0.2])
    found = detection.gap_tail_bound(t, 100, 64, "likely")
    assert found.shape == (3,) and found[0] == 1.0 and (np.diff(found) < 0).all()
    assert detection.gap_threshold(0.05, np.array([10, 100]), 64, "unlikely").shape == (2,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detection.varentropy_max(0), "vocabulary: got 0, allowed is 1 or more"),
        (
            lambda: detection.gap_tail_bound(-0.1, 5, 4, "likely"),
            "t: got -0.1, allowed are numbers of at least 0",
        ),
        (lambda: detection.gap_tail_bound(0.1, 0, 4, "likely"), "tokens: got 0, allowed is 1 or more"),
        (
            lambda: detection.gap_tail_bound(0.1, 5, 4, "up"),
            "side: got 'up', allowed are 'unlikely', 'likely'",
        ),
        (
            lambda: detection.gap_threshold(0.0, 5, 4, "likely"),
            r"alpha: got 0.0, allowed are numbers in \(0, 1\]",
        ),
        (lambda: detection.azuma_bound(0.1, 5, 0.0), "width: got 0.0, allowed are numbers above 0"),
        (lambda: detection.smoothed_width(0, 0.1), "vocabulary: got 0"),
        (lambda: detection.smoothed_width(4, 1.0), "epsilon: got 1.0, allowed are numbers between 0 and 1"),
        (lambda: detection.freedman_bound(-1, 1, 1), "deviation: got -1"),
        (lambda: detection.freedman_bound(1, math.nan, 1), "variance: got nan"),
        (lambda: detection.freedman_bound(1, 1, -1), "jump: got -1"),
        (lambda: detection.freedman_p_value(1, 1, 1, least=2, greatest=1), "least, greatest: got 2, 1"),
        (lambda: detection.generator_tail_bound(1, 5, 0), "second_moment: got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()

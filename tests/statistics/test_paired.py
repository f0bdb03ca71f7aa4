"""Paired tests against exact values and against what the bootstrap should give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from entropylab.statistics import (
    bootstrap_clusters,
    bootstrap_items,
    mcnemar_exact,
    paired_bootstrap,
    paired_t_interval,
)


@pytest.mark.parametrize(
    ("counts", "p"), [((40, 2), 4.1109160520136356e-10), ((44, 0), 1.1368683772161603e-13), ((0, 0), 1.0)]
)
def test_two_sided_mcnemar(counts, p):
    assert mcnemar_exact(*counts) == pytest.approx(p, rel=1e-12)


def test_one_sided_mcnemar_is_a_tail_of_a_fair_coin():
    assert mcnemar_exact(5, 0, alternative="greater") == pytest.approx(1 / 32)
    assert mcnemar_exact(0, 5, alternative="greater") == 1
    assert mcnemar_exact(0, 5, alternative="less") == pytest.approx(1 / 32)


@pytest.mark.parametrize("counts", [(-1, 2), (1.5, 2)])
def test_counts_must_be_counts(counts):
    with pytest.raises(ValueError, match="first_only"):
        mcnemar_exact(*counts)


def test_bootstrap_of_a_mean_has_its_normal_width():
    values = np.random.default_rng(0).normal(0.3, 1, 400)
    found = paired_bootstrap(values, draws=4000)
    assert found.estimate == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)
    assert paired_bootstrap(values, draws=4000) == found


def test_items_are_drawn_whole():
    """Three equal rows an item: resampling rows would shrink the interval by the root of three."""
    values = np.random.default_rng(1).normal(size=100)
    rows = np.stack([values] * 3)
    of_items = bootstrap_items(100, lambda items: float(rows[:, items].mean()), draws=2000)
    of_rows = paired_bootstrap(rows.ravel(), draws=2000)
    ratio = (of_items.high - of_items.low) / (of_rows.high - of_rows.low)
    assert ratio == pytest.approx(np.sqrt(3), rel=0.15)


def test_clusters_of_rows_are_drawn_whole():
    """Rows in any order, labels of any kind; the same draws as by hand, and the statistic of all rows in front."""
    values = np.random.default_rng(2).normal(size=6)
    clusters = ["b", "a", "b", "c", "a", "b"]
    rows = {"a": [1, 4], "b": [0, 2, 5], "c": [3]}
    found = bootstrap_clusters(clusters, lambda rows: float(values[rows].mean()), draws=50, seed=3)
    by_hand = bootstrap_items(
        3, lambda items: float(np.mean(values[[r for i in items for r in rows["abc"[i]]]])), draws=50, seed=3
    )
    assert found == pytest.approx(by_hand)
    assert found.estimate == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_clusters([], lambda rows: 0.0), "clusters: got shape"),
        (lambda: bootstrap_clusters([[1]], lambda rows: 0.0), "clusters: got shape"),
        (lambda: bootstrap_clusters([1], lambda rows: 0.0, draws=0), "draws"),
        (lambda: paired_bootstrap([]), "differences"),
        (lambda: paired_bootstrap([np.inf]), "differences"),
        (lambda: paired_bootstrap([1.0], level=1.0), "level"),
        (lambda: bootstrap_items(0, lambda items: 0.0), "items"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_t_interval_is_that_of_scipy():
    differences = np.random.default_rng(0).normal(1, 2, 8)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    found = paired_t_interval(differences)
    assert found.estimate == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert paired_t_interval([2.0, 2.0]) == (2, 2, 2)
    assert paired_t_interval(differences, level=0.99).low < found.low


def test_the_t_interval_refuses_one_run_and_a_bad_level():
    with pytest.raises(ValueError, match="differences: got shape"):
        paired_t_interval([1.0])
    with pytest.raises(ValueError, match="differences: got shape"):
        paired_t_interval([1.0, np.nan])
    with pytest.raises(ValueError, match="level: got 1"):
        paired_t_interval([1.0, 2.0], level=1)

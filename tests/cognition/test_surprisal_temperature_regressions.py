"""Regressions of reading times against their definitions, statsmodels, and tables with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from entropylab.cognition import (
    ReadingTimes,
    Regression,
    best_temperature,
    delta_log_likelihood,
    held_out_log_likelihood,
    lag_profile,
    lagged,
    matched_pairs,
    realigned,
    rolled_by_half,
    shift_fits,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def invented(rng, words=400, stories=4, filed_early=False):
    """Stories whose reading times depend on the word and, more, on the word before; and their surprisal."""
    story = np.repeat(np.arange(1, stories + 1), words)
    count = len(story)
    surprisal = rng.gamma(2.0, 2.0, count)
    past = lagged(surprisal, story, [0, 1, 2])
    log_ms = 5.7 + past @ [0.01, 0.02, 0.005] + 0.1 * story + 0.05 * rng.normal(size=count)
    table = pd.DataFrame(
        {
            "story": story,
            "position": np.tile(np.arange(1, words + 1), stories),
            "readers": rng.integers(60, 100, count),
            "geometric_mean_ms": np.exp(log_ms),
            "characters": rng.integers(1, 12, count),
            "log_count": rng.normal(8, 2, count),
            "plain": rng.random(count) < 0.9,
        }
    )
    if filed_early:
        table["geometric_mean_ms"] = table.groupby("story")["geometric_mean_ms"].shift(-1, fill_value=300.0)
    return table, surprisal


def test_lags_stay_in_their_group():
    got = lagged([1, 2, 3, 10, 20], [7, 7, 7, 8, 8], [0, 1, 2, -1])
    np.testing.assert_array_equal(
        got, [[1, 0, 0, 2], [2, 1, 0, 3], [3, 2, 1, 0], [10, 0, 0, 20], [20, 10, 0, 0]]
    )


def test_half_a_roll_keeps_the_numbers_of_each_group():
    np.testing.assert_array_equal(rolled_by_half([1, 2, 3, 4, 8, 9], [1, 1, 1, 1, 2, 2]), [3, 4, 1, 2, 9, 8])


def test_groups_must_stand_together():
    with pytest.raises(ValueError, match="do not stand together"):
        lagged([1, 2, 3], [1, 2, 1], [1])
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        rolled_by_half([1, 2], [1, 1, 2])


def test_delta_is_the_gain_of_statsmodels(rng):
    base = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    extra, weights = rng.normal(size=(200, 3)), rng.integers(1, 9, 200)
    y = base @ [1, 2, 3] + extra @ [0.3, 0, 0] + rng.normal(size=200) / np.sqrt(weights)
    small, large = (sm.WLS(y, x, weights=weights).fit() for x in (base, np.column_stack([base, extra])))
    assert delta_log_likelihood(y, base, extra, weights) == pytest.approx(
        (large.llf - small.llf) / 200, abs=1e-12
    )
    unweighted = (sm.OLS(y, np.column_stack([base, extra])).fit().llf - sm.OLS(y, base).fit().llf) / 200
    assert delta_log_likelihood(y, base, extra) == pytest.approx(unweighted, abs=1e-12)


def test_delta_does_not_depend_on_scale_or_on_repeated_columns(rng):
    base = np.column_stack([np.ones(100), rng.normal(size=100)])
    extra, y = rng.normal(size=(100, 2)), rng.normal(size=100)
    regression = Regression(y, base)
    gain = regression.delta(extra)
    assert regression.delta(1e6 * extra + 5) == pytest.approx(gain, abs=1e-9)
    assert regression.delta(np.column_stack([extra, extra[:, 0], base])) == pytest.approx(gain, abs=1e-9)
    assert Regression(y, np.column_stack([base, base])).delta(extra) == pytest.approx(gain, abs=1e-9)
    assert regression.delta(base) == pytest.approx(0, abs=1e-12)


def test_noise_gains_half_a_nat_a_predictor_in_all(rng):
    """Three predictors of noise are worth 3 / (2 n), on average."""
    base, y = np.ones((500, 1)), rng.normal(size=500)
    regression = Regression(y, base)
    gains = [regression.delta(rng.normal(size=(500, 3))) for _ in range(400)]
    assert np.mean(gains) == pytest.approx(3 / 1000, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [[1.0]], [[1.0], [2.0]]), "y, base, weights: got 2, 1 and 2 rows"),
        (([1.0, np.nan], [[1.0], [1.0]], [[1.0], [2.0]]), "y: got a number that is NaN"),
        (([1.0, 2.0], [1.0, 1.0], [[1.0], [2.0]]), r"base: got shape \(2,\)"),
        (([1.0, 3.0, 2.0], [[1.0]] * 3, [[1.0], [2.0]]), "extra: got 2 rows, allowed are 3"),
        (([2.0, 2.0], [[1.0], [1.0]], [[1.0], [2.0]]), "explains y exactly"),
        (([1.0, 2.0], [[1.0], [1.0]], [[1.0], [2.0]], [1.0, 0.0]), "weights: got 0.0"),
    ],
)
def test_bad_regressions_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        delta_log_likelihood(*arguments)


def test_the_held_out_likelihood_is_that_of_a_fit_to_the_other_groups(rng):
    groups = np.repeat([1, 2, 3], [40, 50, 60])
    x, weights = rng.normal(size=(150, 2)), rng.integers(1, 5, 150).astype(float)
    y = x @ [1.0, -0.5] + groups + rng.normal(size=150)
    got = held_out_log_likelihood(y, x, groups, weights)

    def centred(values, rows):
        return values[rows] - np.average(values[rows], axis=0, weights=weights[rows])

    for place, group in enumerate((1, 2, 3)):
        test = groups == group
        rest = [groups == other for other in (1, 2, 3) if other != group]
        fit = sm.WLS(
            np.concatenate([centred(y, rows) for rows in rest]),
            np.concatenate([centred(x, rows) for rows in rest]),
            weights=np.concatenate([weights[rows] for rows in rest]),
        ).fit()
        variance = np.mean(fit.wresid**2) / weights[test]
        residual = centred(y, test) - centred(x, test) @ fit.params
        likelihood = np.mean(-0.5 * np.log(2 * np.pi * variance) - residual**2 / (2 * variance))
        assert got[place] == pytest.approx(likelihood, abs=1e-10)


def test_the_level_of_a_held_out_group_does_not_matter(rng):
    groups, x, weights = np.repeat([1, 2, 3], 30), rng.normal(size=(90, 1)), np.ones(90)
    y = x[:, 0] + rng.normal(size=90)
    np.testing.assert_allclose(
        held_out_log_likelihood(y, x, groups, weights),
        held_out_log_likelihood(y + 100.0 * (groups == 2), x + 7.0 * (groups == 3)[:, None], groups, weights),
        atol=1e-9,
    )


def test_one_group_cannot_be_held_out():
    with pytest.raises(ValueError, match="groups: got 1 group"):
        held_out_log_likelihood([1.0, 2.0], [[1.0], [3.0]], [1, 1], [1.0, 1.0])
    with pytest.raises(ValueError, match="got 2, 2, 3 and 2 rows"):
        held_out_log_likelihood([1.0, 2.0], [[1.0], [3.0]], [1, 1, 2], [1.0, 1.0])


def test_reading_times_keep_plain_words_after_plain_words(rng):
    table, _ = invented(rng)
    data = ReadingTimes(table)
    plain = table["plain"].to_numpy()
    expected = [
        row for row in range(len(table)) if plain[row] and plain[row - 1] and table["position"][row] >= 3
    ]
    assert data.rows.tolist() == expected
    assert ReadingTimes(table, plain_before=2).rows.tolist() == [row for row in expected if plain[row - 2]]
    every = ReadingTimes(table, plain_before=0).rows
    assert every.tolist() == [row for row in range(len(table)) if plain[row] and table["position"][row] >= 3]
    with pytest.raises(ValueError, match="plain_before: got 3"):
        ReadingTimes(table, plain_before=3)
    assert len(ReadingTimes(table, without=[2])) == sum(table["story"][row] != 2 for row in expected)
    with pytest.raises(ValueError, match="table: columns plain are missing"):
        ReadingTimes(table.drop(columns="plain"))
    with pytest.raises(ValueError, match="is left"):
        ReadingTimes(table, without=[1, 2, 3, 4])


def test_reading_times_are_explained_by_what_made_them(rng):
    table, surprisal = invented(rng)
    data = ReadingTimes(table)
    true, wrong = data.delta(surprisal), data.delta(rolled_by_half(surprisal, table["story"]))
    assert true > 0.2 > 0.01 > wrong > 0
    assert data.delta(surprisal, table["characters"]) >= true
    gain = data.held_out(surprisal) - data.held_out()
    assert gain.shape == (4,)
    assert np.all(gain > 0.1)
    assert np.mean(data.held_out(rng.normal(size=len(table))) - data.held_out()) < 0.005


def test_delta_of_reading_times_is_that_of_the_regression_written_out(rng):
    table, surprisal = invented(rng)
    data = ReadingTimes(table)
    story = table["story"].to_numpy()
    frequency, length = table["log_count"].to_numpy(), table["characters"].to_numpy(dtype=float)
    standard = [(x - x.mean()) / x.std() for x in (frequency, length)]
    columns = [lagged(x, story, [0, 1]) for x in (*standard, standard[0] * standard[1])]
    dummies = (story[:, None] == np.unique(story)).astype(float)
    base = np.column_stack([*columns, table["position"], dummies])[data.rows]
    full = np.column_stack([base, lagged(surprisal, story, [0, 1, 2])[data.rows]])
    y, weights = np.log(table["geometric_mean_ms"])[data.rows], table["readers"][data.rows]
    small, large = (sm.WLS(y, x, weights=weights).fit() for x in (base, full))
    assert data.delta(surprisal) == pytest.approx((large.llf - small.llf) / len(y), abs=1e-10)


def test_a_shift_of_one_word_is_found_and_undone(rng):
    filed, surprisal = invented(rng, filed_early=True)
    predictors, lags = {"surprisal": surprisal, "length": filed["characters"]}, [-2, -1, 0, 1, 2, 3]
    before = lag_profile(filed, predictors, lags)
    after = lag_profile(realigned(filed), predictors, lags)
    assert before["surprisal"].idxmax() == 0 and before["surprisal"][-1] > 5
    assert after["surprisal"].idxmax() == 1 and abs(after["surprisal"][-1]) < 4
    assert before.attrs["n"] > 1000 and 0 < before.attrs["r_squared"] < 1
    fits = shift_fits(filed, predictors, [-1, 0, 1, 2])
    assert max(fits, key=fits.get) == 1
    right, _ = invented(np.random.default_rng(0))
    fits = shift_fits(right, predictors, [-1, 0, 1, 2])
    assert max(fits, key=fits.get) == 0


def test_realigned_times_never_cross_a_story():
    table = pd.DataFrame(
        {"story": [1, 1, 1, 2, 2], "readers": [1, 2, 3, 4, 5], "geometric_mean_ms": [10.0, 20, 30, 40, 50]}
    )
    moved = realigned(table)
    np.testing.assert_array_equal(moved["geometric_mean_ms"], [np.nan, 10, 20, np.nan, 40])
    np.testing.assert_array_equal(moved["readers"], [np.nan, 1, 2, np.nan, 4])
    np.testing.assert_array_equal(realigned(table, shift=-1)["readers"], [2, 3, np.nan, 5, np.nan])
    assert table["readers"].tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="needs the column story"):
        realigned(table.drop(columns=["readers", "geometric_mean_ms"]))


def test_an_empty_profile_is_refused(rng):
    table, surprisal = invented(rng, words=10)
    with pytest.raises(ValueError, match="predictors, lags: got none"):
        lag_profile(table, {}, [0])
    with pytest.raises(ValueError, match="predictors, shifts: got none"):
        shift_fits(table, {"surprisal": surprisal}, [])
    with pytest.raises(ValueError, match="no plain word"):
        lag_profile(table, {"surprisal": surprisal}, [20])


def test_pairs_are_nearest_neighbours_without_replacement():
    features = np.array([[0.0, 0], [0.1, 0], [5, 1], [5.05, 1], [0.05, 0], [9, 2]])
    ours, theirs = matched_pairs([True, True, True, False, False, False], features)
    # The first takes row 4, so that the second finds no neighbour within the caliper.
    assert (ours.tolist(), theirs.tolist()) == ([0, 2], [4, 3])
    ours, theirs = matched_pairs([True] + [False] * 5, features, caliper=1e-6)
    assert ours.size == theirs.size == 0


@pytest.mark.parametrize(
    ("chosen", "features", "caliper", "message"),
    [
        ([True], [[1.0], [2.0]], 0.5, r"chosen: got shape \(1,\)"),
        ([True, False], [[1.0], [1.0]], 0.5, "same value in every row"),
        ([True, False], [[1.0], [2.0]], 0.0, "caliper: got 0.0"),
        ([True, False], [[1.0], [np.inf]], 0.5, "features: got a number that is NaN"),
    ],
)
def test_bad_pairs_are_named(chosen, features, caliper, message):
    with pytest.raises(ValueError, match=message):
        matched_pairs(chosen, features, caliper=caliper)


def test_the_best_temperature_is_that_of_a_parabola_in_its_logarithm():
    grid = np.array([0.5, 1, 1.5, 2, 3, 5])
    curve = 3 - 0.4 * (np.log(grid) - np.log(1.7)) ** 2
    assert best_temperature(grid, curve) == pytest.approx(1.7, rel=1e-12)
    assert best_temperature(grid, grid) == 5
    assert best_temperature(grid, -grid) == 0.5
    assert best_temperature([1, 2, 3], [1, 1, 1]) == 1


@pytest.mark.parametrize(
    ("grid", "values", "message"),
    [
        ([1, 2], [1], r"values: got shape \(1,\)"),
        ([2, 1], [1, 2], "ascending"),
        ([0, 1], [1, 2], "above 0"),
        ([], [], "not empty"),
    ],
)
def test_bad_curves_are_named(grid, values, message):
    with pytest.raises(ValueError, match=message):
        best_temperature(grid, values)

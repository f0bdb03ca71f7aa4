from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from entropylab.reasoning.arms import paired_difference, run_means


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"arm": arm, "seed": seed, "step": step, "reward": seed + (arm == "b") * 2 + 0.1 * rng.normal()}
        for arm, seeds in (("a", range(5)), ("b", range(1, 4)))
        for seed in seeds
        for step in range(6)
    ]
    return pd.DataFrame(rows).astype({"arm": "category"})


def test_runs_are_compared_seed_by_seed():
    means = run_means(table(), "reward")
    assert means.loc[2, "b"] == pytest.approx(table().query("arm == 'b' and seed == 2")["reward"].mean())
    assert np.isnan(means.loc[0, "b"])
    found = paired_difference(means, "b", "a", range(1, 4))
    expected = stats.ttest_rel(means.loc[1:3, "b"], means.loc[1:3, "a"]).confidence_interval(0.9)
    assert found.low == pytest.approx(expected.low) and found.high == pytest.approx(expected.high)
    # The seeds differ by more than the arms, and cancel.
    assert found.high - found.low < means["a"].std()


def test_a_run_that_is_missing_is_named():
    means = run_means(table(), "reward")
    with pytest.raises(ValueError, match=r"seeds: got \[0, 9\], without a run of 'a' or 'b'"):
        paired_difference(means, "a", "b", [0, 1, 9])
    with pytest.raises(ValueError, match=r"got 'c', allowed are \['a', 'b'\]"):
        paired_difference(means, "a", "c", [1, 2])
    with pytest.raises(ValueError, match=r"no column \['length'\]"):
        run_means(table(), "length")

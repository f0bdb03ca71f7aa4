"""The bootstrap interval of the area of training curves."""

import math

import numpy as np
import pytest

from entropylab.information.epiplexity import prequential_epiplexity
from entropylab.information.epiplexity_interval import prequential_interval


def curves(generator, runs=3, steps=200, windows=80, noise=0.05):
    """A falling curve with white noise, and held-out windows around its end."""
    trend = 1.0 + 2.0 * np.exp(-np.arange(steps) / 20)
    return trend + generator.normal(0, noise, (runs, steps)), 1.0 + generator.normal(0, 0.1, (runs, windows))


def test_the_middle_is_the_mean_of_the_areas():
    losses, held_out = curves(np.random.default_rng(0))
    found = prequential_interval(losses, held_out, 7)
    areas = [prequential_epiplexity(a, b.mean(), 7) for a, b in zip(losses, held_out, strict=True)]
    assert found.structure == pytest.approx(np.mean(areas)) and found.low < found.structure < found.high


def test_it_covers_the_true_area_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    truth = (2.0 * np.exp(-np.arange(200) / 20)).sum() / math.log(2)
    error = math.hypot(0.05 * math.sqrt(200 / 3), 200 * 0.1 / math.sqrt(240)) / math.log(2)
    found = [prequential_interval(*curves(generator), 1, draws=200) for _ in range(100)]
    assert 88 <= sum(f.low <= truth <= f.high for f in found) <= 100
    # And it is not simply wide: most miss an area that is four standard errors off.
    assert sum(f.low <= truth + 4 * error <= f.high for f in found) < 15


def test_the_held_out_error_counts_for_every_step():
    losses, _ = curves(np.random.default_rng(2), noise=0.0)
    wide = prequential_interval(losses, 1 + np.random.default_rng(3).normal(0, 0.1, (3, 20)), 1)
    narrow = prequential_interval(losses, np.ones((3, 20)), 1)
    assert narrow.high - narrow.low < 1e-9 and wide.high - wide.low == pytest.approx(
        2 * 1.96 * 200 * 0.1 / math.sqrt(60) / math.log(2), rel=0.35
    )


def test_blocks_may_leave_a_rest():
    losses, held_out = curves(np.random.default_rng(4), steps=25)
    assert prequential_interval(losses, held_out, 1, block=10).structure == pytest.approx(
        prequential_interval(losses, held_out, 1, block=25).structure
    )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1.0, 2.0]], [[1.0, 1.0]], 1), {}, "losses, held_out: got shapes"),
        (([[1.0], [1.0]], [[1.0], [1.0]], 1), {"block": 1}, "losses, held_out: got shapes"),
        (([[1.0], [math.nan]], [[1.0, 1.0], [1.0, 1.0]], 1), {"block": 1}, "finite"),
        (([[1.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], 1), {"block": 2}, "block"),
        (([[1.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], 0), {"block": 1}, "units"),
        (([[1.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], 1), {"block": 1, "level": 1}, "level"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        prequential_interval(*arguments, **options)

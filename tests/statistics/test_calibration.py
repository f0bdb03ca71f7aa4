"""The calibration error, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab.statistics import expected_calibration_error


def test_worked_example():
    # The lower half holds .5, right (an edge falls into the bin below it), and .3, wrong; .9 and .7 are right.
    error = expected_calibration_error([0.5, 0.3, 0.9, 0.7], [1, 0, 1, 1], n_bins=2)
    assert error == pytest.approx((abs(0.8 - 1) + abs(1.6 - 2)) / 4)


def test_calibrated_answers_have_little_error_and_overconfident_ones_have_much():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(size=100_000)
    assert expected_calibration_error(confidence, generator.uniform(size=100_000) < confidence) < 0.01
    assert expected_calibration_error(np.full(1000, 0.9), np.arange(1000) % 2 == 0) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("confidence", "correct", "message"),
    [
        ([], [], "shapes"),
        ([0.5], [1, 0], "shapes"),
        ([1.5], [1], "outside 0 to 1"),
        ([float("nan")], [1], "outside"),
    ],
)
def test_bad_input_is_named(confidence, correct, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(confidence, correct)


def test_bins_must_be_there():
    with pytest.raises(ValueError, match="n_bins: got 0"):
        expected_calibration_error([0.5], [1], n_bins=0)

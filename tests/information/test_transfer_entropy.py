from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.transfer_entropy import transfer_entropy


def test_transfer_entropy_of_a_copied_sequence_is_its_entropy():
    x = np.random.default_rng(0).integers(2, size=20_000)
    assert transfer_entropy(x, np.roll(x, 1)) == pytest.approx(np.log(2), abs=1e-3)
    assert transfer_entropy(np.roll(x, 1), x) < 1e-3
    assert transfer_entropy(x, np.roll(x, 2)) < 1e-3
    assert transfer_entropy(x, np.roll(x, 2), cause_lags=2) == pytest.approx(np.log(2), abs=1e-3)


def test_the_plug_in_is_biased_up():
    """Two free parameters (one for each past of Y, once X's past is known): about 2 / (2 T)."""
    generator = np.random.default_rng(0)
    found = [transfer_entropy(*generator.integers(2, size=(2, 500))) for _ in range(400)]
    assert np.mean(found) == pytest.approx(2 / (2 * 500), rel=0.2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transfer_entropy([0.5, 1.0], [0, 1]), "cause: got float64"),
        (lambda: transfer_entropy([0, 1, 1], [0, 1]), "effect: got 2"),
        (lambda: transfer_entropy([0], [1]), "cause, effect: got 1"),
        (lambda: transfer_entropy([0, 1], [0, 1], cause_lags=0), "cause_lags: got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

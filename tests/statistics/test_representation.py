from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group

from entropylab.statistics.representation import linear_cka


def test_rotation_scale_and_shift_do_not_matter():
    x = np.random.default_rng(0).normal(size=(30, 4))
    turned = 2.5 * x @ ortho_group.rvs(4, random_state=1) + 7
    assert linear_cka(x, turned) == pytest.approx(1)
    assert linear_cka(x, x[np.random.default_rng(1).permutation(30)]) < 0.5


def test_it_is_the_correlation_of_the_centred_gram_matrices():
    x, y = np.random.default_rng(2).normal(size=(2, 12, 3))
    centring = np.eye(12) - 1 / 12
    a, b = (centring @ z @ z.T @ centring for z in (x, y))
    assert linear_cka(x, y) == pytest.approx((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.eye(3), np.eye(4), "got shapes"),
        (np.ones(3), np.eye(3), "got shapes"),
        (np.ones((3, 2)), np.eye(3), "the same row"),
    ],
)
def test_bad_input_is_named(first, second, message):
    with pytest.raises(ValueError, match=message):
        linear_cka(first, second)

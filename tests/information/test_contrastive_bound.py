from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.contrastive_bound import info_nce, optimal_critic
from entropylab.information.directed_information import mutual_information

JOINT = np.array([[0.4, 0.05, 0.05], [0.05, 0.2, 0.05], [0.02, 0.03, 0.15]])


def test_the_reference_case():
    assert mutual_information(JOINT) == pytest.approx(0.3319620834745052, abs=1e-14)
    found = [info_nce(JOINT, K) for K in (1, 2, 3, 4)]
    assert found == pytest.approx([0, 0.1516997792, 0.2097527781, 0.2400303748], abs=1e-10)


def test_more_candidates_bring_it_nearer_to_the_information():
    found = [info_nce(JOINT, K) for K in (2, 4, 8, 16, 32)]
    assert (np.diff(found) > 0).all()
    assert found[-1] < mutual_information(JOINT)
    assert found[-1] > 0.95 * mutual_information(JOINT)
    certain = np.eye(3) / 3
    assert all(info_nce(certain, K) <= np.log(K) for K in (2, 3, 5))


def test_other_critics_do_not_pass_the_information():
    for critic in np.random.default_rng(0).lognormal(size=(50, 3, 3)):
        assert info_nce(JOINT, 4, critic) < mutual_information(JOINT)
    scaled = optimal_critic(JOINT) * np.array([[1.0], [5.0], [0.1]])  # a factor of x alone cancels
    assert info_nce(JOINT, 3, scaled) == pytest.approx(info_nce(JOINT, 3), abs=1e-14)


def test_enumeration_agrees_with_sampling():
    generator = np.random.default_rng(0)
    pairs = generator.choice(9, size=100_000, p=JOINT.ravel())
    x, y = pairs // 3, np.column_stack([pairs % 3, generator.choice(3, size=(100_000, 2), p=JOINT.sum(0))])
    r = optimal_critic(JOINT)[x[:, None], y]
    sample = np.log(3 * r[:, 0] / r.sum(1))
    assert abs(sample.mean() - info_nce(JOINT, 3)) < 4 * sample.std() / np.sqrt(len(sample))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimal_critic([0.5, 0.5]), "joint: got shape"),
        (lambda: optimal_critic([[0.5, 0.6]]), "joint: row 0"),
        (lambda: optimal_critic([[1.0, 0.0]]), "joint: got a row or column of zeros"),
        (lambda: info_nce(JOINT, 0), "candidates: got 0"),
        (lambda: info_nce(JOINT, 2, np.ones((2, 2))), "critic: got shape"),
        (lambda: info_nce(JOINT, 2, np.zeros((3, 3))), "critic: got shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

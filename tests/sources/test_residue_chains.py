from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.special import entr

from entropylab.sources import ResidueChains


def test_a_true_a_noisy_and_a_false_step():
    """Reference case: ln 100, then ln 10; a noise step tells nothing; a false one looks as useful as a true one."""
    sure = ResidueChains(100, [10])
    assert sure.entropies([3]) == pytest.approx([4.605170185988092, 2.302585092994046], abs=1e-12)
    assert sure.information == pytest.approx([2.302585092994046], abs=1e-12)
    # Y = 43 and "Y is 4 modulo 10": the same entropies, but the answer is ruled out.
    assert sure.entropies([4])[1] == pytest.approx(sure.entropies([3])[1], abs=1e-12)
    assert sure.posterior([4])[43] == 0 and sure.posterior([3])[43] == pytest.approx(0.1)
    noise = ResidueChains(100, [10], reliability=0.1)
    assert noise.entropies([3]) == pytest.approx([4.605170185988092] * 2, abs=1e-12)
    assert noise.information == pytest.approx([0], abs=1e-12)


def test_the_posterior_is_that_of_the_joint_law():
    """By enumeration of all answers and all statements."""
    source = ResidueChains(12, [3, 4], reliability=0.7)
    joint = np.zeros((12, 3, 4))
    for y, r, s in product(range(12), range(3), range(4)):
        joint[y, r, s] = (0.7 if y % 3 == r else 0.15) * (0.7 if y % 4 == s else 0.1) / 12
    assert joint.sum() == pytest.approx(1)
    for r, s in product(range(3), range(4)):
        assert source.posterior([r, s]) == pytest.approx(joint[:, r, s] / joint[:, r, s].sum())
        assert source.posterior([r]) == pytest.approx(joint[:, r].sum(1) / joint[:, r].sum())
    assert source.posterior([]) == pytest.approx(np.full(12, 1 / 12))
    marginal = joint.sum(0)
    gain = np.log(12) - (entr(joint).sum() - entr(marginal).sum())
    assert source.information.sum() == pytest.approx(gain)


def test_the_mean_drop_is_the_information_only_for_a_right_belief():
    source = ResidueChains(30, [2, 3, 5], reliability=0.8)
    chains = source.draw(40_000, seed=1)
    drops = -np.diff(source.entropies(chains.residues), axis=1)
    assert drops.mean(0) == pytest.approx(source.information, abs=0.01)
    credulous = -np.diff(source.entropies(chains.residues, believed=1.0), axis=1)
    assert credulous.mean(0) == pytest.approx(np.log([2, 3, 5]))


def test_chains_are_true_as_often_as_they_should_be():
    source = ResidueChains(100, [2, 25], reliability=0.6)
    chains = source.draw(20_000, seed=2)
    true = chains.residues == chains.answers[:, None] % np.array([2, 25])
    assert true.mean(0) == pytest.approx([0.6, 0.6], abs=0.015)
    assert np.bincount(chains.answers, minlength=100).min() > 120
    false = (chains.residues[:, 1] - chains.answers)[~true[:, 1]] % 25
    assert set(false.tolist()) == set(range(1, 25))
    same = source.draw(20_000, seed=2)
    assert (same.answers == chains.answers).all() and (same.residues == chains.residues).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ResidueChains(1, [2]), "size, moduli: got 1"),
        (lambda: ResidueChains(100, []), "size, moduli"),
        (lambda: ResidueChains(100, [3]), "size, moduli"),
        (lambda: ResidueChains(100, [2, 10]), "size, moduli"),
        (lambda: ResidueChains(100, [1]), "size, moduli"),
        (lambda: ResidueChains(100, [10], reliability=0), "reliability: got 0"),
        (lambda: ResidueChains(100, [10]).draw(0, seed=0), "count: got 0"),
        (lambda: ResidueChains(100, [10]).posterior([1, 2]), "residues: got shape"),
        (lambda: ResidueChains(100, [10]).posterior(3), "residues: got shape"),
        (lambda: ResidueChains(100, [10]).posterior([1], believed=1.5), "believed: got 1.5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

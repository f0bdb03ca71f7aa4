from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.finite_divergences import DIVERGENCES, renyi
from entropylab.information.markov_kernel import MarkovKernel

RANDOM = np.random.default_rng(1)


def random_kernel(rows, columns):
    return MarkovKernel(RANDOM.dirichlet(np.full(columns, 0.5), rows))


def test_composition_is_associative_and_has_identities():
    f, g, h = random_kernel(3, 4), random_kernel(4, 2), random_kernel(2, 5)
    assert f.then(g).then(h).matrix == pytest.approx(f.then(g.then(h)).matrix)
    assert MarkovKernel.identity(3).then(f).matrix == pytest.approx(f.matrix)
    assert f.then(MarkovKernel.identity(4)).matrix == pytest.approx(f.matrix)


def test_side_by_side_and_one_after_the_other_can_be_exchanged():
    f, g, h, k = random_kernel(2, 3), random_kernel(3, 2), random_kernel(3, 4), random_kernel(4, 2)
    left = f.then(g).tensor(h.then(k))
    assert left.matrix == pytest.approx(f.tensor(h).then(g.tensor(k)).matrix)


def test_every_kernel_is_causal_and_copying_is_a_comonoid():
    f = random_kernel(3, 4)
    assert f.then(MarkovKernel.discard(4)).matrix == pytest.approx(MarkovKernel.discard(3).matrix)
    copy, same = MarkovKernel.copy(3), MarkovKernel.identity(3)
    assert copy.shape == (3, 9)
    assert copy.then(copy.tensor(same)).matrix == pytest.approx(copy.then(same.tensor(copy)).matrix)
    assert copy.then(MarkovKernel.discard(3).tensor(same)).matrix == pytest.approx(same.matrix)


@pytest.mark.parametrize("kernel", [random_kernel(3, 4), MarkovKernel.function([1, 0, 1], 2)])
def test_the_deterministic_kernels_are_those_that_commute_with_copying(kernel):
    rows, columns = kernel.shape
    after = kernel.then(MarkovKernel.copy(columns)).matrix
    before = MarkovKernel.copy(rows).then(kernel.tensor(kernel)).matrix
    assert np.allclose(after, before) == kernel.is_deterministic()


@pytest.mark.parametrize("divergence", [*DIVERGENCES.values(), lambda p, q: renyi(p, q, 0.5)])
def test_no_kernel_makes_two_laws_easier_to_tell_apart(divergence):
    for _ in range(200):
        p, q = RANDOM.dirichlet(np.full(5, 0.5), 2)
        kernel = random_kernel(5, 4)
        assert divergence(kernel.push(p), kernel.push(q)) <= divergence(p, q) + 1e-12


def test_joint_laws_have_the_right_margins():
    kernel, law = random_kernel(3, 4), np.array([0.2, 0.3, 0.5])
    joint = kernel.joint(law)
    assert joint.sum(1) == pytest.approx(law)
    assert joint.sum(0) == pytest.approx(kernel.push(law))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MarkovKernel([0.5, 0.5]), "matrix: got shape"),
        (lambda: MarkovKernel([[0.5, 0.6]]), "matrix: row 0"),
        (lambda: MarkovKernel.function([0, 2], 2), "values: got"),
        (lambda: MarkovKernel.copy(0), "size: got 0"),
        (lambda: MarkovKernel.identity(2).then(MarkovKernel.identity(3)), "other: got a kernel of 3"),
        (lambda: MarkovKernel.identity(2).push([1.0]), "law: got 1 outcomes"),
        (lambda: MarkovKernel.identity(2).joint([1.0]), "law: got shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

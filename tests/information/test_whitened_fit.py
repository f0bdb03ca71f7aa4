from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.stats import ortho_group

from entropylab.information.whitened_fit import (
    fit_whitened,
    mean_prototypes,
    spectral_objective,
    table_nll,
    whiten,
)


def problem(seed=0):
    generator = np.random.default_rng(seed)
    prototypes = generator.normal(size=(12, 3))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    return torch.tensor(generator.dirichlet(np.full(12, 0.3), size=24)), torch.tensor(prototypes)


LAWS, PROTOTYPES = problem()


def angle(hidden):
    return np.degrees(subspace_angles(hidden.numpy(), mean_prototypes(LAWS, PROTOTYPES).numpy()).max())


def test_whitened_tables_are_white_and_gradients_exist_at_equal_eigenvalues():
    table = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = whiten(table)
    assert torch.allclose(h.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-14)
    assert torch.allclose(h.T @ h / 20, torch.eye(3, dtype=torch.float64), atol=1e-13)
    white = h.clone().requires_grad_()
    assert torch.autograd.gradcheck(whiten, white)


@pytest.mark.parametrize(
    ("scale", "degrees"), [(0.01, 0.003), (0.1, 0.253), (0.3, 2.213), (1.0, 29.094), (2.0, 45.618)]
)
def test_angles_of_the_reference_problem(scale, degrees):
    fit = fit_whitened(LAWS, PROTOTYPES, scale=scale)
    assert fit.spread < 1e-9
    assert angle(fit.hidden) == pytest.approx(degrees, abs=1e-3)


def test_the_optimum_at_scale_one_beats_the_polar_factor_and_rotations():
    fit = fit_whitened(LAWS, PROTOTYPES, scale=1.0)
    assert fit.nll == pytest.approx(2.170203, abs=1e-6)
    assert table_nll(fit.hidden, LAWS, PROTOTYPES).item() == pytest.approx(fit.nll, abs=1e-12)
    left, values, right = torch.linalg.svd(mean_prototypes(LAWS, PROTOTYPES), full_matrices=False)
    polar = math.sqrt(24) * left @ right
    assert table_nll(polar, LAWS, PROTOTYPES).item() == pytest.approx(2.204117, abs=1e-6)
    # J is largest where the columns span those of the mean prototypes.
    largest = ((values / math.sqrt(24)) ** 2).sum().item()
    assert spectral_objective(polar, LAWS, PROTOTYPES).item() == pytest.approx(largest)
    turned = [
        fit.hidden @ torch.tensor(r)
        for r in ortho_group.rvs(3, size=200, random_state=np.random.default_rng(0))
    ]
    nll = np.mean([table_nll(h, LAWS, PROTOTYPES).item() for h in turned])
    assert nll == pytest.approx(2.895, abs=0.05)
    j = spectral_objective(fit.hidden, LAWS, PROTOTYPES).item()
    assert j < largest
    assert [spectral_objective(h, LAWS, PROTOTYPES).item() for h in turned] == pytest.approx(
        200 * [j], abs=1e-12
    )


def test_the_spectral_objective_is_the_mean_over_pairs_of_contexts():
    h = whiten(torch.randn(24, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    means = LAWS @ PROTOTYPES
    pairs = ((h @ h.T) * (means @ means.T)).mean()
    assert spectral_objective(h, LAWS, PROTOTYPES).item() == pytest.approx(pairs.item())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: whiten(torch.zeros(3, 3)), "table: got shape"),
        (lambda: fit_whitened(LAWS, PROTOTYPES, scale=0), "scale: got 0"),
        (lambda: fit_whitened(LAWS, PROTOTYPES, scale=1, starts=0), "starts: got 0"),
        (lambda: fit_whitened(LAWS.float(), PROTOTYPES, scale=1), "laws, prototypes: got torch.float32"),
        (lambda: fit_whitened(LAWS[:, 1:], PROTOTYPES, scale=1), "laws, prototypes: got shapes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

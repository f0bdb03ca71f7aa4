from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.information.whitened_study import (
    largest_angle,
    random_problem,
    rotations,
    study_whitened,
)


def test_the_reference_problem():
    study = study_whitened(0, (0.01, 0.3))
    assert list(study.angles) == [0.01, 0.3, 1.0]
    assert list(study.angles.values()) == pytest.approx([0.003, 2.213, 29.094], abs=1e-3)
    assert study.rotation_gap == pytest.approx(2.895 - 2.170203, abs=0.05)
    assert study.j_change < 1e-12
    assert study.spread < 1e-9
    assert 60 < study.random_angle < 90


def test_problems_have_unit_prototypes_and_laws():
    laws, prototypes = random_problem(3, contexts=30, symbols=7, width=2)
    assert laws.shape == (30, 7) and prototypes.shape == (7, 2)
    assert torch.allclose(laws.sum(1), torch.ones(30, dtype=torch.float64))
    assert torch.allclose(prototypes.norm(dim=1), torch.ones(7, dtype=torch.float64))


def test_angles_and_rotations():
    e = torch.eye(4, dtype=torch.float64)
    assert largest_angle(e[:, :2], e[:, 1:3]) == pytest.approx(90)
    r = rotations(3, 5, 0)
    assert np.einsum("nij,nik->njk", r, r) == pytest.approx(np.tile(np.eye(3), (5, 1, 1)))


def test_one_rotation_is_a_stack_of_one():
    assert rotations(3, 1, 0).shape == (1, 3, 3)

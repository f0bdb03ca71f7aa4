from __future__ import annotations

import numpy as np
import pytest

from entropylab.models.alignment_study import context_problem, smallest_angles, study_alignment


def test_the_laws_have_logits_of_rank_three_but_for_noise():
    contexts, laws = context_problem(0)
    assert contexts.shape == (144, 24) and laws.shape == (144, 12)
    assert (contexts.sum(1) == 2).all() and len(np.unique(contexts, axis=0)) == 144
    assert laws.sum(1) == pytest.approx(np.ones(144))
    logs = np.log(laws)
    logs = logs - logs.mean(0)
    logs -= logs.mean(1, keepdims=True)
    values = np.linalg.svd(logs, compute_uv=False)
    assert values[2] > 2 * values[3]


def test_angles_of_known_subspaces():
    e = np.eye(6)
    assert smallest_angles(e[:, :4], e[:, :3]) == pytest.approx(0, abs=1e-6)
    assert smallest_angles(e[:, :3], e[:, 3:]) == pytest.approx(90)
    tilted = np.stack([e[:, 0], e[:, 1], e[:, 2] + e[:, 3]], 1)
    assert smallest_angles(tilted, e[:, :3]) == pytest.approx(15)


def test_training_aligns_the_states_and_the_seed_decides():
    study = study_alignment(0, steps=400, resamples=50)
    assert study.excess < 0.3
    assert study.start < study.trained.estimate
    assert study.trained.low < study.trained.estimate < study.trained.high
    assert study_alignment(0, steps=400, resamples=50) == study
    assert study_alignment(1, steps=0, resamples=2).trained.estimate < 0.2

from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.information.information_surplus import stationary_surplus
from entropylab.models.source_study import other_texts, probe_future, study_recurrent
from entropylab.sources import HMM

# Two hidden states that hardly ever change: the past tells a lot about the symbol after the next.
STICKY = HMM([[0.97, 0.03], [0.03, 0.97]], [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])


def exact_surplus():
    return stationary_surplus(STICKY.block_entropies(3), STICKY.entropy_rate_bounds(10).high)[1:]


def test_the_belief_of_a_source_has_the_exact_surplus_and_the_permuted_one_has_none():
    text = STICKY.sample(2000, 40, seed=0)
    belief = torch.from_numpy(STICKY.filter(text)[0]).float()
    text = torch.from_numpy(text)
    one = probe_future(belief, text, 3)
    two = probe_future(belief, text, 3, ahead=2)
    assert [one.surplus, one.surplus + two.surplus] == pytest.approx(exact_surplus(), abs=0.012)
    assert one.without == pytest.approx(STICKY.block_conditional_entropies(2)[-1], abs=0.02)
    none = probe_future(other_texts(belief, 0), text, 3, baseline=one)
    assert abs(none.surplus) < 0.005


def test_no_text_keeps_its_states_and_none_crosses_the_split():
    rows = other_texts(torch.arange(40), 3)
    assert (rows != torch.arange(40)).all()
    assert sorted(rows[:30].tolist()) == list(range(30))


def test_a_study_follows_the_model_to_the_source():
    study = study_recurrent(STICKY, 0, width=8, steps=120, every=60, texts=400)
    assert [look.step for look in study.checkpoints] == [0, 60, 120]
    assert study.checkpoints[-1].kl < study.checkpoints[0].kl / 3
    for look in study.checkpoints:
        assert look.renyi2 == pytest.approx(np.log(3), abs=1e-9)
        # The cross-entropy of a text is its KL above the best prediction's surprisal.
        assert look.cross_entropy > look.kl
    assert study.trained.without == study.permuted.without == study.start.without
    assert study.trained.surplus > study.permuted.surplus + 0.05
    again = study_recurrent(STICKY, 0, width=8, steps=120, every=60, texts=400)
    assert again.checkpoints == study.checkpoints


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="length, texts, every: got 5"):
        study_recurrent(STICKY, 0, length=5)
    with pytest.raises(ValueError, match="ahead: got 0, allowed are 1 to 1"):
        probe_future(torch.zeros(4, 12, 2), torch.zeros(4, 12, dtype=torch.long), 2, ahead=0)

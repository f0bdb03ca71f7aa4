"""Probes of a language model's states."""

import pytest
import torch

from entropylab.models import load
from entropylab.models.language_model_study import (
    common_classes,
    restarted,
    states_before,
    study_language_model,
)


@pytest.fixture(scope="module")
def model():
    return load("lab/english-xs")[0]


def test_the_commonest_tokens_keep_their_rank():
    text = torch.tensor([[5, 5, 5, 2, 2, 9]])
    assert common_classes(text, 3).tolist() == [[0, 0, 0, 1, 1, 2]]
    assert common_classes(text, 2).tolist() == [[0, 0, 0, 1, 1, 1]]
    with pytest.raises(ValueError, match="count"):
        common_classes(text, 1)


def test_states_come_from_the_tokens_before(model):
    ids = torch.randint(1, 4096, (3, 12), generator=torch.Generator().manual_seed(0))
    states = states_before(model, ids, batch=2)
    assert states.shape == (3, 11, model.config.hidden_size)
    with torch.no_grad():
        logits = model(ids).logits[:, :-1]
    assert torch.allclose(states @ model.get_output_embeddings().weight.T, logits, atol=1e-4)
    changed = ids.clone()
    changed[:, -1] = 7
    assert torch.equal(states_before(model, changed, batch=2), states)


def test_a_restarted_model_has_other_weights_and_leaves_the_generator_alone(model):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    other = restarted(model, 0)
    assert torch.equal(torch.rand(1), expected)
    assert not torch.allclose(other.get_output_embeddings().weight, model.get_output_embeddings().weight)


def test_the_study_has_three_kinds_of_states_and_a_positive_spectrum(model):
    ids = torch.randint(1, 200, (40, 10), generator=torch.Generator().manual_seed(0))
    study = study_language_model(model, ids, classes=8, ahead=1, positions=20, steps=5)
    assert set(study.surplus) == set(study.cka) == {"trained", "permuted", "start"}
    assert study.spectrum.shape == (20, model.config.hidden_size) and study.spectrum.min() > -1e-8
    assert study.cka["trained"] > study.cka["permuted"]

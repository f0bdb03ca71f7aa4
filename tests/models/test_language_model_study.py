from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab.models.language_model_study import (
    common_classes,
    restarted,
    states_before,
    study_language_model,
)


def tiny(seed=0):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(vocab_size=20, max_position_embeddings=32, **sizes)).eval()


def test_common_tokens_are_numbered_and_the_rest_is_one_class():
    text = torch.tensor([[5, 5, 5, 2], [2, 9, 7, 5]])
    assert common_classes(text, 3).tolist() == [[0, 0, 0, 1], [1, 2, 2, 0]]
    with pytest.raises(ValueError, match="count: got 1"):
        common_classes(text, 1)


def test_a_state_gives_the_logits_of_its_token_and_has_not_seen_it():
    model = tiny()
    ids = torch.randint(20, (5, 9), generator=torch.Generator().manual_seed(0))
    states = states_before(model, ids, batch=2)
    assert states.shape == (5, 8, 16)
    with torch.no_grad():
        assert torch.allclose(model.lm_head(states), model(ids).logits[:, :-1], atol=1e-5)
    changed = ids.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 20
    other = states_before(model, changed)
    assert torch.allclose(states[:, :4], other[:, :4], atol=1e-6)
    assert not torch.allclose(states[:, 4], other[:, 4], atol=1e-6)


def test_a_restarted_model_has_other_weights_and_a_seed():
    model = tiny()
    first, again, other = restarted(model, 1), restarted(model, 1), restarted(model, 2)
    assert torch.equal(first.lm_head.weight, again.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, model.lm_head.weight)


def test_a_study_has_a_figure_for_each_kind_of_state():
    ids = torch.randint(20, (40, 13), generator=torch.Generator().manual_seed(1))
    study = study_language_model(tiny(), ids, first=2, classes=6, positions=20, steps=5)
    assert list(study.surplus) == list(study.cka) == ["trained", "permuted", "start"]
    assert all(len(probes) == 2 for probes in study.surplus.values())
    # 40 texts, a quarter of them scored; 12 tokens less the first two and those ahead.
    assert [len(probe.losses_with) for probe in study.surplus["trained"]] == [90, 80]
    assert study.cka["trained"] > study.cka["permuted"]
    assert study.spectrum.shape == (20, 16)
    assert (study.spectrum[:, 0] >= study.spectrum[:, -1]).all()

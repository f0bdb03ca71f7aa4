"""The formula for the largest batch."""

import pytest

from entropylab.training import MODELS, largest_batch, logit_share


def test_a_model_of_the_paper():
    gemma = MODELS["Gemma 2 2B"]
    assert largest_batch(gemma) == pytest.approx(1.11e6, rel=0.01)
    assert largest_batch(gemma, logits=False) == pytest.approx(10.6e6, rel=0.01)
    assert logit_share(gemma) == pytest.approx(0.895, abs=0.001)


def test_the_gain_is_the_share_of_the_logits():
    for model in MODELS.values():
        gain = largest_batch(model, logits=False) / largest_batch(model)
        assert gain == pytest.approx(1 / (1 - logit_share(model)))


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="budget"):
        largest_batch(MODELS["Llama 3 70B"], budget=80e9)

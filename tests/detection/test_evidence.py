"""Figures of tokens: the cgf, texts in windows, and samples scored by the logits that they were drawn with."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab import detection
from entropylab.detection import LAMBDAS, renyi_cgf
from entropylab.information import renyi_entropy
from entropylab.models import load


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        initializer_range=0.5,
    )
    return LlamaForCausalLM(config).eval(), load("lab/english-trigram")[1]


def test_the_cgf_is_a_renyi_entropy():
    """ln sum p^a = (1 - a) H_a, with a = 1 - lambda."""
    logits = torch.randn(50, 70, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
    found = renyi_cgf(logits)
    h = torch.distributions.Categorical(logits=logits).entropy()
    for g, value in enumerate(LAMBDAS):
        expected = value * renyi_entropy(logits, 1 - value) - value * h
        assert torch.allclose(found[:, g], expected, atol=1e-12)
    assert (found >= -1e-13).all()


def test_the_cgf_is_the_logarithm_of_a_mean():
    logits = torch.tensor([1.0, 0.5, -2.0, -math.inf], dtype=torch.float64)
    p = logits.softmax(0)[:3]
    h = -(p * p.log()).sum()
    expected = [(p * (value * (-p.log() - h)).exp()).sum().log().item() for value in LAMBDAS]
    assert renyi_cgf(logits).tolist() == pytest.approx(expected, abs=1e-14)


def test_the_cgf_near_zero_is_half_the_varentropy():
    logits = torch.randn(1, 200, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    e = detection.token_evidence(logits, torch.tensor([3]), lambdas=(1e-3,))
    assert (e.cgf[0, 0] / 1e-6).item() == pytest.approx(e.varentropy[0].item() / 2, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_cgf_in_lower_precision_and_in_blocks(dtype, monkeypatch):
    logits = (torch.randn(9, 4096, generator=torch.Generator().manual_seed(3)) * 4).to(dtype)
    logits[2] += 60
    logits[3, 10] = 90  # one token has all the mass
    logits[4, 5:] = -math.inf
    found = renyi_cgf(logits)
    assert found.dtype == torch.float32
    exact = renyi_cgf(logits.double())
    assert torch.allclose(found.double(), exact, atol=2e-5)
    monkeypatch.setattr(sys.modules["entropylab.detection.renyi_cgf"], "BLOCK", 5000)
    assert torch.equal(renyi_cgf(logits), found)
    assert torch.equal(renyi_cgf(logits[5:6]), found[5:6])


def test_bad_logits_and_grids():
    logits = torch.zeros(2, 5)
    logits[1, 2] = math.nan
    with pytest.raises(ValueError, match="logits: row 1 has NaN"):
        renyi_cgf(logits)
    assert renyi_cgf(logits, check_finite=False).isnan().any(-1).tolist() == [False, True]
    for grid in ((1.0,), (0.0,), (math.nan,), ()):
        with pytest.raises(ValueError, match="lambdas: got"):
            renyi_cgf(torch.zeros(5), grid)
    assert renyi_cgf(torch.zeros(0, 5)).shape == (0, 9)


def test_samples_are_scored_by_the_logits_that_they_were_drawn_with(tiny):
    model, tokenizer = tiny
    tokens, e = detection.generate_with_evidence(model, tokenizer, ["", ""], max_new_tokens=20, seed=1)
    assert e.cgf.shape == (2, 20, 9)
    ids = torch.nn.functional.pad(tokens, (1, 0), value=tokenizer.bos_token_id)
    again = detection.ids_evidence(model, ids)
    for name, a, b in zip(e._fields, e, again, strict=True):
        assert torch.allclose(a, b, atol=2e-4), name


def test_figures_are_those_of_the_model_before_temperature_and_filters(tiny):
    model, tokenizer = tiny

    def keep_two(logits):
        return logits.masked_fill(logits < logits.topk(2).values[:, -1:], -math.inf)

    tokens, e = detection.generate_with_evidence(
        model, tokenizer, [""], max_new_tokens=15, temperature=0.5, filters=[keep_two]
    )
    ids = torch.nn.functional.pad(tokens, (1, 0), value=tokenizer.bos_token_id)
    again = detection.ids_evidence(model, ids)
    for name, a, b in zip(e._fields, e, again, strict=True):
        assert torch.allclose(a, b, atol=2e-4), name


def test_prompts_are_context(tiny):
    model, _ = tiny
    ids = torch.randint(4096, (3, 20), generator=torch.Generator().manual_seed(0))
    whole = detection.ids_evidence(model, ids, rows_at_once=2)
    part = detection.ids_evidence(model, ids, prompt=6)
    assert torch.equal(whole.surprisal[:, 5:], part.surprisal)
    for prompt in (0, 20):
        with pytest.raises(ValueError, match=r"ids, prompt: got shape \(3, 20\) and"):
            detection.ids_evidence(model, ids, prompt=prompt)
    with pytest.raises(ValueError, match="ids: got 26 columns, allowed are 25 for this model"):
        detection.ids_evidence(model, torch.zeros(1, 26, dtype=torch.long))


def test_a_text_is_read_in_windows(tiny):
    model, tokenizer = tiny
    text = "The clock struck nine, and nobody in the long grey house had yet thought of sleep. " * 3
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    e = detection.text_evidence(text, model, tokenizer)
    assert e.surprisal.shape == (len(ids),) and len(ids) > 48
    first = detection.ids_evidence(model, torch.tensor([[tokenizer.bos_token_id, *ids[:24]]]))
    second = detection.ids_evidence(model, torch.tensor([ids[23:48]]))
    assert torch.equal(e.surprisal[:24], first.surprisal[0])
    assert torch.equal(e.cgf[24:48], second.cgf[0])
    result = detection.ConcentrationTest().test_text(text, model, tokenizer)
    assert result.tokens == len(ids) and result.reject  # a random model did not write this
    with pytest.raises(ValueError, match="text: got no token to score"):
        detection.text_evidence("", model, tokenizer)
    with pytest.raises(TypeError, match="text: got bytes, allowed is a str"):
        detection.text_evidence(b"text", model, tokenizer)


def test_exact_samples_of_a_model_pass_and_cool_ones_do_not():
    model, tokenizer = load("lab/english-trigram")
    _, own = detection.generate_with_evidence(model, tokenizer, ["The"] * 60, max_new_tokens=100)
    _, cool = detection.generate_with_evidence(
        model, tokenizer, ["The"] * 10, max_new_tokens=100, temperature=0.6
    )
    assert detection.concentration_test(own).reject.mean() < 0.15
    assert detection.concentration_test(cool).reject.all()
    gaps = np.array([detection.concentration_figures(x).gap.mean() for x in (own, cool)])
    assert abs(gaps[0]) < 0.1 < gaps[1]

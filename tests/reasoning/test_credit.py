from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from entropylab.reasoning import Credit, EntropyMask, SemanticEntropyScale, entropy_mask, seed_weight
from entropylab.reasoning.credit import Batch, ConstantScale

RAGGED = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.7, 0.8, 0.9, 1.0, 1.1, 1.2]])
RAGGED_MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])


@pytest.mark.parametrize("rule", ["topk", "quantile"])
def test_padding_neither_enters_the_threshold_nor_is_kept(rule):
    kept = entropy_mask(RAGGED, RAGGED_MASK, 0.2, rule=rule)
    assert kept.nonzero().tolist() == [[1, 2], [1, 3]]


@pytest.mark.parametrize(("tokens", "count"), [(5, 1), (10, 2), (12, 3), (37, 8), (100, 20)])
def test_both_rules_keep_as_many_of_distinct_values(tokens, count):
    values = torch.rand(1, tokens, generator=torch.Generator().manual_seed(tokens))
    for rule in ("topk", "quantile"):
        kept = entropy_mask(values, torch.ones_like(values, dtype=torch.bool), 0.2, rule=rule)
        assert kept.sum() == count and values[kept].min() >= values[~kept].max()


def test_ties_are_where_the_rules_differ():
    values = torch.tensor([[0.0] * 8 + [1.0, 2.0]])
    mask = torch.ones_like(values, dtype=torch.bool)
    assert entropy_mask(values, mask, 0.5, rule="quantile").sum() == 10
    assert entropy_mask(values, mask, 0.5, rule="topk").sum() == 5


def test_the_quantile_is_that_of_torch():
    values = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(3, 50, generator=torch.Generator().manual_seed(1)) < 0.8
    for share in (0.03, 0.2, 0.77, 1.0):
        expected = mask & (values >= torch.quantile(values[mask], 1 - share))
        assert torch.equal(entropy_mask(values, mask, share, rule="quantile"), expected)


def test_nothing_is_kept_of_nothing():
    assert not entropy_mask(RAGGED, torch.zeros_like(RAGGED_MASK), 0.2).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((RAGGED, RAGGED_MASK[:1], 0.2), "entropy, mask: got shapes"),
        ((RAGGED, RAGGED_MASK, 0.0), "share: got 0"),
        ((RAGGED, RAGGED_MASK, 1.1), "share: got 1.1"),
    ],
)
def test_the_mask_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        entropy_mask(*arguments)
    with pytest.raises(ValueError, match="rule: got 'best'"):
        entropy_mask(RAGGED, RAGGED_MASK, 0.2, rule="best")
    with pytest.raises(ValueError, match="choice: got 'middle'"):
        EntropyMask(choice="middle")


def test_the_controls_of_the_mask():
    generator = torch.Generator().manual_seed(0)
    top = EntropyMask(0.2).token_weights(RAGGED, RAGGED_MASK, generator)
    bottom = EntropyMask(0.2, "bottom").token_weights(RAGGED, RAGGED_MASK, generator)
    assert torch.equal(top + bottom, RAGGED_MASK.float())
    draws = [EntropyMask(0.2, "random").token_weights(RAGGED, RAGGED_MASK, generator) for _ in range(400)]
    assert all(draw.sum() == 2 and not draw[~RAGGED_MASK].any() for draw in draws)
    shares = torch.stack(draws).mean(0)[RAGGED_MASK]
    assert (shares - 0.2).abs().max() < 0.08


def test_plain_credit_changes_nothing():
    advantages = torch.ones(2, 3)
    assert Credit().advantages(advantages, None, None) is advantages
    assert Credit().token_weights(RAGGED, RAGGED_MASK, None) is None


CASES = {  # clusters of 8 answers: entropy of counts, linear factor at 0.02, 1 / (1 + 0.0417 u)
    (8,): (0.0, 1.0, 1.0),
    (7, 1): (0.37677016125643675, 0.9963762370453361, 0.9925011124277305),
    (4, 4): (0.6931471805599453, 0.9933333333333333, 0.9862905611993293),
    (6, 1, 1): (0.7356219397587946, 0.9929248125036058, 0.9854626851361402),
    (2, 2, 2, 2): (1.3862943611198906, 0.9866666666666667, 0.9729519361743529),
    (1,) * 8: (2.0794415416798357, 0.98, 0.9599692809830085),
}


@pytest.mark.parametrize("sizes", CASES)
def test_factors_by_hand(sizes):
    entropy, linear, released = CASES[sizes]
    assert seed_weight(entropy, 8) == pytest.approx(linear, abs=1e-12)
    assert seed_weight(entropy, 8, alpha=0.0417, form="released") == pytest.approx(released, abs=1e-12)


def test_the_other_forms():
    half = math.log(8) / 2
    assert seed_weight(half, 8, alpha=0.5, form="exponential") == pytest.approx(math.exp(-0.25))
    assert seed_weight(half, 8, alpha=0.5, form="focal") == pytest.approx(0.5**0.5)
    grid = np.linspace(0, math.log(8), 50)
    for form in ("linear", "exponential", "focal", "released"):
        factors = seed_weight(grid, 8, alpha=1.0, form=form)
        assert factors[0] == 1 and (np.diff(factors) < 0).all() and (factors >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"semantic_entropy": 0.0, "answers": 1}, "answers: got 1"),
        ({"semantic_entropy": 0.0, "answers": 8, "alpha": 1.5}, "alpha: got 1.5"),
        ({"semantic_entropy": 3.0, "answers": 8}, "semantic_entropy: got up to 3"),
        ({"semantic_entropy": float("nan"), "answers": 8}, "semantic_entropy: got up to nan"),
        ({"semantic_entropy": 0.0, "answers": 8, "form": "square"}, "form: got 'square'"),
    ],
)
def test_factors_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        seed_weight(**arguments)


def batch():
    answers = [[5, 5, 5, 5], [5, 5, None, None], [1, 2, 3, 5], [7, 7, 7, 5]]
    rewards = torch.tensor([[float(a == 5) for a in group] for group in answers])
    return Batch(SimpleNamespace(), rewards, answers)


def test_prompts_are_scaled_by_their_own_disagreement():
    advantages = torch.tensor([[1.0, -1, 0, 0]] * 4)
    scaled = SemanticEntropyScale(1.0).advantages(advantages, batch(), None)
    entropies = [0.0, 1.5 * math.log(2), math.log(4), -0.75 * math.log(0.75) - 0.25 * math.log(0.25)]
    for row, entropy in zip(scaled.tolist(), entropies):
        factor = 1 - entropy / math.log(4)
        assert row == pytest.approx([factor, -factor, 0, 0], abs=1e-6)


def test_permuted_factors_stay_within_the_mixed_groups():
    plain = SemanticEntropyScale(1.0).weights(batch(), None)
    seen = set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        found = SemanticEntropyScale(1.0, permuted=True).weights(batch(), generator)
        assert found[0] == plain[0] and sorted(found.tolist()) == sorted(plain.tolist())
        seen.add(tuple(found.tolist()))
    assert len(seen) == 6


def test_a_constant_scale_is_constant():
    assert (
        ConstantScale(0.4).advantages(torch.ones(2, 3), None, None).tolist() == [[pytest.approx(0.4)] * 3] * 2
    )

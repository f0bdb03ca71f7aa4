from __future__ import annotations

import math

import pytest
import torch

from entropylab.reasoning import entropy_mask, group_advantages, policy_loss


def test_advantages_by_hand():
    rewards = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1]])
    plain = group_advantages(rewards, scale="none")
    assert plain.tolist() == [[0.75, -0.25, -0.25, -0.25], [0, 0, 0, 0]]
    scaled = group_advantages(rewards)
    assert scaled[0].tolist() == pytest.approx([1.4997, -0.4999, -0.4999, -0.4999], abs=1e-4)
    assert scaled[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rewards": torch.zeros(3)}, "rewards: got shape"),
        ({"rewards": torch.zeros(3, 1)}, "rewards: got shape"),
        ({"rewards": torch.zeros(3, 2), "scale": "batch"}, "scale: got 'batch'"),
        ({"rewards": torch.zeros(3, 2), "epsilon": 0.0}, "epsilon: got 0"),
    ],
)
def test_advantages_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        group_advantages(**arguments)


def test_the_two_normalisers_of_a_mask():
    """One chain of three tokens, one of them kept: -1 and -1/3, and so are the gradients."""
    for aggregation, expected in (("kept", -1.0), ("bnpo", -1 / 3), ("grpo", -1 / 3)):
        log_probs = torch.full((1, 3), -1.0, dtype=torch.float64, requires_grad=True)
        weights = torch.tensor([[0.0, 1, 0]], dtype=torch.float64)
        mask = torch.ones(1, 3, dtype=torch.bool)
        loss = policy_loss(
            log_probs,
            log_probs.detach(),
            torch.ones(1, dtype=torch.float64),
            mask,
            aggregation=aggregation,
            token_weights=weights,
        )
        loss.backward()
        assert loss.item() == pytest.approx(expected, abs=1e-15)
        assert log_probs.grad.tolist() == [[0, pytest.approx(expected, abs=1e-15), 0]]


@pytest.mark.parametrize(
    ("advantage", "loss", "gradient"), [(1.0, -1.28, 0.0), (-1.0, 1.5, 1.5)]
)  # a ratio of 1.5 is clipped where it helps, not where it hurts
def test_clipping(advantage, loss, gradient):
    log_probs = torch.full((1, 1), math.log(1.5), dtype=torch.float64, requires_grad=True)
    found = policy_loss(
        log_probs,
        torch.zeros(1, 1, dtype=torch.float64),
        torch.tensor([advantage], dtype=torch.float64),
        torch.ones(1, 1, dtype=torch.bool),
    )
    found.backward()
    assert found.item() == pytest.approx(loss) and log_probs.grad.item() == pytest.approx(gradient)


def random_case(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    lengths = torch.tensor([7, 3, 5, 1, 6, 7])
    mask = torch.arange(7) < lengths[:, None]
    case = {
        "log_probs": -normal(6, 7).abs(),
        "reference_log_probs": -normal(6, 7).abs(),
        "advantages": normal(6),
        "mask": mask,
    }
    case["old_log_probs"] = case["log_probs"] + 0.3 * normal(6, 7)
    return case | {"entropy": normal(6, 7).abs()}


@pytest.mark.parametrize("aggregation", ["grpo", "bnpo", "dapo", "dr_grpo", "kept"])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_aggregations_against_loops(aggregation, beta):
    case = random_case()
    weights = entropy_mask(case.pop("entropy"), case["mask"], 0.3).double()
    terms = {}
    for i in range(6):
        for t in range(int(case["mask"][i].sum())):
            ratio = math.exp(case["log_probs"][i, t] - case["old_log_probs"][i, t])
            advantage = float(case["advantages"][i])
            term = -min(ratio * advantage, min(max(ratio, 0.8), 1.28) * advantage) * float(weights[i, t])
            gap = float(case["reference_log_probs"][i, t] - case["log_probs"][i, t])
            terms[i, t] = term + beta * (math.exp(gap) - gap - 1)
    total = sum(terms.values())
    lengths = case["mask"].sum(1).tolist()
    expected = {
        "grpo": sum(sum(terms[i, t] for t in range(n)) / n for i, n in enumerate(lengths)) / 6,
        "bnpo": total / sum(lengths),
        "dapo": total / 50,
        "dr_grpo": total / (6 * 9),
        "kept": total / float(weights.sum()),
    }[aggregation]
    found = policy_loss(
        **case,
        kl_coefficient=beta,
        aggregation=aggregation,
        token_weights=weights,
        batch_tokens=50,
        max_tokens=9,
    )
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_what_stands_outside_the_mask_does_not_matter():
    case = random_case()
    del case["entropy"]
    before = policy_loss(**case, kl_coefficient=0.1)
    for name in ("log_probs", "old_log_probs", "reference_log_probs"):
        case[name] = torch.where(case["mask"], case[name], -math.inf)
    case["log_probs"].requires_grad_()
    after = policy_loss(**case, kl_coefficient=0.1)
    after.backward()
    assert after.item() == before.item() and case["log_probs"].grad.isfinite().all()


def test_an_empty_mask_gives_zero():
    log_probs = torch.zeros(2, 3, requires_grad=True)
    mask = torch.zeros(2, 3, dtype=torch.bool)
    for aggregation in ("grpo", "bnpo", "kept"):
        loss = policy_loss(log_probs, log_probs.detach(), torch.ones(2), mask, aggregation=aggregation)
        loss.backward()
        assert loss.item() == 0 and not log_probs.grad.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"old_log_probs": torch.zeros(2, 2)}, "log_probs, old_log_probs, mask"),
        ({"advantages": torch.zeros(3)}, "advantages: got shape"),
        ({"aggregation": "mean"}, "aggregation: got 'mean'"),
        ({"token_weights": torch.ones(2)}, "token_weights: got shape"),
        ({"aggregation": "dapo"}, "batch_tokens: got None"),
        ({"aggregation": "dr_grpo"}, "max_tokens: got None"),
        ({"aggregation": "dr_grpo", "max_tokens": 2}, "max_tokens: got 2"),
        ({"kl_coefficient": 0.1}, "reference_log_probs: got None"),
    ],
)
def test_the_loss_refuses(change, message):
    arguments = {
        "log_probs": torch.zeros(2, 3),
        "old_log_probs": torch.zeros(2, 3),
        "advantages": torch.zeros(2),
        "mask": torch.ones(2, 3, dtype=torch.bool),
    }
    with pytest.raises(ValueError, match=message):
        policy_loss(**arguments | change)

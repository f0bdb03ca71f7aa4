"""Our loss and mask against those of TRL's GRPOTrainer: its own methods on the same tensors."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from trl.trainer import grpo_trainer

from entropylab.reasoning import entropy_mask, policy_loss


def stand_in(log_probs, entropy, loss_type, share, beta):
    """What TRL's two methods read of a trainer that runs in one process."""
    accelerator = SimpleNamespace(
        pad_across_processes=lambda tensor, **_: tensor,
        gather=lambda tensor: tensor,
        reduce=lambda tensor, **_: tensor,
        num_processes=1,
    )
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (log_probs, entropy, None),
        _entropy_bonus_enabled=False,
        _metrics={"eval": defaultdict(list)},
        accelerator=accelerator,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        aux_loss_enabled=False,
        beta=beta,
        current_gradient_accumulation_steps=1,
        epsilon_high=0.28,
        epsilon_low=0.2,
        importance_sampling_level="token",
        loss_type=loss_type,
        max_completion_length=9,
        model=SimpleNamespace(training=False),
        off_policy_mask_threshold=None,
        top_entropy_quantile=share,
        use_vllm=False,
    )
    trainer.get_high_entropy_mask = partial(grpo_trainer.GRPOTrainer.get_high_entropy_mask, trainer)
    return trainer


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dapo", "dr_grpo"])
@pytest.mark.parametrize("share", [1.0, 0.2])
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_loss_and_gradient_are_those_of_trl(loss_type, share, beta):
    generator = torch.Generator().manual_seed(1)
    draw = partial(torch.randn, 6, 7, generator=generator, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([7, 3, 5, 1, 6, 7])[:, None]
    start, reference, entropy = -draw().abs(), -draw().abs(), draw().abs()
    old, advantages = start + 0.3 * draw(), draw()[:, 0]

    ours = start.clone().requires_grad_()
    loss = policy_loss(
        ours,
        old,
        advantages,
        mask,
        aggregation=loss_type,
        token_weights=entropy_mask(entropy, mask, share, rule="quantile") if share < 1 else None,
        batch_tokens=float(mask.sum()),
        max_tokens=9,
        kl_coefficient=beta,
        reference_log_probs=reference,
    )
    loss.backward()

    theirs = start.clone().requires_grad_()
    inputs = {
        "prompt_ids": torch.zeros(6, 1),
        "prompt_mask": torch.ones(6, 1),
        "completion_ids": torch.zeros(6, 7),
        "completion_mask": mask.double(),
        "advantages": advantages,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
    }
    trainer = stand_in(theirs, entropy, loss_type, share, beta)
    expected = grpo_trainer.GRPOTrainer._compute_loss(trainer, None, inputs)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-12, atol=1e-15)

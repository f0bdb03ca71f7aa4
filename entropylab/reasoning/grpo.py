"""Group relative policy optimisation of a small policy on a task with verifiable rewards.

A step samples G chains for each of P prompts, drops the groups whose rewards are all equal, and makes one update a
mini-batch. What a chain's reward means for its tokens is decided by a rule of :mod:`entropylab.reasoning.credit`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from entropylab.reasoning.countdown_policy import MAX_NEW_TOKENS, CountdownTask, describe
from entropylab.reasoning.credit import Batch, Credit
from entropylab.reasoning.losses import Aggregation, Scale, group_advantages, policy_loss
from entropylab.reasoning.rollout import roll_out, score
from entropylab.sources.tasks.countdown import problems as problems_of


@dataclass(frozen=True)
class GrpoSettings:
    """Sizes and rates of a run.

    ``prompts`` times ``group`` chains are sampled a step, at temperature 1, and split by prompts into ``mini_batches``,
    one AdamW step each. ``scale`` and ``aggregation``: see :mod:`entropylab.reasoning.losses`; "dr_grpo" divides by the
    chains of the mini-batch, and "bnpo" and "kept" by its tokens, without those of constant groups.
    """

    steps: int = 40
    prompts: int = 16
    group: int = 8
    mini_batches: int = 2
    learning_rate: float = 1e-4
    clip: tuple[float, float] = (0.2, 0.28)
    scale: Scale = "group"
    aggregation: Aggregation = "kept"
    max_new_tokens: int = MAX_NEW_TOKENS
    largest_gradient: float = 1.0

    def __post_init__(self) -> None:
        for name in ("steps", "prompts", "mini_batches", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed is 1 or more")
        if self.group < 2:
            raise ValueError(f"group: got {self.group}, allowed is 2 or more")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate: got {self.learning_rate}, allowed is above 0")


def train_grpo(
    model: PreTrainedModel, task: CountdownTask, credit: Credit, settings: GrpoSettings, *, seed: int
) -> Iterator[dict[str, float]]:
    """Train a policy on the training problems; the model is changed in place.

    Parameters
    ----------
    model : PreTrainedModel
    task : CountdownTask
    credit : Credit
        Rule that turns advantages into what each token counts.
    settings : GrpoSettings
    seed : int
        Decides problems, prompts, random numbers of the chains, and what the rule draws, each by a stream of its own.
        So two rules with one seed see the same prompts, and at the first step the same chains.

    Yields
    ------
    dict of str to float
        One a step, after its updates: ``step``, ``reward``, ``constant_groups`` (share), ``kept_tokens`` (share),
        ``scale`` and ``least_scale`` (mean and least ratio of the rule's to the plain advantages, over mixed groups),
        ``clipped`` (share of tokens whose ratio left the interval), ``gradient`` (norm before clipping,
        mean), ``seconds``, and all of :func:`describe`.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    pool = problems_of("train")
    choose = random.Random(f"grpo problems {seed}")
    chains_generator = torch.Generator().manual_seed(seed)
    rule_generator = torch.Generator().manual_seed(seed + 1_000_003)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
    )
    for step in range(settings.steps):
        clock = time.process_time()
        problems = choose.sample(pool, settings.prompts)
        each = [problem for problem in problems for _ in range(settings.group)]
        prompts = task.prompts(problems, f"{seed} {step}").repeat_interleave(settings.group, 0)
        rollouts = roll_out(
            model,
            prompts,
            max_new_tokens=settings.max_new_tokens,
            end=task.end,
            generator=chains_generator,
        )
        answers = task.answers(each, rollouts)
        right = [float(answer == problem.target) for problem, answer in zip(each, answers, strict=True)]
        rewards = torch.tensor(right, device=model.device).view(settings.prompts, settings.group)
        grouped = [list(answers[p * settings.group : (p + 1) * settings.group]) for p in range(len(problems))]
        batch = Batch(rollouts, rewards, grouped)
        log = {"step": float(step), "reward": float(rewards.mean())} | describe(task, each, rollouts)
        log |= _update(model, optimizer, credit, batch, settings, rule_generator)
        yield log | {"seconds": time.process_time() - clock}


def _update(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    credit: Credit,
    batch: Batch,
    settings: GrpoSettings,
    generator: torch.Generator,
) -> dict[str, float]:
    plain = group_advantages(batch.rewards, scale=settings.scale)
    advantages = credit.advantages(plain, batch, generator)
    mixed = (batch.rewards.std(1) > 0).nonzero()[:, 0]
    log = {"constant_groups": 1 - len(mixed) / settings.prompts}
    if not len(mixed):
        return log
    if advantages.ndim == 2:
        ratio = (advantages[mixed].abs().sum(1) / plain[mixed].abs().sum(1)).double()
        log |= {"scale": float(ratio.mean()), "least_scale": float(ratio.min())}
    flat = advantages.flatten(0, 1)
    kept = tokens = clipped = norm = 0.0
    parts = mixed.tensor_split(min(settings.mini_batches, len(mixed)))
    batch_tokens = float(batch.rollouts.lengths.view(settings.prompts, -1)[mixed].sum()) / len(parts)
    for groups in parts:
        rows = (
            groups[:, None] * settings.group + torch.arange(settings.group, device=groups.device)
        ).flatten()
        chains = batch.rollouts.rows(rows)
        scores = score(model, chains.prompts, chains.tokens, chains.mask)
        weights = credit.token_weights(scores.entropy.detach(), chains.mask, generator)
        loss = policy_loss(
            scores.log_probs,
            chains.log_probs,
            flat[rows],
            chains.mask,
            clip=settings.clip,
            aggregation=settings.aggregation,
            token_weights=weights,
            batch_tokens=batch_tokens,
            max_tokens=settings.max_new_tokens,
        )
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is {float(loss)}; lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm += float(torch.nn.utils.clip_grad_norm_(model.parameters(), settings.largest_gradient))
        optimizer.step()
        ratio = (scores.log_probs.detach() - chains.log_probs).exp()[chains.mask]
        outside = (ratio < 1 - settings.clip[0]) | (ratio > 1 + settings.clip[1])
        clipped += float(outside.sum())
        kept += float(chains.mask.sum() if weights is None else weights.sum())
        tokens += float(chains.mask.sum())
    return log | {"kept_tokens": kept / tokens, "clipped": clipped / tokens, "gradient": norm / len(parts)}

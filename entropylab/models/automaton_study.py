"""Observers of cellular automata: small convolutional networks, and what they pay to learn (Finzi et al. 2026).

A network sees a row of bits and predicts each cell after some steps of a rule. The loss of each batch before its update
is the prequential code; a student that learns from what the teacher says gives the requential code (section 3 of the
paper, the loop of the authors' code).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from entropylab.sources.cellular_automaton import evolve, random_rows


@dataclass(frozen=True)
class Task:
    """What is to be learned: cells of ``F^steps(X)``, flipped with probability `noise`.

    Attributes
    ----------
    rule, steps, cells : int
    burn_in : int
        Steps of the rule before the row X is taken.
    noise : float
        In [0, 0.5].
    """

    rule: int
    steps: int
    cells: int
    burn_in: int = 200
    noise: float = 0.0

    def batch(self, rows: int, seed: list[int]) -> tuple[Tensor, Tensor]:
        """Inputs [rows, 1, cells] as -1 and 1, and labels [rows, cells], float32."""
        x = random_rows(rows, self.cells, self.rule, burn_in=self.burn_in, seed=[*seed, 0])
        y = evolve(x, self.rule, self.steps)
        if self.noise:
            y = y ^ (np.random.default_rng([*seed, 1]).random(y.shape) < self.noise)
        return torch.from_numpy(2.0 * x[:, None].astype(np.float32) - 1.0), torch.from_numpy(
            y.astype(np.float32)
        )


def rule_network(layers: int, kernel: int, channels: int = 32) -> nn.Sequential:
    """A circular convolutional network: the logit of each cell from ``layers (kernel - 1) / 2`` cells on either side.

    Parameters
    ----------
    layers, kernel, channels : int

    Returns
    -------
    torch.nn.Sequential
        Inputs [N, 1, cells], outputs [N, cells].
    """
    sizes = [1, *[channels] * (layers - 1), 1]
    parts: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Conv1d(before, after, kernel, padding="same", padding_mode="circular"), nn.ReLU()]
    return nn.Sequential(*parts[:-1], nn.Flatten(1))


@dataclass(frozen=True)
class Plan:
    """How an observer is trained.

    Attributes
    ----------
    layers, kernel : int
    steps : int
        Batches, one pass.
    rows : int
        Of a batch.
    rate : float
        Of Adam.
    held_out : int
        Fresh rows for the final loss.
    average : float
        Steps over which the teacher of the requential code is averaged.
    """

    layers: int = 5
    kernel: int = 7
    steps: int = 300
    rows: int = 64
    rate: float = 3e-3
    held_out: int = 1024
    average: float = 50.0


@torch.no_grad()
def _held_out_loss(model: nn.Module, task: Task, plan: Plan, seed: int) -> float:
    x, y = task.batch(plan.held_out, [seed, 2, 0])
    return float(binary_cross_entropy_with_logits(model(x), y))


def prequential_run(task: Task, plan: Plan, seed: int) -> tuple[np.ndarray, float]:
    """Train an observer in one pass.

    Parameters
    ----------
    task : Task
    plan : Plan
    seed : int

    Returns
    -------
    losses : array of float64 [steps]
        Of each batch before its update, nats a cell.
    final : float
        Loss of the trained model on fresh rows, nats a cell.
    """
    torch.manual_seed(seed)
    model = rule_network(plan.layers, plan.kernel)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.rate)
    losses = np.empty(plan.steps)
    for step in range(plan.steps):
        x, y = task.batch(plan.rows, [seed, 1, step])
        losses[step] = _update(model, optimizer, x, y)
    return losses, _held_out_loss(model, task, plan, seed)


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    loss = binary_cross_entropy_with_logits(model(x), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def requential_run(task: Task, plan: Plan, seed: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Train a teacher on the data and a student on what the teacher's moving average says.

    Parameters
    ----------
    task : Task
    plan : Plan
    seed : int

    Returns
    -------
    losses : array of float64 [steps]
        Of the teacher, before each update, nats a cell.
    final : float
        Loss of the teacher on fresh rows, nats a cell.
    divergences : array of float64 [steps]
        ``KL(averaged teacher || student)`` of each batch of labels, before the student's update, nats in total.
    """
    torch.manual_seed(seed)
    teacher = rule_network(plan.layers, plan.kernel)
    averaged, student = copy.deepcopy(teacher), copy.deepcopy(teacher)
    optimizers = [torch.optim.Adam(m.parameters(), lr=plan.rate) for m in (teacher, student)]
    draw = torch.Generator().manual_seed(seed)
    keep = math.exp(-1.0 / plan.average)
    losses, divergences = np.empty(plan.steps), np.empty(plan.steps)
    for step in range(plan.steps):
        x, y = task.batch(plan.rows, [seed, 1, step])
        losses[step] = _update(teacher, optimizers[0], x, y)
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), teacher.parameters(), strict=True):
                mean.lerp_(now, 1.0 - keep)
            said = averaged(x)
            labels = torch.bernoulli(said.sigmoid(), generator=draw)
            divergences[step] = bernoulli_divergence(said, student(x)).double().sum()
        _update(student, optimizers[1], x, labels)
    return losses, _held_out_loss(teacher, task, plan, seed), divergences


def bernoulli_divergence(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL of coins given by their logits, elementwise, nats, at least 0 up to rounding."""
    p = p_logits.sigmoid()
    ones = logsigmoid(p_logits) - logsigmoid(q_logits)
    zeros = logsigmoid(-p_logits) - logsigmoid(-q_logits)
    return p * ones + (1.0 - p) * zeros

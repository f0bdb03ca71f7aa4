"""Surplus of a hidden state by probes: a lower bound, up to sampling (Zhang 2025, section 4).

A probe with the hidden state and one without predict a later token; both also see the tokens in between. The
difference of their cross-entropies on texts that were not fitted estimates the conditional mutual information from
below, as far as the probe without the state is as good as it can be.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class ProbeSurplus(NamedTuple):
    """Cross-entropies of the two probes, their difference, and the losses of every held-out row, nats."""

    without: float
    with_hidden: float
    surplus: float
    losses_without: Tensor
    losses_with: Tensor


class _Probe(nn.Module):
    """Two layers on the tokens seen, and on the hidden state if there is one."""

    def __init__(self, seen: int, symbols: int, hidden: int, width: int) -> None:
        super().__init__()
        # A table for each token seen is a linear layer on its one-hot vector.
        self.tokens = nn.ModuleList(nn.Embedding(symbols, width) for _ in range(seen))
        self.hidden = nn.Linear(hidden, width) if hidden else None
        self.bias = nn.Parameter(torch.zeros(width))
        self.head = nn.Linear(width, symbols)

    def forward(self, seen: Tensor, hidden: Tensor) -> Tensor:
        total = self.bias
        for place, table in enumerate(self.tokens):
            total = total + table(seen[:, place])
        if self.hidden is not None:
            total = total + self.hidden(hidden)
        logits: Tensor = self.head(torch.tanh(total))
        return logits


def probe_surplus(
    hidden: Tensor,
    seen: Tensor,
    target: Tensor,
    fitted: Tensor,
    *,
    symbols: int,
    width: int = 64,
    steps: int = 400,
    batch: int = 2048,
    learning_rate: float = 1e-2,
    seed: int = 0,
    baseline: ProbeSurplus | None = None,
) -> ProbeSurplus:
    """Held-out cross-entropy of a token without and with a hidden state.

    Parameters
    ----------
    hidden : Tensor [n, d]
        h, computed from the tokens before the first one in ``seen``.
    seen : int64 Tensor [n, m]
        The m tokens that both probes see, at least 1.
    target : int64 Tensor [n]
        The token to predict.
    fitted : bool Tensor [n]
        Rows to fit on; the others are scored. Split by text, or neighbours leak.
    symbols : int
        V.
    width, steps, batch : int
        Hidden units of a probe, steps of Adam (learning rate falling to zero along a cosine), rows in a step.
    learning_rate : float
        At the start.
    seed : int
        Of weights and batches, the same for both probes.
    baseline : ProbeSurplus, optional
        From a call with another hidden state and the same other arguments: its probe without a state is used again.

    Returns
    -------
    ProbeSurplus
        Cross-entropies, their difference, and the losses of every scored row [held-out rows].

    Raises
    ------
    ValueError
        If the lengths differ, a token is out of range, or one side of the split is empty.
    """
    rows = len(target)
    if (
        hidden.ndim != 2
        or seen.ndim != 2
        or not len(hidden) == len(seen) == len(fitted) == rows
        or not seen.shape[1]
    ):
        raise ValueError(
            f"hidden, seen, target, fitted: got shapes {tuple(hidden.shape)}, {tuple(seen.shape)}, "
            f"{tuple(target.shape)}, {tuple(fitted.shape)}, allowed are [n, d], [n, m], [n], [n]"
        )
    if not fitted.any() or fitted.all():
        raise ValueError("fitted: got all rows or none, allowed are some for fitting and some for scoring")
    for name, tokens in (("seen", seen), ("target", target)):
        if tokens.min() < 0 or tokens.max() >= symbols:
            raise ValueError(
                f"{name}: got {int(tokens.min())} to {int(tokens.max())}, allowed are 0 to {symbols - 1}"
            )
    if baseline is not None and len(baseline.losses_without) != int((~fitted).sum()):
        raise ValueError(
            f"baseline: got {len(baseline.losses_without)} scored rows, allowed is {int((~fitted).sum())}"
        )
    known = hidden[fitted]
    scaled = (hidden - known.mean(0)) / known.std(0).clamp_min(1e-8)

    def losses(features: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            probe = _Probe(seen.shape[1], symbols, features.shape[1], width)
            _fit(probe, features[fitted], seen[fitted], target[fitted], steps, batch, learning_rate)
        with torch.no_grad():
            return nn.functional.cross_entropy(
                probe(seen[~fitted], features[~fitted]), target[~fitted], reduction="none"
            )

    without = losses(scaled[:, :0]) if baseline is None else baseline.losses_without
    informed = losses(scaled)
    low, high = float(informed.double().mean()), float(without.double().mean())
    return ProbeSurplus(high, low, high - low, without, informed)


def _fit(
    probe: _Probe, hidden: Tensor, seen: Tensor, target: Tensor, steps: int, batch: int, rate: float
) -> None:
    """Adam on random batches."""
    search = torch.optim.Adam(probe.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(search, steps)
    for _ in range(steps):
        rows = torch.randint(len(target), (min(batch, len(target)),))
        loss = nn.functional.cross_entropy(probe(seen[rows], hidden[rows]), target[rows])
        search.zero_grad()
        loss.backward()
        search.step()
        schedule.step()

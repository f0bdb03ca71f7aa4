"""Is what was timed right? Every output is compared with float64, on the device where it was computed.

The typical set is checked by what defines it, without a sort, so that millions of logits take milliseconds: the
kept tokens are those nearest to the entropy, they hold the mass, and without the farthest of them they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropylab.information import TokenStatistics

# Largest errors allowed of our kernels, relative to 1 + |truth|, in nats, or as probability. The arithmetic is
# float32: a few units of 6e-8, on numbers up to about 20.
TOLERANCE = 2e-5
# Rivals sum 256,000 float32 numbers one after the other, as in cumsum. They must compute the same thing, but
# they are not ours to hold to its last digits.
RIVAL_TOLERANCE = 2e-3

# Elements that are held in float64 at a time.
BLOCK = 1 << 24


class WrongResultError(RuntimeError):
    """What was timed is not the truth, so its time is worth nothing."""


def require(condition: bool, what: str) -> None:
    """Raise :class:`WrongResultError` unless the condition holds."""
    if not condition:
        raise WrongResultError(what)


def close(name: str, found: Any, truth: Any, tolerance: float) -> None:
    """Require ``|found - truth| <= tolerance (1 + |truth|)`` of all elements of two tensors."""
    require(found.shape == truth.shape, f"{name}: shape {tuple(found.shape)}, expected {tuple(truth.shape)}")
    error = ((found.double() - truth.double()).abs() / (1 + truth.double().abs())).max().item()
    # A NaN is not close.
    require(
        error <= tolerance, f"{name}: off by {error:.2g} relative to 1 + |truth|, allowed {tolerance:.2g}"
    )


def distributions(logits: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Blocks of rows: which, their log-probabilities in float64, and their entropies [rows, 1]."""
    step = max(1, BLOCK // logits.shape[-1])
    for start in range(0, len(logits), step):
        rows = slice(start, start + step)
        log_p = logits[rows].double().log_softmax(-1)
        yield rows, log_p, -(log_p.exp() * log_p).sum(-1, keepdim=True)


def linear_is_right(data: tuple[Tensor, Tensor], found: Any, tolerance: float) -> None:
    """Statistics or entropies of an output layer, or the last block of its logits."""
    hidden, weight = (part.double() for part in data)
    if isinstance(found, Tensor) and found.ndim == 2:
        truth = hidden[-len(found) :] @ weight[-found.shape[1] :].T
        close("logits", found, truth, tolerance)
        return
    for rows in torch.arange(len(hidden)).split(max(1, BLOCK // len(weight))):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        figures = found if isinstance(found, TokenStatistics) else (found,)
        some = [None if figure is None else figure[part] for figure in figures]
        whole = TokenStatistics(*some) if isinstance(found, TokenStatistics) else some[0]
        statistics_are_right(hidden[part] @ weight.T, whole, tolerance)


def statistics_are_right(logits: Tensor, found: Any, tolerance: float) -> None:
    """All statistics, or an entropy alone."""
    if not isinstance(found, TokenStatistics):
        found = TokenStatistics(found, None, None, None, None)
    for rows, log_p, entropy in distributions(logits):
        p = log_p.exp()
        truths = {
            "entropy": entropy[:, 0],
            "varentropy": (p * (log_p + entropy).square()).sum(-1),
            "logsumexp": logits[rows].double().logsumexp(-1),
            "max_probability": p.amax(-1),
        }
        for name, truth in truths.items():
            field = getattr(found, name)
            if field is not None:
                close(name, field[rows], truth, tolerance)


def gradient_is_right(logits: Tensor, found: Tensor, tolerance: float) -> None:
    """The gradient of the sum of entropies, ``-p (log p + H)``, with the rounding of the dtype it is kept in."""
    require(found.shape == logits.shape, f"gradient: shape {tuple(found.shape)}")
    unit = 0.0 if found.dtype == torch.float32 else torch.finfo(found.dtype).eps
    for rows, log_p, entropy in distributions(logits):
        p, above = log_p.exp(), log_p + entropy
        error = (found[rows].double() + p * above).abs()
        allowed = tolerance * p * (1 + above.abs()) + unit * (p * above).abs() + 1e-37
        worst = (error / allowed).max().item()
        require(
            worst <= 1, f"gradient: an entry is {worst:.2g} times as far off as allowed ({tolerance:.2g})"
        )


def filter_is_right(logits: Tensor, found: Tensor, tolerance: float, mass: float) -> None:
    """The kept set is the locally typical one, up to tokens within the tolerance of the cut."""
    require(found.shape == logits.shape, f"filtered logits: shape {tuple(found.shape)}")
    for rows, log_p, entropy in distributions(logits):
        kept = ~found[rows].isneginf()
        same = (found[rows] == logits[rows]) | ~kept
        require(bool(same.all()), "filtered logits: a kept logit was changed")
        distance = (log_p + entropy).abs()
        cut = distance.masked_fill(~kept, 0.0).amax(-1, keepdim=True)
        nearest_out = distance.masked_fill(kept, torch.inf).amin(-1, keepdim=True)
        gap = (cut - nearest_out).max().item()
        require(
            gap <= tolerance, f"filtered logits: a token {gap:.2g} nats nearer than a kept one is missing"
        )
        held = log_p.exp().masked_fill(~kept, 0.0).sum(-1)
        short = (mass - held).max().item()
        require(short <= tolerance, f"filtered logits: {short:.2g} of the mass is missing")
        _is_not_too_much(log_p.exp(), distance, cut, mass, tolerance, "filtered logits")


def sample_is_right(logits: Tensor, found: Tensor, tolerance: float, mass: float) -> None:
    """Every token drawn belongs to its row's typical set."""
    tokens = found.reshape(-1, 1)
    require(len(tokens) == len(logits), f"tokens: {len(tokens)} for {len(logits)} rows")
    inside = (tokens >= 0) & (tokens < logits.shape[-1])
    require(bool(inside.all()), "tokens: one is no token")
    for rows, log_p, entropy in distributions(logits):
        distance = (log_p + entropy).abs()
        of_token = distance.gather(-1, tokens[rows])
        _is_not_too_much(log_p.exp(), distance, of_token, mass, tolerance, "tokens")


def _is_not_too_much(
    p: Tensor, distance: Tensor, cut: Tensor, mass: float, tolerance: float, what: str
) -> None:
    """What lies nearer than the farthest kept token does not hold the mass by itself."""
    nearer = p.masked_fill(distance >= cut - tolerance, 0.0).sum(-1)
    over = (nearer - mass).max().item()
    require(over < tolerance, f"{what}: one is outside the typical set, beyond the mass by {over:.2g}")


def concentration_is_right(found: tuple[Any, ...], truth: tuple[Any, ...], tolerance: float) -> None:
    """Figures of sequences beside those of the NumPy version in float64.

    A stopping time moves where the e-process meets its threshold within a rounding error: one sequence in a
    thousand may differ.
    """
    for place, (ours, theirs) in enumerate(zip(found[:-1], truth[:-1], strict=True)):
        a, b = (torch.from_numpy(np.array(x, np.float64)) for x in (ours, theirs))
        close(f"figure {place} of the sequences", a, b, tolerance)
    different = float((np.asarray(found[-1]) != np.asarray(truth[-1])).mean())
    require(different <= 1e-3, f"stopping times: {different:.2g} of the sequences differ")

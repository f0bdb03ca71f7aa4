"""Probabilities re-estimated from a network's outputs by maps that keep their order within a context.

Bojun and Yuan 2023, "Utility-probability duality of neural networks", announces an equation that turns learned
utilities into a new probability estimate. The equation could not be read; these are three candidates of our own: a
power (the free scale of Luce's choice rule), the inverse of label smoothing, and an isotonic regression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from entropylab.information.distributions import distribution
from entropylab.information.validation import check_logits, check_targets

if TYPE_CHECKING:
    from sklearn.isotonic import IsotonicRegression

POWERS = tuple(round(0.05 * step, 2) for step in range(4, 61))
SMOOTHINGS = tuple(round(0.01 * step, 2) for step in range(31))
# The inverse of smoothing has zeros; a symbol that was observed all the same gets this probability in a fit.
FLOOR = 1e-9


def power_transform(logits: Tensor, power: float) -> Tensor:
    """Log-probabilities of ``p ** power``, normalised: the softmax at temperature ``1 / power``.

    Parameters
    ----------
    logits : Tensor [..., V]
        -inf marks a token that cannot occur.
    power : float
        Above 0; 1 changes nothing.

    Returns
    -------
    Tensor [..., V]
        Log-probabilities in nats, float32 (float64 for float64 logits), differentiable.

    Raises
    ------
    TypeError, ValueError
        If the logits are not allowed, or the power is not a finite number above 0.
    """
    _, log_p = distribution(check_logits(logits), "logits", True)
    if not 0 < power < float("inf"):
        raise ValueError(f"power: got {power}, allowed are finite numbers above 0")
    return (power * log_p).log_softmax(-1)


def unsmooth(logits: Tensor, smoothing: float) -> Tensor:
    """Log-probabilities with label smoothing taken out: ``(q - eps / V) / (1 - eps)``, clipped at 0, normalised.

    A network whose targets were ``(1 - eps) e_y + eps / V`` has its optimum at ``q = (1 - eps) P + eps / V``, so at the
    optimum this returns the law P. The likeliest token is never clipped, so the order at the top is kept.

    Parameters
    ----------
    logits : Tensor [..., V]
        Of q; -inf marks a token that cannot occur.
    smoothing : float
        eps, in [0, 1); 0 changes nothing.

    Returns
    -------
    Tensor [..., V]
        Log-probabilities in nats, -inf where clipped; float32 (float64 for float64 logits).

    Raises
    ------
    TypeError, ValueError
        If the logits are not allowed, or eps is out of range.
    """
    q, _ = distribution(check_logits(logits), "logits", True)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing: got {smoothing}, allowed are numbers in [0, 1)")
    kept = (q - smoothing / q.shape[-1]).clamp_min(0)
    return (kept / kept.sum(-1, keepdim=True)).log()


def fit_power(logits: Tensor, targets: Tensor, powers: Sequence[float] = POWERS) -> float:
    """The power with the least mean surprisal of observed tokens.

    Parameters
    ----------
    logits : Tensor [N, V]
        In N contexts that are not those of the evaluation.
    targets : Tensor of int [N]
        What was observed there.
    powers : sequence of float
        Grid, by default 0.2 to 3 in steps of 0.05.

    Returns
    -------
    float
        The first best one.

    Raises
    ------
    TypeError, ValueError
        If logits, targets or a power are not allowed, or the grid is empty.
    """
    return _least_surprisal(power_transform, logits, targets, powers, "powers")


def fit_smoothing(logits: Tensor, targets: Tensor, smoothings: Sequence[float] = SMOOTHINGS) -> float:
    """The label smoothing whose inverse has the least mean surprisal of observed tokens.

    Parameters
    ----------
    logits : Tensor [N, V]
        In N contexts that are not those of the evaluation.
    targets : Tensor of int [N]
        What was observed there, not the smoothed targets.
    smoothings : sequence of float
        Grid of eps, by default 0 to 0.3 in steps of 0.01. Probabilities are floored at 1e-9 for the fit.

    Returns
    -------
    float
        The first best one.

    Raises
    ------
    TypeError, ValueError
        If logits, targets or an eps are not allowed, or the grid is empty.
    """
    return _least_surprisal(unsmooth, logits, targets, smoothings, "smoothings")


def fit_isotonic(logits: Tensor, targets: Tensor) -> Callable[[Tensor], Tensor]:
    """A monotone map from probability to the share of hits, fitted on all (context, token) pairs at once.

    Parameters
    ----------
    logits : Tensor [N, V]
        In N contexts that are not those of the evaluation.
    targets : Tensor of int [N]
        What was observed there.

    Returns
    -------
    callable
        From logits [..., V] to log-probabilities [..., V], normalised within each context. The order is kept weakly:
        tokens may come to be tied. A row of which nothing is left keeps its own probabilities.

    Raises
    ------
    TypeError, ValueError
        If logits or targets are not allowed.
    """
    from sklearn.isotonic import IsotonicRegression

    p, _ = distribution(check_logits(logits), "logits", True)
    hits = torch.nn.functional.one_hot(_observed(logits, targets), p.shape[-1])
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    curve.fit(_flat(p), _flat(hits))
    return lambda other: _calibrated(curve, other)


def _calibrated(curve: IsotonicRegression, logits: Tensor) -> Tensor:
    p, log_p = distribution(check_logits(logits), "logits", True)
    shares = torch.from_numpy(np.asarray(curve.predict(_flat(p)))).to(p).reshape(p.shape)
    total = shares.sum(-1, keepdim=True)
    return torch.where(total > 0, (shares / total.clamp_min(FLOOR)).log(), log_p)


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().double().flatten().cpu().numpy()


def _observed(logits: Tensor, targets: Tensor) -> Tensor:
    if check_logits(logits).ndim != 2 or not len(logits):
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, allowed is (N, V) with N of 1 or more")
    return check_targets(targets, logits)


def _least_surprisal(
    transform: Callable[[Tensor, float], Tensor],
    logits: Tensor,
    targets: Tensor,
    grid: Sequence[float],
    name: str,
) -> float:
    observed = _observed(logits, targets)[:, None]
    if not len(grid):
        raise ValueError(f"{name}: got an empty grid, allowed are one or more numbers")
    floor = float(np.log(FLOOR))
    losses = [
        -transform(logits, value).gather(1, observed).clamp_min(floor).double().mean() for value in grid
    ]
    return float(grid[int(torch.stack(losses).argmin())])

"""The cumulant generating function of surprisal, which is a Renyi entropy in disguise.

``psi(lambda) = ln E_p exp(lambda (s - H)) = ln sum_v p(v)^(1 - lambda) - lambda H``. It is 0 at 0 with slope 0 and
curvature equal to the varentropy, so it is about ``V lambda^2 / 2`` near 0. It makes ``exp(lambda (s - H) -
psi(lambda))`` an e-value: the likelihood ratio of the model at temperature ``1 / (1 - lambda)`` to the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entropylab.information.token_statistics import result_dtype
from entropylab.information.validation import check_logits, refuse_invalid

# Negative: for text that is too likely; positive: too unlikely. Small steps see small deviations.
LAMBDAS = (-1.0, -0.5, -0.25, -0.125, -0.0625, 0.0625, 0.125, 0.25, 0.5)

# Elements of a block of rows, so that its powers stay in the cache.
BLOCK = 1 << 17


def renyi_cgf(logits: Tensor, lambdas: Sequence[float] = LAMBDAS, *, check_finite: bool = True) -> Tensor:
    """``psi(lambda)`` of each row of logits, for each lambda of a grid.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point. A logit of -inf contributes nothing.
    lambdas : sequence of float
        Below 1, different from 0.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [..., G]
        Nats, float32 (float64 for float64 logits), without gradient. At least 0 up to rounding.

    Raises
    ------
    TypeError, ValueError
        If the logits are no tensor of floats, a row is invalid, or a lambda is out of range.
    """
    check_logits(logits)
    grid = check_lambdas(lambdas)
    dtype = result_dtype(logits)
    rows = logits.detach().reshape(-1, logits.shape[-1])
    result = torch.empty(len(rows), len(grid), dtype=dtype, device=rows.device)
    step = max(1, BLOCK // rows.shape[-1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step].to(dtype)
        shifted = block - block.amax(-1, keepdim=True)
        power = shifted.exp()
        total = power.sum(-1)
        # Entropy is ln S - sum p x, and 0 ln 0 = 0.
        entropy = total.log() - power.mul_(shifted.clamp_min(torch.finfo(dtype).min)).sum(-1) / total
        for g, moment in enumerate(_power_sums(shifted, grid)):
            value = grid[g]
            result[start : start + step, g] = moment.log() - (1.0 - value) * total.log() - value * entropy
    result = result.view(*logits.shape[:-1], len(grid))
    if check_finite:
        refuse_invalid(logits, result.isnan().any(-1))
    return result


def _power_sums(shifted: Tensor, grid: NDArray[np.float64]) -> list[Tensor]:
    """``sum e^((1 - lambda) x)`` of each row, x <= 0, for each lambda.

    If all exponents are small multiples of 1/16, as on the default grid, one exponential and a few products give
    them all, in a third of the time.
    """
    sixteenths = (1.0 - grid) * 16.0
    if shifted.dtype == torch.float64 or (sixteenths % 1.0).any() or sixteenths.max() > 32:
        return [(shifted * (1.0 - value)).exp_().sum(-1) for value in grid.tolist()]
    squares = [(shifted / 16.0).exp_()]  # powers 1, 2, 4, ... of e^(x / 16)
    while len(squares) < int(sixteenths.max()).bit_length():
        squares.append(squares[-1].square())
    sums = []
    power = torch.empty_like(shifted)
    for count in sixteenths.astype(int).tolist():
        first, *others = [square for bit, square in enumerate(squares) if count >> bit & 1]
        for number, square in enumerate(others):
            torch.mul(power if number else first, square, out=power)
        sums.append((power if others else first).sum(-1))
    return sums


def check_lambdas(lambdas: Sequence[float]) -> NDArray[np.float64]:
    """Return the grid as an array if every lambda is below 1 and not 0.

    Raises
    ------
    ValueError
    """
    grid = np.asarray(lambdas, dtype=np.float64)
    if (
        grid.ndim != 1
        or not grid.size
        or not np.isfinite(grid).all()
        or (grid >= 1).any()
        or (grid == 0).any()
    ):
        raise ValueError(
            f"lambdas: got {lambdas}, allowed are finite numbers below 1 and not 0, at least one"
        )
    return grid

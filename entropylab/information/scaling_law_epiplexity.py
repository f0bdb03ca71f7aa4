"""Epiplexity of a domain from its scaling law (Finzi et al. 2026, appendix B.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.optimize import minimize_scalar


class ScalingLaw(NamedTuple):
    """``L(N, D) = E + (N0 / N)^alpha + (D0 / D)^beta``, nats a token, of N parameters after D tokens."""

    alpha: float
    beta: float
    N0: float
    D0: float
    E: float

    def loss(self, N: float, D: float) -> float:
        """L(N, D), nats a token."""
        return float(self.E + (self.N0 / N) ** self.alpha + (self.D0 / D) ** self.beta)

    def structure(self, D: float) -> float:
        """Area of the curve above its end, ``beta / (1 - beta) D0^beta D^(1 - beta)``, in bits."""
        return float(self.beta / (1 - self.beta) * self.D0**self.beta * D ** (1 - self.beta) / math.log(2))


class BoundedDescription(NamedTuple):
    """The best description within a budget: tokens D, parameters N, structure S and noise H in bits."""

    D: float
    N: float
    structure: float
    noise: float


def scaling_law_epiplexity(law: ScalingLaw, data: float, compute: float) -> BoundedDescription:
    """Structure and noise of a data set for an observer with a budget of operations.

    The observer trains N parameters on D tokens and reads the data: ``6 N D + 2 N data <= compute``. It takes the
    D with the shortest description.

    Parameters
    ----------
    law : ScalingLaw
        With beta below 1.
    data : float
        Tokens of the data set.
    compute : float
        Operations.

    Returns
    -------
    BoundedDescription

    Raises
    ------
    ValueError
        If a number is not above 0, or beta is not below 1.
    """
    if min(*law[:4], data, compute) <= 0 or law.beta >= 1:
        raise ValueError(
            f"law, data, compute: got {law}, {data}, {compute}, allowed are numbers above 0, beta below 1"
        )

    def size(D: float) -> float:
        return compute / (6 * D + 2 * data)

    def total(log_D: float) -> float:
        D = math.exp(log_D)
        return law.structure(D) + data * law.loss(size(D), D) / math.log(2)

    found = minimize_scalar(
        total, bounds=(math.log(data) - 25, math.log(data)), method="bounded", options={"xatol": 1e-12}
    )
    D = math.exp(found.x)
    return BoundedDescription(D, size(D), law.structure(D), data * law.loss(size(D), D) / math.log(2))

"""How far below n bits a model can code a pseudorandom source: Theorem 9 of Finzi et al. 2026 for one model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PseudorandomBound(NamedTuple):
    """Code length of a source under a model, the model's advantage as a distinguisher, and the bound; bits."""

    code: float
    advantage: float
    bound: float


def pseudorandom_bound(log2_q: ArrayLike, p: ArrayLike) -> PseudorandomBound:
    """``E[-log2 Q(X)] >= n - 2 - n eps_Q`` for a source X on strings of n bits and a model Q.

    A model that codes X well tells it from fair bits: the test ``Q(x) >= 2^-u`` says yes more often to X. Its
    advantage, the largest over integers u below n, bounds the gain.

    Parameters
    ----------
    log2_q : array_like of float, shape (2^n,)
        ``log2 Q`` of every string; -inf is allowed.
    p : array_like of float, shape (2^n,)
        Law of the source.

    Returns
    -------
    PseudorandomBound

    Raises
    ------
    ValueError
        If the sizes are no equal power of two, or the probabilities do not sum to one.
    """
    q, law = np.asarray(log2_q, dtype=np.float64), np.asarray(p, dtype=np.float64)
    n = q.size.bit_length() - 1
    if q.ndim != 1 or q.shape != law.shape or q.size != 1 << n:
        raise ValueError(f"log2_q, p: got shapes {q.shape} and {law.shape}, allowed are two equal (2^n,)")
    if (law < 0).any() or abs(law.sum() - 1) > 1e-9 or np.exp2(q).sum() > 1 + 1e-9:
        raise ValueError("log2_q, p: allowed are a law, and a model whose probabilities sum to one at most")
    passed = q >= -np.arange(n)[:, None] - 1e-12
    advantage = float(np.maximum((passed * law).sum(1) - passed.mean(1), 0.0).max(initial=0.0))
    seen = law > 0
    code = float(-(law[seen] * q[seen]).sum()) if np.isfinite(q[seen]).all() else math.inf
    return PseudorandomBound(code, advantage, n - 2 - n * advantage)

"""Directed information: what flows from X to Y in the order of time (Massey 1990; Kramer 1998).

Named by Bai 2025, "Forget BIT, It is All about TOKEN", as the measure of language models. A law is an array with the
axes x_1, y_1, ..., x_n, y_n, as `entropylab.sources.feedback_channel` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr, xlogy

from entropylab.sources.stochastic import TOLERANCE, check_rows

Array = NDArray[np.float64]


def conditional_mutual_information(
    joint: ArrayLike, first: Iterable[int], second: Iterable[int], given: Iterable[int] = ()
) -> float:
    """I(A; B | C) of groups of axes of a joint law.

    Parameters
    ----------
    joint : array_like of float
        One axis for each variable.
    first, second, given : iterable of int
        Axes of A, B and C; disjoint. The others are summed out.

    Returns
    -------
    float
        Nats: the mean of ``ln p(a, b, c) p(c) / (p(a, c) p(b, c))``.

    Raises
    ------
    ValueError
        If the array is no law, or the axes overlap or do not exist.
    """
    law = _law(joint)
    a, b, c = tuple(first), tuple(second), tuple(given)
    used = a + b + c
    if len(set(used)) != len(used) or not set(used) <= set(range(law.ndim)):
        raise ValueError(
            f"first, second, given: got axes {a}, {b}, {c}, allowed are disjoint ones below {law.ndim}"
        )
    abc, c_alone = _keep(law, used), _keep(law, c)
    # The law that A and B would have if they were independent given C.
    apart = _ratio(_keep(law, a + c) * _keep(law, b + c), c_alone)
    return float(rel_entr(abc, apart).sum())


def directed_information(joint: ArrayLike) -> float:
    """``I(X^n -> Y^n) = sum_i I(X^i; Y_i | Y^{i-1})`` (Massey 1990).

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    law = _steps(joint)
    return sum(
        conditional_mutual_information(law, range(0, y, 2), [y], range(1, y, 2))
        for y in range(1, law.ndim, 2)
    )


def reverse_directed_information(joint: ArrayLike) -> float:
    """What flows back, ``I(0Y^{n-1} -> X^n) = sum_i I(Y^{i-1}; X_i | X^{i-1})``; zero without feedback.

    In step i, x_i comes before y_i, so it can hear y_{i-1} at best.

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    law = _steps(joint)
    return sum(
        conditional_mutual_information(law, range(1, x, 2), [x], range(0, x, 2))
        for x in range(2, law.ndim, 2)
    )


def mutual_information(joint: ArrayLike) -> float:
    """``I(X^n; Y^n)``, which does not know the order of time.

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    law = _steps(joint)
    return conditional_mutual_information(law, range(0, law.ndim, 2), range(1, law.ndim, 2))


def output_entropy(joint: ArrayLike) -> float:
    """``H(Y^n)``.

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n

    Returns
    -------
    float
        Nats.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    return float(entr(_steps(joint).sum(tuple(range(0, np.ndim(joint), 2)))).sum())


def causal_entropy(joint: ArrayLike) -> float:
    """Causally conditioned entropy ``H(Y^n || X^n) = sum_i H(Y_i | Y^{i-1}, X^i)`` (Kramer 1998).

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n

    Returns
    -------
    float
        Nats: the least loss of a causal model, see `causal_loss`.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    law = _steps(joint)
    total = 0.0
    for y in range(1, law.ndim, 2):
        now = _prefix(law, y + 1)
        total += float(entr(now).sum() - entr(now.sum(-1)).sum())
    return total


def causal_conditionals(joint: ArrayLike, *, look_ahead: bool = False) -> list[Array]:
    """The law of each output given what a model may see.

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n
    look_ahead : bool
        False: y_i given x_1, y_1, ..., x_i. True: the later inputs as well, which no causal model can see.

    Returns
    -------
    list of n arrays of float64 Entry i has the axes of the law up to y_i, or with ``look_ahead`` all 2n axes, those
    of later outputs of length one. Each sums to one along y_i; where the condition cannot occur, it is uniform.

    Raises
    ------
    ValueError
        If the array is no law, or has an odd number of axes.
    """
    law = _steps(joint)
    found = []
    for y in range(1, law.ndim, 2):
        now = law.sum(tuple(range(y + 2, law.ndim, 2)), keepdims=True) if look_ahead else _prefix(law, y + 1)
        base = now.sum(y, keepdims=True)
        found.append(np.where(base > 0, _ratio(now, base), 1 / law.shape[y]))
    return found


def causal_loss(joint: ArrayLike, model: Sequence[ArrayLike]) -> float:
    """Mean surprisal of the outputs under a model that predicts them one by one.

    ``H(Y^n) - loss`` is at most `directed_information` if the model is causal; the gap is the averaged KL divergence.

    Parameters
    ----------
    joint : array_like of float, 2n axes x_1, y_1, ..., x_n, y_n
    model : sequence of n arrays
        Laws of the outputs, with axes as `causal_conditionals` gives them.

    Returns
    -------
    float
        Nats, summed over the n outputs; +inf if the model rules out what can occur.

    Raises
    ------
    ValueError
        If the array is no law, the number of laws is not n, or one of them does not fit.
    """
    law = _steps(joint)
    if len(model) != law.ndim // 2:
        raise ValueError(f"model: got {len(model)} laws, allowed is {law.ndim // 2}, one for each output")
    total = 0.0
    for step, given in enumerate(model):
        y = 2 * step + 1
        q = np.asarray(given, dtype=np.float64)
        if q.ndim not in (y + 1, law.ndim) or any(
            have not in (1, want) for have, want in zip(q.shape, law.shape, strict=False)
        ):
            raise ValueError(f"model[{step}]: got shape {q.shape}, allowed is {law.shape[: y + 1]}")
        check_rows(f"model[{step}]", np.moveaxis(q, y, -1))
        known = _prefix(law, q.ndim)
        total -= float(xlogy(known, np.broadcast_to(q, known.shape)).sum())
    return total


def _law(joint: ArrayLike) -> Array:
    law = np.asarray(joint, dtype=np.float64)
    if not law.size or not (law >= 0).all() or not abs(law.sum() - 1) < TOLERANCE:
        raise ValueError(f"joint: got an array with sum {law.sum()}, allowed are probabilities with sum 1")
    return law


def _steps(joint: ArrayLike) -> Array:
    law = _law(joint)
    if law.ndim < 2 or law.ndim % 2:
        raise ValueError(f"joint: got {law.ndim} axes, allowed is an even number: x_1, y_1, ..., x_n, y_n")
    return law


def _keep(law: Array, axes: Iterable[int]) -> Array:
    return np.asarray(law.sum(tuple(set(range(law.ndim)) - set(axes)), keepdims=True))


def _prefix(law: Array, axes: int) -> Array:
    return np.asarray(law.sum(tuple(range(axes, law.ndim))))


def _ratio(above: Array, below: Array) -> Array:
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.zeros(shape), where=np.broadcast_to(below > 0, shape))

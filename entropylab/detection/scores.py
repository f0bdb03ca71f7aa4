"""Detection scores: the gap between entropy and log-perplexity, and its relatives.

The gap T is the score of Radvand et al. (2025), ``ll + entropy`` in their code; z is the analytic score of
Fast-DetectGPT (Bao et al. 2024) with one model; the ratio is that of Binoculars (Hans et al. 2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def log_perplexity(surprisal: ArrayLike, mask: ArrayLike | None = None) -> Any:
    """``L = (1 / N) sum s``: mean surprisal of each text, nats a token.

    Parameters
    ----------
    surprisal : array [..., N]
    mask : bool array [..., N], optional
        Which tokens count: not the prompt, not the padding.

    Returns
    -------
    float or array [...]

    Raises
    ------
    ValueError
        If the mask has another shape or leaves a text without a token.
    """
    return _sums(mask, surprisal=surprisal)[0] / _count(surprisal, mask)


def mean_entropy(entropy: ArrayLike, mask: ArrayLike | None = None) -> Any:
    """``h = (1 / N) sum H``: mean entropy of the predictions along each text, nats a token.

    Parameters
    ----------
    entropy : array [..., N]
    mask : bool array [..., N], optional

    Returns
    -------
    float or array [...]

    Raises
    ------
    ValueError
        As :func:`log_perplexity`.
    """
    return _sums(mask, entropy=entropy)[0] / _count(entropy, mask)


def entropy_gap(surprisal: ArrayLike, entropy: ArrayLike, mask: ArrayLike | None = None) -> Any:
    """``T = h - L``: large for text that is likelier than the model's own samples.

    Parameters
    ----------
    surprisal, entropy : array [..., N]
    mask : bool array [..., N], optional

    Returns
    -------
    float or array [...]
        Nats a token.

    Raises
    ------
    ValueError
        As :func:`log_perplexity`.
    """
    s, h = _sums(mask, surprisal=surprisal, entropy=entropy)
    return (h - s) / _count(surprisal, mask)


def standardised_gap(
    surprisal: ArrayLike, entropy: ArrayLike, varentropy: ArrayLike, mask: ArrayLike | None = None
) -> Any:
    """``z = sum (H - s) / sqrt(sum V)``: the gap in standard deviations under the model.

    Parameters
    ----------
    surprisal, entropy, varentropy : array [..., N]
    mask : bool array [..., N], optional

    Returns
    -------
    float or array [...]

    Raises
    ------
    ValueError
        As :func:`log_perplexity`.
    """
    s, h, v = _sums(mask, surprisal=surprisal, entropy=entropy, varentropy=varentropy)
    return fast_detectgpt(-s, -h, v)


def fast_detectgpt(log_likelihood: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Any:
    """Fast-DetectGPT's analytic score, ``(sum ln p(y) - sum mu) / sqrt(sum sigma^2)`` (Bao et al. 2024).

    ``mu`` and ``sigma^2`` are mean and variance of the scoring model's log-probability under the reference
    model. With one model they are minus the entropy and the varentropy, and the score is z.

    Parameters
    ----------
    log_likelihood, mean, variance : float or array [...]
        Sums over the tokens of a text, nats and nats squared.

    Returns
    -------
    float or array [...]
        0 where the numerator is 0.
    """
    numerator = np.asarray(log_likelihood, np.float64) - np.asarray(mean, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(numerator == 0, 0.0, numerator / np.sqrt(np.asarray(variance, np.float64)))
    return float(score) if score.ndim == 0 else score


def binoculars(
    performer_surprisal: ArrayLike, cross_entropy: ArrayLike, mask: ArrayLike | None = None
) -> Any:
    """Binoculars' ratio: log-perplexity under the performer over cross-entropy of observer and performer.

    Both are averaged over the same tokens. (The published code averages the denominator over one position
    more.) With one model in both roles it is ``L / h``.

    Parameters
    ----------
    performer_surprisal : array [..., N]
        ``-ln q`` of each token.
    cross_entropy : array [..., N]
        ``-sum p ln q`` of each prediction, with the observer p.
    mask : bool array [..., N], optional

    Returns
    -------
    float or array [...]
        Small for machine text.

    Raises
    ------
    ValueError
        As :func:`log_perplexity`.
    """
    s, c = _sums(mask, performer_surprisal=performer_surprisal, cross_entropy=cross_entropy)
    return s / c


def _sums(mask: ArrayLike | None, **arrays: ArrayLike) -> list[Any]:
    """Sums over the last axis of arrays of one shape, in float64."""
    values = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    shape = next(iter(values.values())).shape
    for name, value in values.items():
        if value.ndim == 0 or value.shape != shape:
            raise ValueError(f"{name}: got shape {value.shape}, allowed is {shape or '(..., N)'}")
    keep = _mask(mask, shape)
    # Not a product: a token that does not count may be infinite.
    return [(value if keep is None else np.where(keep, value, 0.0)).sum(-1) for value in values.values()]


def _count(array: ArrayLike, mask: ArrayLike | None) -> Any:
    shape = np.shape(array)
    keep = _mask(mask, shape)
    count = shape[-1] if keep is None else keep.sum(-1)
    if not np.all(np.asarray(count) > 0):
        raise ValueError("mask: got a text without a token, allowed is at least one in each")
    return count


def _mask(mask: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    keep = np.asarray(mask)
    if keep.dtype != bool or keep.shape != shape:
        raise ValueError(f"mask: got {keep.dtype} of shape {keep.shape}, allowed is bool of shape {shape}")
    return keep

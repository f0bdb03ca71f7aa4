"""Answers that a reader sorts into clusters, and what that does to their semantic entropy: no kernel, no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entropylab.book import markup
from entropylab.book.markup import Html

if TYPE_CHECKING:
    from entropylab.reasoning.credit.semantic_entropy import Form

MAX_ANSWERS = 12
# What the bars show; the script computes the same in the same order.
ENTROPIES = ("Equation 5", "likelihoods", "counts")
FORMS: tuple[Form, ...] = ("linear", "exponential", "focal", "released")


def cluster_explorer(
    clusters: Sequence[int],
    log_likelihoods: npt.ArrayLike,
    lengths: npt.ArrayLike,
    *,
    alpha: float = 1.0,
    title: str = "",
) -> Html:
    """Sampled answers, each with a list to say what it answers, and bars of entropies and factors (SEED-GRPO).

    The entropies are Eq. 5 of Chen et al. 2025 with equal weights, Shannon's of the masses with weights
    ``exp(log_likelihood / length)``, and Shannon's of counts, from which the factors come.

    Parameters
    ----------
    clusters : sequence of int, length G
        Cluster of each answer at the start, 0 to G - 1; G is 2 to 12.
    log_likelihoods : array of float, shape (G,)
        Of each answer's text, nats.
    lengths : array of int, shape (G,)
        Tokens of each text, at least 1.
    alpha : float
        Start of the dose's slider, from 0 to 1.
    title : str, optional
        A line above.

    Returns
    -------
    Html
        Without JavaScript it shows the start.

    Raises
    ------
    ValueError
        If sizes do not fit or a number is not allowed.
    """
    ids = np.asarray(clusters)
    ell, tokens = np.asarray(log_likelihoods, dtype=np.float64), np.asarray(lengths)
    if ids.ndim != 1 or not 2 <= ids.size <= MAX_ANSWERS:
        raise ValueError(f"clusters: got shape {ids.shape}, allowed are 2 to {MAX_ANSWERS} answers")
    if ell.shape != ids.shape or tokens.shape != ids.shape:
        raise ValueError(
            f"log_likelihoods, lengths: got shapes {ell.shape} and {tokens.shape}, allowed is {ids.shape}"
        )
    if not np.isfinite(ell).all():
        raise ValueError("log_likelihoods: got a number that is NaN or infinite")
    if not (tokens >= 1).all():
        raise ValueError(f"lengths: got {tokens.min()}, allowed is 1 or more")
    entropies, factors = values(ids, ell, tokens, alpha)

    data = {"clusters": ids.tolist(), "weights": (ell / tokens).tolist(), "alpha": alpha}
    letters = [chr(ord("A") + place) for place in range(ids.size)]
    lists = "".join(
        f'<label>{place + 1} <select data-cx="answer">'
        + "".join(
            f'<option value="{k}"{" selected" if k == own else ""}>{letter}</option>'
            for k, letter in enumerate(letters)
        )
        + "</select></label>"
        for place, own in enumerate(ids.tolist())
    )
    bound = math.log(ids.size)
    bars = [
        _bar(label, value / bound, f"{value:.3f}")
        for label, value in zip(ENTROPIES, entropies.tolist(), strict=True)
    ]
    scales = [
        _bar(label, value, f"{value:.3f}", "cx-f")
        for label, value in zip(FORMS, factors.tolist(), strict=True)
    ]
    inside = (
        f'<fieldset data-cx="controls" disabled><legend>What each of the {ids.size} chains answers</legend>'
        f'<div class="cx-answers">{lists}</div><label class="cx-dose">dose α '
        f'<input type="range" data-cx="alpha" min="0" max="1" step="0.01" value="{alpha}">'
        f"<output>{alpha:.2f}</output></label></fieldset>"
        f"<p>Semantic entropy in nats; a full bar is ln {ids.size} = {bound:.3f}</p>{''.join(bars)}"
        f"<p>Factor of the prompt's advantages, from the entropy of counts</p>{''.join(scales)}"
        f'<p data-cx="summary" aria-live="polite">{_summary(ids)}</p>'
    )
    return markup.explorer("cx", "cluster_explorer", inside, data, title)


def values(
    clusters: npt.NDArray[np.int64], log_likelihoods: npt.ArrayLike, lengths: npt.ArrayLike, alpha: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The three entropies, in the order of ``ENTROPIES``, and the four factors, in that of ``FORMS``."""
    from entropylab.reasoning import cluster_entropy, seed_weight  # brings torch; only this figure needs it

    entropies = np.array(
        [
            abs(cluster_entropy(clusters, estimator="mean")),
            cluster_entropy(clusters, estimator="mass", log_likelihoods=log_likelihoods, lengths=lengths),
            cluster_entropy(clusters),
        ]
    )
    factors = np.array([seed_weight(entropies[2], clusters.size, alpha=alpha, form=form) for form in FORMS])
    return entropies, factors


def _bar(label: str, share: float, value: str, look: str = "") -> str:
    return (
        f'<div class="cx-row"><span>{label}</span>'
        f'<i><b class="{look}" style="width:{100 * share:.1f}%"></b></i><output>{value}</output></div>'
    )


def _summary(ids: npt.NDArray[np.int64]) -> str:
    sizes = sorted(np.bincount(ids)[np.bincount(ids) > 0].tolist(), reverse=True)
    return f"Clusters of {', '.join(map(str, sizes))}."

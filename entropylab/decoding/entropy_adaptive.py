"""Entropy Adaptive Decoding: when the large model writes (Simonds 2025, arXiv 2502.06833).

Two models write one text. The entropy of the next-token distribution, averaged over a window, decides who: the large
model at or above a threshold, the small one below, and after each change the chosen one stays for a number of tokens.
Here are the rule as a machine of its own, without a model, and what it costs. The decoder is in
:mod:`entropylab.decoding.entropy_adaptive_decoder`, the controls in
:mod:`entropylab.decoding.entropy_adaptive_controls`.

The paper's text could not be read in full; the rule is the one that readers' notes give. What they leave open is an
argument, and its default an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.information.validation import check_count

_CHOICES = {"variant": ("A", "B"), "start": ("small", "large"), "ties": ("large", "small")}


@dataclass(frozen=True)
class EntropySwitch:
    """The rule: large at or above the threshold, small below, and no change within ``min_dwell`` tokens.

    Parameters
    ----------
    threshold : float or array_like of float, shape (rows,)
        tau, in the unit of the entropies that are given: nats everywhere in this package. The paper's tau is in bits;
        multiply it by ln 2 once. One number, or one for each row of a batch. Infinities are allowed: -inf asks for the
        large model always, +inf for the small one.
    window : int
        w: the mean is over the last w entropies, over fewer at the beginning.
    min_dwell : int
        d_min: tokens that are written between two changes, at least 1.
    variant : {"B", "A"}
        When a decision takes effect. "B": the entropy of token t decides who writes token t + 1. "A": it decides who
        writes token t itself, so on a change the other model has to run for that token too.
    start : {"small", "large"}
        Who is asked first.
    ties : {"large", "small"}
        Who writes if the mean equals the threshold.
    keep_window : bool
        Whether the window survives a change. If it does, entropies of both models are in one mean for a while.
    free_start : bool
        Whether the first change may come at once; else only after ``min_dwell`` tokens.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.

    Examples
    --------
    >>> rule = EntropySwitch(1.0, window=1, min_dwell=1)
    >>> rule.trace([[0.2, 1.8, 2.0, 0.3]]).tolist()
    [[False, False, True, True]]
    """

    threshold: ArrayLike
    window: int = 5
    min_dwell: int = 10
    variant: str = "B"
    start: str = "small"
    ties: str = "large"
    keep_window: bool = True
    free_start: bool = True

    def __post_init__(self) -> None:
        check_count(self.window, "window")
        check_count(self.min_dwell, "min_dwell")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed are {allowed}")
        tau = np.asarray(self.threshold, dtype=np.float64)
        if tau.ndim > 1 or tau.size == 0 or np.isnan(tau).any():
            raise ValueError(
                f"threshold: got {self.threshold!r}, allowed is a number or one number a row, not NaN"
            )

    def begin(self, rows: int) -> SwitchState:
        """A fresh state for a batch.

        Parameters
        ----------
        rows : int
            Texts in the batch.

        Returns
        -------
        SwitchState

        Raises
        ------
        ValueError
            If the thresholds are neither one nor ``rows``.
        """
        return SwitchState(self, rows)

    def trace(self, entropies: ArrayLike, large_entropies: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Who writes each token, for entropies that are known beforehand.

        Parameters
        ----------
        entropies : array_like of float, shape (rows, tokens)
            Entropies that do not depend on who writes, or those of the small model.
        large_entropies : array_like of float, shape (rows, tokens), optional
            Those of the large model on the same text. With them the rule sees those of the active model.

        Returns
        -------
        array of bool, shape (rows, tokens)
            True where the large model writes.

        Raises
        ------
        ValueError
            If the arrays are not two-dimensional or their shapes differ.
        """
        small = np.asarray(entropies, dtype=np.float64)
        large = small if large_entropies is None else np.asarray(large_entropies, dtype=np.float64)
        if small.ndim != 2 or small.shape != large.shape:
            raise ValueError(
                f"entropies: got shapes {small.shape} and {large.shape}, allowed is (rows, tokens)"
            )
        state = self.begin(len(small))
        mask = np.zeros(small.shape, dtype=bool)
        for token in range(small.shape[1]):
            seen = np.where(state.large, large[:, token], small[:, token])
            mask[:, token] = state.step(seen)
        return mask


class SwitchState:
    """A batch under an :class:`EntropySwitch`: who is active, for how long, and the last entropies.

    The two variants are the same three acts in another order. "A": ``observe``, ``decide``, write, ``wrote``.
    "B": write, ``observe``, ``wrote``, ``decide``. In both, a token counts as written before the next decision.
    """

    def __init__(self, rule: EntropySwitch, rows: int) -> None:
        tau = np.asarray(rule.threshold, dtype=np.float64)
        if tau.ndim and len(tau) != rows:
            raise ValueError(
                f"threshold: got {len(tau)} numbers for {rows} rows, allowed is one or one a row"
            )
        self.rule = rule
        self.threshold = np.broadcast_to(tau, (rows,))
        self.large = np.full(rows, rule.start == "large")
        self.since = np.full(rows, rule.min_dwell if rule.free_start else 0)
        self._last = np.zeros((rows, rule.window))
        self._seen = np.zeros(rows, dtype=np.int64)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean entropy over each row's window; 0 where nothing was seen."""
        return self._last.sum(1) / np.clip(self._seen, 1, self.rule.window)

    def observe(self, entropy: NDArray[np.floating], rows: NDArray[np.int64] | slice = slice(None)) -> None:
        """Take in the entropy of the current token, of all rows or of those that are numbered."""
        numbers = np.arange(len(self.large))[rows]
        self._last[numbers, self._seen[numbers] % self.rule.window] = entropy
        self._seen[numbers] += 1

    def decide(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.bool_]:
        """Let rows that have dwelt long enough change; returns which of them did."""
        mean, tau = self.mean[rows], self.threshold[rows]
        wanted = mean >= tau if self.rule.ties == "large" else mean > tau
        changed = (wanted != self.large[rows]) & (self.since[rows] >= self.rule.min_dwell)
        numbers = np.arange(len(self.large))[rows][changed]
        self.large[numbers] = ~self.large[numbers]
        self.since[numbers] = 0
        if not self.rule.keep_window:
            self._last[numbers] = 0
            self._seen[numbers] = 0
        return changed

    def wrote(self, rows: NDArray[np.int64] | slice = slice(None)) -> None:
        """Count one written token."""
        self.since[rows] += 1

    def step(self, entropy: NDArray[np.floating]) -> NDArray[np.bool_]:
        """One token of each row, for entropies that do not depend on the choice; returns who wrote it."""
        writer = self.large.copy()
        self.observe(entropy)
        if self.rule.variant == "A":
            self.decide()
            writer = self.large.copy()
            self.wrote()
        else:
            self.wrote()
            self.decide()
        return writer


def rolling_mean(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Mean over the last ``window`` values of each row, over fewer at the beginning.

    Parameters
    ----------
    values : array_like of float, shape (rows, tokens)
        For example entropies, nats.
    window : int
        w, at least 1.

    Returns
    -------
    array of float64, shape (rows, tokens)

    Raises
    ------
    ValueError
        If ``values`` is not two-dimensional or the window is below 1.
    """
    check_count(window, "window")
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"values: got shape {x.shape}, allowed is (rows, tokens)")
    padded = np.pad(x, ((0, 0), (window - 1, 0)))
    sums = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1).sum(-1)
    return sums / np.minimum(np.arange(1, x.shape[1] + 1), window)


def parameter_weighted_cost(
    share: float, small: float, large: float, *, small_always_runs: bool = False
) -> float:
    """Cost of a text in tokens of the large model: C = f + (1 - f) n_small / n_large; the saving is 1 - C.

    Parameters
    ----------
    share : float
        f, the share of tokens that the large model writes, 0 to 1.
    small, large : float
        Parameters of the two models, in any unit.
    small_always_runs : bool
        Whether the small model also runs where the large one writes, to watch the entropy: C = f + n_small / n_large.

    Returns
    -------
    float
        1 for the large model alone.

    Raises
    ------
    ValueError
        If the share is not a share, or a size is not above 0.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: got {share}, allowed is 0 to 1")
    if not (small > 0 and large > 0):
        raise ValueError(f"small, large: got {small} and {large}, allowed are numbers above 0")
    return share + (1.0 if small_always_runs else 1 - share) * small / large

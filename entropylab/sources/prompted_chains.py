"""Texts whose law depends on a prompt: one Markov chain for each of M prompts, drawn with equal probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_count, check_rows, check_symbols

Array = NDArray[np.float64]


class PromptedChains:
    """M prompts, equally likely; the text is a Markov chain with the prompt's transitions.

    Parameters
    ----------
    transitions : array_like of float, shape (M, V, V)
        Row ``[m, i]`` is the law of the next symbol after i, given prompt m.
    first : array_like of float, shape (V,)
        Law of the first symbol, whatever the prompt.

    Raises
    ------
    ValueError
        If a shape does not fit, or a row is not a distribution.
    """

    def __init__(self, transitions: ArrayLike, first: ArrayLike) -> None:
        self.transitions = check_rows("transitions", transitions, ndim=3)
        self.first = check_rows("first", first, ndim=1)
        size = len(self.first)
        if self.transitions.shape[1:] != (size, size):
            raise ValueError(
                f"transitions: got shape {self.transitions.shape}, allowed is (M, V, V) with V = {size}"
            )

    def path_laws(self, length: int) -> Array:
        """Law of the text's first symbols under each prompt.

        Parameters
        ----------
        length : int
            At least 1; the work grows as V^length.

        Returns
        -------
        array of float64, shape (M, V^length)

        Raises
        ------
        ValueError
            If the length is below 1.
        """
        prompts, size = len(self.transitions), len(self.first)
        laws = np.tile(self.first, (prompts, 1))
        for _ in range(check_count("length", length, 1) - 1):
            ends = laws.reshape(prompts, -1, size)
            laws = (ends[..., None] * self.transitions[:, None]).reshape(prompts, -1)
        return laws

    def sample(
        self, paths: int, length: int, *, seed: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw prompts, and a text for each.

        Parameters
        ----------
        paths, length : int
            At least 1.
        seed : int

        Returns
        -------
        prompts : array of int64, shape (paths,)
        texts : array of int64, shape (paths, length)

        Raises
        ------
        ValueError
            If a number is below 1.
        """
        check_count("paths", paths, 1)
        check_count("length", length, 1)
        generator = np.random.default_rng(seed)
        prompts = generator.integers(len(self.transitions), size=paths)
        uniforms = generator.random((paths, length, 1))
        texts = np.empty((paths, length), np.int64)
        # Rounding may leave the last sum below one, so it is not compared.
        texts[:, 0] = (uniforms[:, 0] >= self.first.cumsum()[:-1]).sum(1)
        steps = self.transitions.cumsum(-1)[..., :-1]
        for t in range(1, length):
            texts[:, t] = (uniforms[:, t] >= steps[prompts, texts[:, t - 1]]).sum(1)
        return prompts, texts

    def log_probabilities(self, texts: ArrayLike) -> Array:
        """Log-probability of each symbol given those before it, under every prompt.

        Parameters
        ----------
        texts : array_like of int, shape (B, T)

        Returns
        -------
        array of float64, shape (B, M, T)
            Nats.

        Raises
        ------
        ValueError
            If a text has no symbol, or something that is none.
        """
        found = check_symbols("texts", texts, len(self.first), ndim=2)
        if not found.shape[1]:
            raise ValueError(f"texts: got shape {found.shape}, allowed are texts of one symbol or more")
        p = np.empty((len(found), len(self.transitions), found.shape[1]))
        p[..., 0] = self.first[found[:, :1]]
        p[..., 1:] = np.moveaxis(self.transitions[:, found[:, :-1], found[:, 1:]], 0, 1)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(p))

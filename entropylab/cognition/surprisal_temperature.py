"""Surprisal of words at a temperature, for all words or for some: what Liu, Skrjanec and Demberg 2024 vary."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class ScaledWords:
    """One model's words at any temperature of its table.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a word: ``subwords``, and ``s_<T>`` for each temperature, with ``s_1`` among them, as
        :func:`entropylab.cognition.scores_table` gives it.

    Attributes
    ----------
    subwords : array of int, shape (n,)
    split : array of bool, shape (n,)
        Whether the tokenizer splits the word.

    Raises
    ------
    ValueError
        If ``subwords`` or ``s_1`` is missing.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        if missing := {"subwords", "s_1"} - set(table.columns):
            raise ValueError(f"table: columns {', '.join(sorted(missing))} are missing")
        self.table = table
        self.subwords: NDArray[np.int64] = table["subwords"].to_numpy(dtype=np.int64)
        self.split = self.subwords > 1

    def surprisal(self, temperature: float = 1.0, *, scaled: ArrayLike | None = None) -> Floats:
        """Surprisal of every word, nats: at the temperature where ``scaled`` is true, at 1 elsewhere.

        Parameters
        ----------
        temperature : float
            One of the table's.
        scaled : array_like of bool, shape (n,), optional
            By default all words are scaled.

        Returns
        -------
        array of float64, shape (n,)

        Raises
        ------
        ValueError
            If the table does not have the temperature, or the shape of ``scaled`` does not fit.
        """
        values = self._column("s", temperature)
        if scaled is None:
            return values
        chosen = np.asarray(scaled, dtype=bool)
        if chosen.shape != values.shape:
            raise ValueError(f"scaled: got shape {chosen.shape}, allowed is {values.shape}")
        return np.where(chosen, values, self._column("s", 1.0))

    def mean_surprisal(self, temperature: float = 1.0) -> Floats:
        """Surprisal of every word over its number of subwords, nats; errors as :meth:`surprisal`."""
        return self.surprisal(temperature) / self.subwords

    def renyi(self, temperature: float) -> Floats:
        """Renyi entropy of order 1/T, summed over a word's subwords, nats; errors as :meth:`surprisal`."""
        return self._column("h", temperature)

    def word_boundary_surprisal(self, temperature: float, story: ArrayLike) -> Floats:
        """Surprisal of whole words, with the space that ends a word counted to it, nats.

        A token such as " in" says that the word before has ended, and the word "in" could still go on. So the cost of
        *some* word beginning is taken off the word that begins, and put on the word that ends (Pimentel and Meister
        2024; Oh and Schuler 2024).

        Parameters
        ----------
        temperature : float
            One of those with a column ``o_<T>``.
        story : array_like, shape (n,)
            The last word of a story ends for free.

        Returns
        -------
        array of float64, shape (n,)

        Raises
        ------
        ValueError
            As :meth:`surprisal`.
        """
        opening, labels = self._column("o", temperature), np.asarray(story)
        if labels.shape != opening.shape:
            raise ValueError(f"story: got shape {labels.shape}, allowed is {opening.shape}")
        ending = np.append(np.where(labels[1:] == labels[:-1], opening[1:], 0.0), 0.0)
        return self.surprisal(temperature) - opening + ending

    def _column(self, letter: str, temperature: float) -> Floats:
        name = f"{letter}_{temperature:g}"
        if name not in self.table:
            known = ", ".join(column[2:] for column in self.table if column.startswith(f"{letter}_"))
            raise ValueError(f"temperature: got {temperature:g}, allowed are {known or 'none'}")
        return self.table[name].to_numpy(dtype=np.float64)

"""What stationary sources share: the laws and entropies of blocks of symbols (Cover & Thomas 2006, chapter 4)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from entropylab.sources.stochastic import check_count


class StationarySource(ABC):
    """A source whose blocks of n symbols have the same law wherever they are cut out."""

    @property
    @abstractmethod
    def symbols(self) -> int:
        """How many symbols there are, V."""

    @abstractmethod
    def block_law(self, n: int) -> NDArray[np.float64]:
        """Law of n successive symbols.

        Parameters
        ----------
        n : int
            At least 0.

        Returns
        -------
        array of float64, shape (V,) * n
            Entry ``[a, b, c]`` is the probability of reading a, then b, then c.

        Raises
        ------
        ValueError
            If ``n`` is negative.
        """

    def block_entropies(self, n: int) -> NDArray[np.float64]:
        """Entropies of blocks of 1 to n symbols, ``H_1, ..., H_n``.

        Parameters
        ----------
        n : int
            At least 1; the work grows as V^n.

        Returns
        -------
        array of float64, shape (n,)
            Nats.

        Raises
        ------
        ValueError
            If ``n`` is below 1.
        """
        law = self.block_law(check_count("n", n, 1))
        found = np.empty(n)
        for length in range(n, 0, -1):
            found[length - 1] = entr(law).sum()
            law = law.sum(-1)
        return found

    def block_entropy(self, n: int) -> float:
        """Entropy of n successive symbols, ``H_n``, nats; see :meth:`block_entropies`."""
        return float(self.block_entropies(n)[-1])

    def block_conditional_entropies(self, n: int) -> NDArray[np.float64]:
        """Entropy of the k-th symbol given the k - 1 before it, for k = 1 to n: ``H_k - H_{k-1}``.

        Parameters
        ----------
        n : int
            At least 1.

        Returns
        -------
        array of float64, shape (n,)
            Nats; never grows with k, and tends to the entropy rate.

        Raises
        ------
        ValueError
            If ``n`` is below 1.
        """
        return np.diff(self.block_entropies(n), prepend=0.0)

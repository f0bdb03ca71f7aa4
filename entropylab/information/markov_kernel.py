"""Markov kernels between finite sets: the category FinStoch (Fritz 2020; Zhang 2025, section 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entropylab.sources.stochastic import check_rows


class MarkovKernel:
    """A Markov kernel from a set X to a set Y: for every x a distribution over Y.

    Parameters
    ----------
    matrix : array_like of float, shape (|X|, |Y|)
        Row x is the distribution of y given x. A distribution over Y is a kernel with one row.

    Raises
    ------
    ValueError
        If the array is not a matrix, or a row is not a distribution (to within 1e-9).
    """

    def __init__(self, matrix: ArrayLike) -> None:
        array = np.asarray(matrix, dtype=np.float64)
        if array.ndim != 2:
            raise ValueError(f"matrix: got shape {array.shape}, allowed is (|X|, |Y|)")
        self.matrix = check_rows("matrix", array)

    @classmethod
    def function(cls, values: Sequence[int], size: int) -> MarkovKernel:
        """The deterministic kernel of a function.

        Parameters
        ----------
        values : sequence of int
            The value at each x.
        size : int
            |Y|.

        Returns
        -------
        MarkovKernel

        Raises
        ------
        ValueError
            If a value is not in 0 to size - 1.
        """
        places = np.asarray(values, dtype=np.int64)
        if places.ndim != 1 or not places.size or not (places.min() >= 0 and places.max() < size):
            raise ValueError(f"values: got {places}, allowed are numbers from 0 to {size - 1}")
        return cls(np.eye(size)[places])

    @classmethod
    def identity(cls, size: int) -> MarkovKernel:
        """The kernel from a set of ``size`` elements to itself that changes nothing."""
        return cls.function(range(_size(size)), size)

    @classmethod
    def copy(cls, size: int) -> MarkovKernel:
        """The kernel x to (x, x), shape (size, size^2); the pair (x, y) is the element ``x * size + y``."""
        return cls.function([x * size + x for x in range(_size(size))], size * size)

    @classmethod
    def discard(cls, size: int) -> MarkovKernel:
        """The kernel to the set of one element, shape (size, 1)."""
        return cls(np.ones((_size(size), 1)))

    @property
    def shape(self) -> tuple[int, int]:
        """|X| and |Y|."""
        rows, columns = self.matrix.shape
        return rows, columns

    def then(self, other: MarkovKernel) -> MarkovKernel:
        """This kernel, followed by another one.

        Parameters
        ----------
        other : MarkovKernel
            From Y to Z.

        Returns
        -------
        MarkovKernel
            From X to Z: the product of the matrices.

        Raises
        ------
        ValueError
            If the other kernel does not start where this one ends.
        """
        if self.shape[1] != other.shape[0]:
            raise ValueError(
                f"other: got a kernel of {other.shape[0]} inputs, allowed is one of {self.shape[1]} inputs"
            )
        return MarkovKernel(self.matrix @ other.matrix)

    def tensor(self, other: MarkovKernel) -> MarkovKernel:
        """Both kernels side by side, with independent noise.

        Parameters
        ----------
        other : MarkovKernel
            From X' to Y'.

        Returns
        -------
        MarkovKernel
            From X x X' to Y x Y': the Kronecker product of the matrices.
        """
        return MarkovKernel(np.kron(self.matrix, other.matrix))

    def is_deterministic(self, tolerance: float = 1e-12) -> bool:
        """Whether every row is a point mass.

        Equivalent to the definition in a Markov category: copying the output is the same as running the kernel on two
        copies of the input.

        Parameters
        ----------
        tolerance : float
            How far an entry may be from 0 or 1.

        Returns
        -------
        bool
        """
        return bool((np.minimum(self.matrix, 1 - self.matrix) <= tolerance).all())

    def push(self, law: ArrayLike) -> NDArray[np.float64]:
        """Law of y if x follows a law.

        Parameters
        ----------
        law : array_like of float, shape (..., |X|)

        Returns
        -------
        array of float64, shape (..., |Y|)

        Raises
        ------
        ValueError
            If the law is no distribution over X.
        """
        laws = check_rows("law", law)
        if laws.shape[-1] != self.shape[0]:
            raise ValueError(f"law: got {laws.shape[-1]} outcomes, allowed is {self.shape[0]}")
        return np.asarray(laws @ self.matrix)

    def joint(self, law: ArrayLike) -> NDArray[np.float64]:
        """Law of the pair (x, y) if x follows a law.

        Parameters
        ----------
        law : array_like of float, shape (|X|,)

        Returns
        -------
        array of float64, shape (|X|, |Y|)

        Raises
        ------
        ValueError
            If the law is no distribution over X.
        """
        laws = check_rows("law", law)
        if laws.shape != self.shape[:1]:
            raise ValueError(f"law: got shape {laws.shape}, allowed is {self.shape[:1]}")
        return np.asarray(laws[:, None] * self.matrix)


def _size(size: int) -> int:
    if size < 1:
        raise ValueError(f"size: got {size}, allowed is 1 or more")
    return size

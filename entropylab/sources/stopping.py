"""A source that may stop at any step: strings of geometric length over equally likely symbols, all exactly known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class StoppingSource:
    """Before each symbol the source stops with a fixed probability; else all symbols are equally likely.

    Parameters
    ----------
    stop : float
        Probability to stop, in (0, 1).
    symbols : int
        Number of content symbols k, 1 to 26. The end symbol has the number k.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(self, stop: float, symbols: int = 4) -> None:
        if not 0 < stop < 1:
            raise ValueError(f"stop: got {stop}, allowed are numbers between 0 and 1")
        if not 1 <= symbols <= 26:
            raise ValueError(f"symbols: got {symbols}, allowed is 1 to 26")
        self.stop, self.symbols = float(stop), int(symbols)

    @property
    def end(self) -> int:
        """Number of the end symbol."""
        return self.symbols

    @property
    def mean_length(self) -> float:
        """Expected number of content symbols, ``(1 - e) / e``."""
        return (1 - self.stop) / self.stop

    @property
    def step_entropy(self) -> float:
        """Entropy of a step, nats."""
        each = (1 - self.stop) / self.symbols
        return -self.stop * math.log(self.stop) - (1 - self.stop) * math.log(each)

    def next_log_p(self, so_far: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """Log-probabilities of the next symbol, shape (k + 1,); the last one is the end. The past does not matter."""
        log_p = np.full(self.symbols + 1, math.log((1 - self.stop) / self.symbols))
        log_p[self.end] = math.log(self.stop)
        return log_p

    def log_probability(self, length: int) -> float:
        """Log-probability of each string of a length, nats.

        Raises
        ------
        ValueError
            If the length is negative.
        """
        if length < 0:
            raise ValueError(f"length: got {length}, allowed is 0 or more")
        log_p = self.next_log_p()
        return float(length * log_p[0] + log_p[self.end])

    def sample(self, count: int, *, seed: int | np.random.Generator) -> list[str]:
        """Draw strings over the letters a, b, ...; lengths are geometric and never cut.

        Raises
        ------
        ValueError
            If the count is below 1.
        """
        if count < 1:
            raise ValueError(f"count: got {count}, allowed is 1 or more")
        generator = np.random.default_rng(seed)
        lengths = generator.geometric(self.stop, count) - 1
        letters = generator.integers(self.symbols, size=int(lengths.sum())).astype(np.uint8) + ord("a")
        text = letters.astype(np.uint8).tobytes().decode("ascii")
        ends = np.concatenate([[0], lengths.cumsum()])
        return [text[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]

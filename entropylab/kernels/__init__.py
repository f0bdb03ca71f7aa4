"""Floor 1: arrays in, arrays out. Entropy statistics and typical filtering of rows of logits.

Three packages hold the same functions with the same signatures:

- ``entropylab.kernels.reference``: NumPy in float64, the definition and the oracle of all tests;
- ``entropylab.kernels.cpu``: Numba, one row per thread;
- ``entropylab.kernels.cuda``: Numba CUDA.

The functions are ``statistics``, ``statistics_backward``, ``fold``, ``fold_backward``, ``typical_filter``,
``typical_sample``, ``concentration`` and ``find_invalid_row``. None of them validates its input;
``entropylab.information``, ``entropylab.decoding`` and ``entropylab.detection`` do that, and choose among the three
by the device of a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Statistics(NamedTuple):
    """Figures of ``softmax(logits / temperature)``, one number per row, in nats.

    The fields are arrays or tensors, depending on who computed them. The same tuple carries
    preallocated outputs (``out=``) and upstream gradients, where a field may be ``None``.

    Attributes
    ----------
    entropy : array
        ``H = -sum p log p``, with ``0 log 0 = 0``.
    varentropy : array
        ``sum p (log p)^2 - H^2``: the variance of the surprisal, in nats squared.
    logsumexp : array
        ``log sum exp(logits / temperature)``.
    max_probability : array
        Probability of the likeliest token.
    surprisal : array or None
        ``-log p[target]``; ``None`` when no targets were given.
    """

    entropy: Any
    varentropy: Any
    logsumexp: Any
    max_probability: Any
    surprisal: Any = None


class Fold(NamedTuple):
    """What is known of ``softmax(z / T)`` after some of the tokens: arrays [N], with ``x = (z - peak) / T``.

    Before the first block: peak -inf, rest -1, first and spread 0, likeliest 0. Blocks of tokens may come in
    any order. At the end ``H = log1p(rest) - first / (1 + rest)``: a sum of two numbers that are not negative,
    so that nothing cancels however confident the row is.

    Attributes
    ----------
    peak : array
        Greatest logit, before the temperature.
    rest : array
        ``sum e^x - 1``: the sum over all tokens but one of the greatest. NaN for a row that is no distribution.
    first : array
        ``sum e^x x``.
    spread : array
        ``sum e^x (x - first / (1 + rest))^2``.
    likeliest : array of int64
        A token with the greatest logit: the first one, if the blocks came in order.
    """

    peak: Any
    rest: Any
    first: Any
    spread: Any
    likeliest: Any


class Concentration(NamedTuple):
    """What the concentration kernel says of each sequence of a ragged batch, in nats.

    ``s`` is the surprisal of a token, ``H`` the entropy and ``V`` the varentropy of its distribution, and
    ``psi(lambda) = ln sum p^(1 - lambda) - lambda H``. All but ``log_e`` are arrays [B].

    Attributes
    ----------
    length : array of int64
        Number of tokens N.
    surprisal, entropy, varentropy : array
        Sums over the tokens.
    gap : array
        ``T = (sum H - sum s) / N``: positive for a text that is likelier than the model's own. NaN if empty.
    standardised : array
        ``z = sum (H - s) / sqrt(sum V)``; 0 where the numerator is 0. NaN if empty.
    p_unlikely, p_likely : array
        Bounds on the probability, under the model, of a gap as far below 0, and above 0, as this one.
    log_e : array [B, G]
        ``lambda sum (s - H) - sum psi(lambda)`` after the last token, for each lambda of the grid.
    log_mixture : array
        Logarithm of the weighted mean of the e-values after the last token.
    log_supremum : array
        Largest logarithm of the mixture after any token, at least 0 (its value before the first).
    stopping_time : array of int64
        Tokens read when the mixture first reached the threshold; -1 if it never did.
    """

    length: Any
    surprisal: Any
    entropy: Any
    varentropy: Any
    gap: Any
    standardised: Any
    p_unlikely: Any
    p_likely: Any
    log_e: Any
    log_mixture: Any
    log_supremum: Any
    stopping_time: Any

    @classmethod
    def of_rows(cls, length: Any, rows: Sequence[Any], log_e: Any, stopping_time: Any) -> Concentration:
        """Name what a kernel wrote.

        Parameters
        ----------
        length, log_e, stopping_time : array
            As the fields.
        rows : sequence of nine arrays [B]
            The three sums, gap, ``standardised``, the two tail bounds, ``log_mixture`` and ``log_supremum``.
        """
        s, h, v, gap, z, unlikely, likely, mixture, supremum = rows
        return cls(length, s, h, v, gap, z, unlikely, likely, log_e, mixture, supremum, stopping_time)


__all__ = ["Concentration", "Fold", "Statistics"]

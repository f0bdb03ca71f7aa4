"""Floor 1: arrays in, arrays out. Entropy statistics and typical filtering of rows of logits.

Three packages hold the same functions with the same signatures:

- ``entropylab.kernels.reference``: NumPy in float64, the definition and the oracle of all tests;
- ``entropylab.kernels.cpu``: Numba, one row per thread;
- ``entropylab.kernels.cuda``: Numba CUDA.

The functions are ``statistics``, ``statistics_backward``, ``typical_filter``, ``typical_sample`` and
``find_invalid_row``. None of them validates its input; ``entropylab.information`` and
``entropylab.decoding`` do that, and choose among the three by the device of a tensor.
"""

from __future__ import annotations

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


__all__ = ["Statistics"]

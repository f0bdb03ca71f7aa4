"""The filters as processors for ``model.generate`` of transformers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import LogitsProcessor

from entropylab.decoding.typical import typical_filter
from entropylab.information.validation import check_count, check_mass


class TypicalLogitsProcessor(LogitsProcessor):
    """Locally typical truncation for ``model.generate(logits_processor=[TypicalLogitsProcessor(0.2)])``.

    It does what ``typical_p`` does, by the fast kernels. Note that ``generate`` runs a processor of the user
    before its own temperature and top-k, and that its top-k is 50 unless ``top_k=0`` is given.

    Parameters
    ----------
    mass : float
        Probability that the kept set must hold, in (0, 1].
    min_tokens_to_keep : int
        At least 1.
    filter_value : float
        What the other logits become.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.
    """

    def __init__(self, mass: float, *, min_tokens_to_keep: int = 1, filter_value: float = -math.inf) -> None:
        self.mass = check_mass(mass)
        self.min_tokens_to_keep = check_count(min_tokens_to_keep, "min_tokens_to_keep")
        self.filter_value = float(filter_value)

    def __call__(self, input_ids: torch.LongTensor, scores: Tensor) -> Tensor:
        """Filter the scores [batch, V] of the next token; the tokens so far do not matter."""
        return typical_filter(
            scores, self.mass, min_tokens_to_keep=self.min_tokens_to_keep, filter_value=self.filter_value
        )

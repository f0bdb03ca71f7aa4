"""Floor 4: choosing the next token. Filters on logits, a sampler, and measures of what they wrote."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from entropylab.decoding.entropy_adaptive import EntropySwitch, parameter_weighted_cost, rolling_mean
from entropylab.decoding.entropy_adaptive_controls import masks_from_signal, matched_random_masks
from entropylab.decoding.filters import eta_filter, min_p_filter, top_k_filter, top_p_filter
from entropylab.decoding.text_metrics import distinct_ngrams, repetition_rate, zipf_exponent
from entropylab.decoding.typical import typical_filter, typical_sample

if TYPE_CHECKING:
    from entropylab.decoding.entropy_adaptive_decoder import EntropyAdaptiveDecoder, SwitchedText
    from entropylab.decoding.processors import TypicalLogitsProcessor

__all__ = [
    "EntropyAdaptiveDecoder",
    "EntropySwitch",
    "SwitchedText",
    "TypicalLogitsProcessor",
    "distinct_ngrams",
    "eta_filter",
    "masks_from_signal",
    "matched_random_masks",
    "min_p_filter",
    "parameter_weighted_cost",
    "repetition_rate",
    "rolling_mean",
    "top_k_filter",
    "top_p_filter",
    "typical_filter",
    "typical_sample",
    "zipf_exponent",
]


# They derive from classes of transformers, whose import takes seconds that the filters need not cost.
_LAZY = {
    "EntropyAdaptiveDecoder": "entropylab.decoding.entropy_adaptive_decoder",
    "SwitchedText": "entropylab.decoding.entropy_adaptive_decoder",
    "TypicalLogitsProcessor": "entropylab.decoding.processors",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

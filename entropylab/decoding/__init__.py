"""Floor 4: choosing the next token. Filters on logits, a sampler, and measures of what they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entropylab.decoding.filters import eta_filter, min_p_filter, top_k_filter, top_p_filter
from entropylab.decoding.text_metrics import distinct_ngrams, repetition_rate, zipf_exponent
from entropylab.decoding.typical import typical_filter, typical_sample

if TYPE_CHECKING:
    from entropylab.decoding.processors import TypicalLogitsProcessor

__all__ = [
    "TypicalLogitsProcessor",
    "distinct_ngrams",
    "eta_filter",
    "min_p_filter",
    "repetition_rate",
    "top_k_filter",
    "top_p_filter",
    "typical_filter",
    "typical_sample",
    "zipf_exponent",
]


def __getattr__(name: str) -> Any:
    # It derives from a class of transformers, whose import takes seconds that the filters need not cost.
    if name == "TypicalLogitsProcessor":
        from entropylab.decoding.processors import TypicalLogitsProcessor

        return TypicalLogitsProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

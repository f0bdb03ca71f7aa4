"""Who gets the credit for a reward: rules that weight tokens or prompts of a policy gradient, a short file each."""

from entropylab.reasoning.credit.base import Batch, Credit
from entropylab.reasoning.credit.entropy_mask import EntropyMask, entropy_mask
from entropylab.reasoning.credit.semantic_entropy import ConstantScale, SemanticEntropyScale, seed_weight

__all__ = [
    "Batch",
    "ConstantScale",
    "Credit",
    "EntropyMask",
    "SemanticEntropyScale",
    "entropy_mask",
    "seed_weight",
]

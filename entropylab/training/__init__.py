"""Floor 4: losses and architectures, and what they cost."""

from __future__ import annotations

from entropylab.training.batch_memory import MODELS, ModelSize, largest_batch, logit_share

__all__ = ["MODELS", "ModelSize", "largest_batch", "logit_share"]

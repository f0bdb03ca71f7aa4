"""Floor 2: differentiable measures of the distributions that logits stand for, on torch tensors, in nats."""

from __future__ import annotations

from entropylab.information.backends import backend, use_backend
from entropylab.information.cross_entropy import cross_entropy
from entropylab.information.entropy import entropy
from entropylab.information.gradient_filter import GradientFilter
from entropylab.information.jensen_shannon_divergence import jensen_shannon_divergence
from entropylab.information.kl_divergence import kl_divergence
from entropylab.information.linear_cross_entropy import linear_cross_entropy
from entropylab.information.linear_kl_divergence import linear_kl_divergence
from entropylab.information.linear_token_statistics import linear_token_statistics
from entropylab.information.linear_top_k import TopK, linear_top_k
from entropylab.information.renyi_entropy import renyi_entropy
from entropylab.information.surprisal import surprisal
from entropylab.information.temperature_scaled_surprisal import temperature_scaled_surprisal
from entropylab.information.token_statistics import token_statistics
from entropylab.information.tsallis_entropy import tsallis_entropy
from entropylab.information.varentropy import varentropy
from entropylab.kernels import Statistics as TokenStatistics

__all__ = [
    "GradientFilter",
    "TokenStatistics",
    "TopK",
    "backend",
    "cross_entropy",
    "entropy",
    "jensen_shannon_divergence",
    "kl_divergence",
    "linear_cross_entropy",
    "linear_kl_divergence",
    "linear_token_statistics",
    "linear_top_k",
    "renyi_entropy",
    "surprisal",
    "temperature_scaled_surprisal",
    "token_statistics",
    "tsallis_entropy",
    "use_backend",
    "varentropy",
]

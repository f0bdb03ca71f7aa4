"""Synthetic sources whose entropies are known exactly."""

from entropylab.sources.hmm import HMM, RateBounds
from entropylab.sources.markov import MarkovChain
from entropylab.sources.markov_order import HighOrderMarkovChain
from entropylab.sources.pcfg import PCFG, Derivations
from entropylab.sources.stationary import StationarySource

__all__ = [
    "HMM",
    "PCFG",
    "Derivations",
    "HighOrderMarkovChain",
    "MarkovChain",
    "RateBounds",
    "StationarySource",
]

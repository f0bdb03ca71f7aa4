"""Synthetic sources whose entropies are known exactly."""

from entropylab.sources.markov import MarkovChain

__all__ = ["MarkovChain"]

"""Synthetic sources whose entropies are known exactly."""

from entropylab.sources.bit_sources import sha256_bits, shift_register_bits
from entropylab.sources.cellular_automaton import evolve, random_rows
from entropylab.sources.hmm import HMM, RateBounds
from entropylab.sources.markov import MarkovChain
from entropylab.sources.markov_order import HighOrderMarkovChain
from entropylab.sources.pcfg import PCFG, Derivations
from entropylab.sources.residue_chains import ResidueChains, StatedResidues
from entropylab.sources.stationary import StationarySource

__all__ = [
    "HMM",
    "PCFG",
    "Derivations",
    "HighOrderMarkovChain",
    "MarkovChain",
    "RateBounds",
    "ResidueChains",
    "StatedResidues",
    "StationarySource",
    "evolve",
    "random_rows",
    "sha256_bits",
    "shift_register_bits",
]

"""Floor 6: score a corpus of any size with a model, on one machine or on a Ray cluster; ``entropylab score``."""

from entropylab.scoring.run import Summary, score_corpus
from entropylab.scoring.settings import Settings

__all__ = ["Settings", "Summary", "score_corpus"]

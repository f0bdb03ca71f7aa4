"""What the chapters use to tell their story: scorecards, figures, scales, exercises, the first cell."""

from __future__ import annotations

from entropylab.book.chain_explorer import ChainCut, chain_explorer
from entropylab.book.cluster_explorer import cluster_explorer
from entropylab.book.colab import bootstrap
from entropylab.book.exercises import check
from entropylab.book.figures import figure_style, show
from entropylab.book.interactive import typical_explorer
from entropylab.book.scales import scale, settings
from entropylab.book.scatter_explorer import scatter_explorer
from entropylab.book.scorecard import Scorecard
from entropylab.book.text_explorer import text_explorer

__all__ = [
    "ChainCut",
    "Scorecard",
    "bootstrap",
    "chain_explorer",
    "check",
    "cluster_explorer",
    "figure_style",
    "scale",
    "scatter_explorer",
    "settings",
    "show",
    "text_explorer",
    "typical_explorer",
]

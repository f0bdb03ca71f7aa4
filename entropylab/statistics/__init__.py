"""Small statistics that several chapters share, where scipy, statsmodels and scikit-learn have none."""

from entropylab.statistics.calibration import expected_calibration_error
from entropylab.statistics.edit_distance import levenshtein
from entropylab.statistics.paired import (
    Interval,
    bootstrap_clusters,
    bootstrap_items,
    mcnemar_exact,
    paired_bootstrap,
    paired_t_interval,
)
from entropylab.statistics.ranking import auroc
from entropylab.statistics.regression import LogisticFit, logit_glm, variance_inflation
from entropylab.statistics.representation import linear_cka

__all__ = [
    "Interval",
    "LogisticFit",
    "auroc",
    "bootstrap_clusters",
    "bootstrap_items",
    "expected_calibration_error",
    "levenshtein",
    "linear_cka",
    "logit_glm",
    "mcnemar_exact",
    "paired_bootstrap",
    "paired_t_interval",
    "variance_inflation",
]

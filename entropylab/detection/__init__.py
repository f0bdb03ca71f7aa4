"""Floor 4: whose text is this? Tests of authorship with guaranteed error rates, detection scores, attribution."""

from entropylab.detection.attribution import (
    LikelihoodRatioTest,
    attribute,
    attribute_sets,
    bhattacharyya_coefficient,
    bhattacharyya_error_bound,
    likelihood_ratio_test,
    reject_all_members,
)
from entropylab.detection.bounds import (
    azuma_bound,
    freedman_bound,
    freedman_p_value,
    gap_tail_bound,
    gap_threshold,
    generator_tail_bound,
    smoothed_width,
    varentropy_max,
)
from entropylab.detection.concentration import (
    ConcentrationResult,
    ConcentrationTest,
    concentration_figures,
    concentration_test,
)
from entropylab.detection.evaluation import AucDifference, bootstrap_auc_difference, roc_auc, tpr_at_fpr
from entropylab.detection.evidence import (
    TokenEvidence,
    generate_with_evidence,
    ids_evidence,
    text_evidence,
    token_evidence,
)
from entropylab.detection.markov_texts import (
    markov_evidence,
    markov_rivals,
    sample_texts,
    transition_cross_entropies,
    truncated,
)
from entropylab.detection.renyi_cgf import LAMBDAS, renyi_cgf
from entropylab.detection.scores import (
    binoculars,
    entropy_gap,
    fast_detectgpt,
    log_perplexity,
    mean_entropy,
    standardised_gap,
)

__all__ = [
    "LAMBDAS",
    "AucDifference",
    "ConcentrationResult",
    "ConcentrationTest",
    "LikelihoodRatioTest",
    "TokenEvidence",
    "attribute",
    "attribute_sets",
    "azuma_bound",
    "bhattacharyya_coefficient",
    "bhattacharyya_error_bound",
    "binoculars",
    "bootstrap_auc_difference",
    "concentration_figures",
    "concentration_test",
    "entropy_gap",
    "fast_detectgpt",
    "freedman_bound",
    "freedman_p_value",
    "gap_tail_bound",
    "gap_threshold",
    "generate_with_evidence",
    "generator_tail_bound",
    "ids_evidence",
    "likelihood_ratio_test",
    "log_perplexity",
    "markov_evidence",
    "markov_rivals",
    "mean_entropy",
    "reject_all_members",
    "renyi_cgf",
    "roc_auc",
    "sample_texts",
    "smoothed_width",
    "standardised_gap",
    "text_evidence",
    "token_evidence",
    "tpr_at_fpr",
    "transition_cross_entropies",
    "truncated",
    "varentropy_max",
]

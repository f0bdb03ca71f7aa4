"""Floor 4: what training leaves behind in a language model, and how people's reading compares."""

from entropylab.cognition.alignment import lag_profile, realigned, shift_fits
from entropylab.cognition.reading_times import (
    ReadingTimes,
    Regression,
    best_temperature,
    delta_log_likelihood,
    held_out_log_likelihood,
    lagged,
    matched_pairs,
    rolled_by_half,
)
from entropylab.cognition.surprisal_temperature import ScaledWords
from entropylab.cognition.word_scores import (
    WordScores,
    aggregate_to_words,
    score_stories,
    scores_table,
    word_scores,
)

__all__ = [
    "ReadingTimes",
    "Regression",
    "ScaledWords",
    "WordScores",
    "aggregate_to_words",
    "best_temperature",
    "delta_log_likelihood",
    "held_out_log_likelihood",
    "lag_profile",
    "lagged",
    "matched_pairs",
    "realigned",
    "rolled_by_half",
    "score_stories",
    "scores_table",
    "shift_fits",
    "word_scores",
]

"""Load any causal language model, score texts with it, sample from it, and train the models of the zoo."""

from entropylab.models.generation import Generation, generate, sample
from entropylab.models.loading import list_models, load, model_folder
from entropylab.models.ngram import KneserNeyConfig, KneserNeyLM, train_kneser_ney
from entropylab.models.scoring import bits_per_byte, score_text

__all__ = [
    "Generation",
    "KneserNeyConfig",
    "KneserNeyLM",
    "bits_per_byte",
    "generate",
    "list_models",
    "load",
    "model_folder",
    "sample",
    "score_text",
    "train_kneser_ney",
]

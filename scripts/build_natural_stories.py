"""Rebuild the tables of the Natural Stories corpus: reading times and what our models say of each word, as numbers.

``natural_stories``: a row a word, in reading order. Story, position, readers, reading times as filed, length, log count
in the training text of our models, and whether the word is plain.
``natural_stories_<model>``: a row a word. Number of subwords; in nats, summed surprisal ``s_<T>`` and Renyi entropy of
order 1/T ``h_<T>``, and the surprisal ``o_<T>`` of some new word where this one begins.
``natural_stories_davinci``: a row a word. Number of subwords and summed surprisal ``s_1`` under GPT-3, from the corpus.
``natural_stories_calibration``: for each model and temperature, what the likeliest tokens promise and how often they
come, in 15 bins of equal width.

Run: ``python scripts/build_natural_stories.py [MODEL...]`` (downloads the corpus and the novels, or reads them where
ENTROPYLAB_MIRROR says). Without models, all of the English family that are in the zoo are scored, about half a minute
each; a new one is added by its name, such as ``english-m``.
No word of the corpus enters a table. Its licence, CC BY-NC-SA 4.0, goes with all of them.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

import entropylab.data
from entropylab.cognition import WordScores, aggregate_to_words, score_stories, scores_table
from entropylab.data import (
    list_tables,
    load_table,
    read_davinci_tokens,
    read_natural_stories,
    read_novels,
)
from entropylab.data.natural_stories import ATTRIBUTION, LICENCE
from entropylab.files import atomic_write
from entropylab.models import list_models, load
from entropylab.models.recipes import read_recipe
from entropylab.statistics import expected_calibration_error

MODELS = ("english-trigram", "english-xs", "english-s", "english-m")
TEMPERATURES = (0.5, 0.6, 0.7, 0.85, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 5, 7, 10, 1000)
RENYI = tuple(t for t in TEMPERATURES if 1 < t <= 10)
OPENING = (1, 1.5, 2, 2.5, 3)
CALIBRATION = tuple(round(0.1 * step, 1) for step in range(7, 21))
BINS = 15
PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z']*[A-Za-z])?")
FOLDER = Path(entropylab.data.__file__).parent / "tables"


def normal_form(word: str) -> str:
    """Lower case, without punctuation at its ends."""
    return re.sub(r"^[^a-z0-9]+|[^a-z0-9]+$", "", word.lower())


def word_counts() -> Counter[str]:
    """How often each word stands in the novels that the English models were trained on."""
    counts: Counter[str] = Counter()
    for novel in read_novels(read_recipe("english-s").train):
        # Two hyphens are the novels' dash and end a word; one hyphen does not.
        words = re.split(r"\s+|--+", novel.text.replace("\u2019", "'"))
        counts.update(normal_form(word) for word in words)
    return counts


def words_table(corpus: pd.DataFrame) -> pd.DataFrame:
    """The corpus without its words: numbers that describe them."""
    counts = word_counts()
    words = corpus["word"]
    return pd.DataFrame(
        {
            "story": corpus["story"].astype(np.int8),
            "position": corpus["position"].astype(np.int16),
            "readers": corpus["readers"].astype(np.int16),
            "mean_ms": corpus["mean_ms"],
            "geometric_mean_ms": corpus["geometric_mean_ms"],
            "characters": np.array([sum(map(str.isalnum, word)) for word in words], dtype=np.int8),
            "log_count": np.log1p([counts[normal_form(word)] for word in words]),
            "plain": [PLAIN.fullmatch(word) is not None for word in words],
        }
    )


def score(corpus: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A model's scores of all words, and its calibration."""
    model, tokenizer = load(f"lab/{name}")
    scores = score_stories(corpus, model, tokenizer, TEMPERATURES, calibration=CALIBRATION)
    table = scores_table(scores, TEMPERATURES)
    kept = ["subwords"] + [f"s_{t:g}" for t in TEMPERATURES]
    kept += [f"h_{t:g}" for t in RENYI] + [f"o_{t:g}" for t in OPENING]
    table = table[kept].astype({"subwords": np.int8})
    table.attrs = {
        "model": f"lab/{name}",
        "vocabulary": int(model.config.vocab_size),
        "parameters": int(sum(p.numel() for p in model.parameters())),  # 0 for the trigram, which has counts
        "nats_a_subword": float(
            scores.surprisal[TEMPERATURES.index(1)].sum(dtype=float) / scores.subwords.sum()
        ),
    }
    return table, calibration_bins(scores, name)


def davinci_table(corpus: pd.DataFrame) -> pd.DataFrame:
    """What GPT-3 says of each word: its tokens' surprisals, added up. The first token of a story counts nothing."""
    parts = []
    for story, tokens in read_davinci_tokens().groupby("story"):
        words = corpus.loc[corpus["story"] == story, "word"]
        # One word is spelled otherwise in this file, at the same length; so places are compared, not letters.
        word_of_letter = np.repeat(np.arange(len(words)), words.str.len() + 1)[1:]
        ends = tokens["token"].str.len().cumsum().to_numpy()
        starts = np.r_[0, ends[:-1]]
        if ends[-1] != len(word_of_letter) or np.any(word_of_letter[starts] != word_of_letter[ends - 1]):
            raise ValueError(f"story {story}: the tokens of GPT-3 are not those of its words")
        word_of = word_of_letter[starts]
        sums = aggregate_to_words(tokens["surprisal"].fillna(0.0), word_of)
        parts.append(
            pd.DataFrame({"subwords": np.bincount(word_of).astype(np.int8), "s_1": sums.astype(np.float32)})
        )
    return pd.concat(parts, ignore_index=True)


def calibration_bins(scores: WordScores, name: str) -> pd.DataFrame:
    """Sums of confidence and of hits in bins of equal width, for each temperature."""
    rows = []
    for temperature, confidence in zip(CALIBRATION, scores.confidence.astype(np.float64), strict=True):
        place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        sums = {
            "tokens": np.bincount(place, minlength=BINS),
            "confidence": np.bincount(place, weights=confidence, minlength=BINS),
            "correct": np.bincount(place, weights=scores.correct, minlength=BINS).astype(np.int64),
        }
        error = np.abs(sums["confidence"] - sums["correct"]).sum() / len(confidence)
        assert abs(error - expected_calibration_error(confidence, scores.correct, n_bins=BINS)) < 1e-12
        rows.append(
            pd.DataFrame({"model": f"lab/{name}", "temperature": temperature, "bin": range(BINS), **sums})
        )
    return pd.concat(rows, ignore_index=True)


def write(table: pd.DataFrame, name: str, made: str) -> None:
    """Write a table with its source and the corpus's licence."""
    table.attrs |= {"source": f"{ATTRIBUTION}. {made}", "licence": LICENCE}
    with atomic_write(FOLDER / f"{name}.parquet") as partial:
        table.to_parquet(partial, index=False, compression="zstd")


def main(names: list[str]) -> None:
    """Read the corpus, score it with the models named, and write the tables."""
    corpus = read_natural_stories()
    write(
        words_table(corpus), "natural_stories", "Words replaced by numbers; log counts from 83 English novels"
    )
    write(
        davinci_table(corpus),
        "natural_stories_davinci",
        "GPT-3's log-probabilities of tokens, summed over words",
    )
    calibration = {}
    if "natural_stories_calibration" in list_tables():
        before = load_table("natural_stories_calibration")
        calibration = {str(model): bins for model, bins in before.groupby("model", sort=False)}
    for name in names:
        table, calibration[f"lab/{name}"] = score(corpus, name)
        write(table, f"natural_stories_{name}", f"Computed by this project with lab/{name}")
        print(
            f"{name}: {table.attrs['nats_a_subword']:.3f} nats a subword, {table['subwords'].sum()} subwords"
        )
        order = [f"lab/{model}" for model in MODELS if f"lab/{model}" in calibration]
        bins = pd.concat([calibration[model] for model in order], ignore_index=True)
        write(bins, "natural_stories_calibration", "Computed by this project from its models")


if __name__ == "__main__":
    there = [name for name in MODELS if f"lab/{name}" in list_models()]
    if unknown := set(sys.argv[1:]) - set(there):
        sys.exit(f"models: got {', '.join(sorted(unknown))}, allowed are {', '.join(there)}")
    main(sys.argv[1:] or there)

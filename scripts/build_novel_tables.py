"""Rebuild the tables of human text: what the zoo's models say of test novels, as numbers only.

``novel_tokens``: surprisal and entropy of each token of 40 passages, under each model.
``novel_passages``: how repetitive and how varied each passage is.

Run: ``python scripts/build_novel_tables.py`` (downloads the novels, or reads them where ENTROPYLAB_MIRROR
says).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import entropylab.data
from entropylab.data import read_novels
from entropylab.decoding import distinct_ngrams, repetition_rate, zipf_exponent
from entropylab.files import atomic_write
from entropylab.models import load, score_text
from entropylab.models.recipes import read_recipe

MODELS = ("lab/english-s", "lab/english-trigram")
PASSAGES_A_BOOK = 8
TOKENS = 160
SOURCE = (
    "Computed by this project from five test novels of the corpus '100 English Novels' (Computational Stylistics "
    "Group), which no model of the zoo was trained on"
)


def passages(table: pd.DataFrame) -> list[slice]:
    """Evenly spaced passages, away from the title page and the last page."""
    starts = np.linspace(0.1, 0.9, PASSAGES_A_BOOK) * len(table)
    return [slice(int(start), int(start) + TOKENS) for start in starts]


def main() -> None:
    """Score the test novels and write both tables."""
    novels = read_novels(read_recipe("english-s").test)
    tokens, texts, rows = [], [], []
    for model_name in MODELS:
        model, tokenizer = load(model_name)
        for novel in novels:
            table = score_text(novel.text, model, tokenizer)
            for number, place in enumerate(passages(table)):
                part = table[place]
                tokens.append(
                    pd.DataFrame(
                        {
                            "model": model_name,
                            "book": novel.name,
                            "passage": np.int16(number),
                            "position": np.arange(TOKENS, dtype=np.int16),
                            "surprisal": part["surprisal"].to_numpy(np.float32),
                            "entropy": part["entropy"].to_numpy(np.float32),
                        }
                    )
                )
                if model_name == MODELS[0]:  # the models share one tokenizer, so the passages are the same
                    ids = part["token_id"].to_numpy()
                    texts.append(ids)
                    measures = {"repetition": repetition_rate(ids), "distinct": distinct_ngrams(ids)}
                    rows.append({"book": novel.name, "passage": number} | measures)
    attributes = {"source": SOURCE, "licence": "MIT (numbers computed from public-domain texts)"}
    folder = Path(entropylab.data.__file__).parent / "tables"
    write(pd.concat(tokens, ignore_index=True), attributes, folder / "novel_tokens.parquet")
    zipf = {"zipf": zipf_exponent(np.bincount(np.concatenate(texts)))}
    write(pd.DataFrame(rows), attributes | zipf, folder / "novel_passages.parquet")


def write(table: pd.DataFrame, attributes: dict[str, object], path: Path) -> None:
    """Write a table with its source and licence."""
    table.attrs.update(attributes)
    with atomic_write(path) as partial:
        table.to_parquet(partial, index=False)


if __name__ == "__main__":
    main()

"""Rebuild the tables of the Embers of Autoregression chapter: answers of five models, as numbers only.

``embers_items``: lengths and log-probabilities (nats) of input and output of each item.
``embers_responses``: whether a model's answer was right, and its edit distance to the right answer.
``embers_summary``: counts of right answers a cell, with the other prompt styles.
``embers_groups``: accuracies of the two large families, counting and acronyms, by condition (and number).
``embers_linear``, ``embers_adversarial``, ``embers_corpus``, ``embers_regressions``: small tables, see the chapter.

Run: ``python scripts/build_embers_tables.py FOLDER``, where FOLDER holds the CSV files that were recomputed from the
authors' logs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import entropylab.data
from entropylab.files import atomic_write

ATTRIBUTES = {
    "source": "McCoy, Yao, Friedman, Hardy & Griffiths 2024, recomputed from the logs in the repository "
    "tommccoy1/embers-of-autoregression",
    "commit": "5dd6c91ad57cd2d913402b98e4253fda806fbe93",
    "licence": "MIT, Copyright (c) 2024 tommccoy1; comes without warranty of any kind",
}
MODELS = ("gpt-3.5", "gpt-4", "llama-3", "claude-3", "gemini-1.0")
# Tasks that no figure and no claim of the chapter uses.
LEFT_OUT = ("keyboardcot", "keyboardcotdetailed", "keyboardcotreference", "spelling")


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Texts as categories, whole numbers as the smallest integers, the rest as float32."""
    table = table.copy()
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            # Numbers among the conditions (shifts, bins) are texts like all others.
            table[name] = column.astype(str).astype("category")
        elif pd.api.types.is_integer_dtype(column):
            table[name] = pd.to_numeric(column, downcast="unsigned" if column.min() >= 0 else "integer")
        elif column.notna().all() and (column == column.round()).all():
            table[name] = pd.to_numeric(
                column.astype(np.int64), downcast="unsigned" if column.min() >= 0 else "integer"
            )
        else:
            table[name] = column.astype(np.float32)
    return table


def groups(table: pd.DataFrame) -> pd.DataFrame:
    """Right answers of counting and acronyms: a row for each task, condition and number."""
    table = table.assign(number=table["number"].fillna(0).astype(int))
    right = table.groupby(["task", "condition", "number"])[[f"correct_{model}" for model in MODELS]].agg(
        "sum"
    )
    right.columns = pd.Index([name.removeprefix("correct_") for name in right.columns], name="model")
    counts = table.groupby(["task", "condition", "number"]).size().rename("n")
    long = right.stack().rename("n_correct").reset_index()
    return long.merge(counts.reset_index(), on=["task", "condition", "number"])


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """All tables of the chapter, from the CSV files."""

    def csv(name: str) -> pd.DataFrame:
        return pd.read_csv(folder / f"{name}.csv", dtype={"condition": str, "key": str})

    responses, summary, regressions = csv("responses"), csv("summary"), csv("regressions_published")
    used = regressions["model_name"].str.match(r"rot13(?:dec|enc)_|birth")
    return {
        "items": csv("items"),
        "responses": responses[~responses["task"].isin(LEFT_OUT)],
        "summary": summary[~summary["task"].isin(LEFT_OUT)].drop(columns=["accuracy"]),
        "groups": groups(csv("counting_acronym")),
        "linear": csv("linear_function"),
        "adversarial": csv("rot13dec_adversarial"),
        "corpus": csv("corpus_counts"),
        "regressions": regressions.loc[used, ["model_name", "method", "term", "estimate", "std_error", "n"]],
    }


def main() -> None:
    """Write all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the CSV files")
    folder = parser.parse_args().folder
    target = Path(entropylab.data.__file__).parent / "tables"
    for name, table in read(folder).items():
        small = compact(table.reset_index(drop=True))
        if name == "regressions":
            small["estimate"], small["std_error"] = (
                table[column].to_numpy(np.float64) for column in ("estimate", "std_error")
            )
        small.attrs.update(ATTRIBUTES)
        with atomic_write(target / f"embers_{name}.parquet") as partial:
            small.to_parquet(partial, index=False, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()

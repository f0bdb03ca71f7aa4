"""Rebuild the tables of published detection scores: ``python scripts/build_detection_scores.py FOLDER``.

FOLDER holds two numeric extracts, without any text:

- ``fast_detect_gpt/document_scores.csv``, one line a document, made from the result files of Fast-DetectGPT;
- ``atc/mbpp_scores.csv``, one line an item, made from the result files of ATC.

They become ``fast_detect_gpt_scores`` and ``atc_mbpp_scores`` among the package's tables. The script checks them
against the figures that the sources print.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import roc_auc_score

import entropylab.data
from entropylab.files import atomic_write

FAST_DETECT_GPT = {
    "source": "github.com/baoguangsheng/fast-detect-gpt at commit 971b05202bac2bb504d60c0ac0812fea7a8f7c82, "
    "exp_main/results and exp_gpt3to4/results: numbers only",
    "licence": "MIT, (c) Guangsheng Bao",
    "units": "log_likelihood and entropy are means over the tokens of a document, in nats",
}
ATC = {
    "source": "github.com/maorash/ATC at commit e627c4f94dbf61be37a20f7cdb07716bc7bbf5bc, "
    "results/codellama13b_seed_*: numbers only",
    "licence": "MIT, (c) 2025 Maor Ashkenazi, Ofir Brenner",
    "units": "a score is minus the mean entropy of a code's tokens, in nats",
}


def fast_detect_gpt(path: Path) -> pd.DataFrame:
    """One row a document: its origin, and the scores that one evaluator gave it."""
    table = pd.read_csv(path)
    table.columns = [
        "dataset", "generator", "evaluator", "document", "machine", "words", "log_likelihood", "entropy",
        "fast_detectgpt",
    ]  # fmt: skip
    table["machine"] = table["machine"].astype(bool)
    for column in ("dataset", "generator", "evaluator"):
        table[column] = table[column].astype("category")
    table[["document", "words"]] = table[["document", "words"]].astype("int16")
    own = table[table["generator"].astype(str) == table["evaluator"].astype(str)]
    cells = own.groupby(["dataset", "generator"], observed=True)
    areas = cells.apply(
        lambda cell: roc_auc_score(cell["machine"], cell["fast_detectgpt"]), include_groups=False
    )
    if len(areas) != 15 or abs(areas.mean() - 0.9887) > 1e-4:
        raise ValueError(
            f"{path}: got {len(areas)} cells with mean AUROC {areas.mean():.4f}, 15 with .9887 expected"
        )
    return table


def atc_mbpp(path: Path) -> pd.DataFrame:
    """One row a code: who wrote it (human or a model), its task, and the scores of four seeds.

    Six codes have no scores; as in the source's figures, they are left out for their generator only.
    """
    table = pd.read_csv(path)
    table["source"] = table["source"].astype("category")
    human = table[table["source"] == "human"]
    for seeds, expected in ((1, 0.9211), (4, 0.9422)):
        columns = [name for name in table if name.startswith("seed")][:seeds]
        areas = []
        for source in table["source"].cat.categories.drop("human"):
            both = pd.concat([human, table[table["source"] == source]]).dropna()
            areas.append(roc_auc_score(both["source"] == source, both[columns].mean(axis=1)))
        mean = sum(areas) / len(areas)
        if abs(mean - expected) > 1e-4:
            raise ValueError(f"{path}: mean AUROC with {seeds} seeds is {mean:.4f}, expected {expected}")
    return table


def main(folder: Path) -> None:
    """Read both extracts, check them, and write the tables."""
    tables = Path(entropylab.data.__file__).parent / "tables"
    for name, table, attributes in (
        (
            "fast_detect_gpt_scores",
            fast_detect_gpt(folder / "fast_detect_gpt/document_scores.csv"),
            FAST_DETECT_GPT,
        ),
        ("atc_mbpp_scores", atc_mbpp(folder / "atc/mbpp_scores.csv"), ATC),
    ):
        table.attrs.update(attributes)
        with atomic_write(tables / f"{name}.parquet") as partial:
            table.to_parquet(partial, index=False, compression="zstd")
        print(name, table.shape)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

"""Model cards: what a model of the zoo was trained on, how, and how well it predicts text that it never saw."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import transformers
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from entropylab.files import atomic_write
from entropylab.models.corpus import Corpus
from entropylab.models.documents import READERS, Document, read_documents
from entropylab.models.loading import LAB, load
from entropylab.models.ngram import train_kneser_ney
from entropylab.models.recipes import Recipe, Transformer
from entropylab.models.scoring import score_text
from entropylab.statistics import expected_calibration_error

# Rows a card shows; the file beside it has all.
_ROWS = 12


class Run(NamedTuple):
    """Facts of a training run, finished or at a snapshot."""

    recipe: Recipe
    device: str
    seconds: float
    steps: int

    @property
    def name(self) -> str:
        """Name of the model: the recipe's, with the step if there were more to come."""
        plan = self.recipe.model
        unfinished = isinstance(plan, Transformer) and self.steps < plan.schedule.steps
        return f"{self.recipe.name}-step{self.steps}" if unfinished else self.recipe.name


def held_out_table(model_folder: Path, corpus: Corpus, recipe: Recipe, rivals_file: Path) -> pd.DataFrame:
    """Bits per byte of the held-out documents under the model and under its rivals, and the model's calibration.

    Parameters
    ----------
    model_folder : Path
        The model, in Hugging Face format.
    corpus : Corpus
        Training text, from which the Kneser-Ney trigram (not pruned) is counted.
    recipe : Recipe
        Names the held-out documents.
    rivals_file : Path
        Where the rivals' numbers are kept: a run and its snapshots share them.

    Returns
    -------
    pandas.DataFrame
        A row a document: part, document, kilobytes, bits per byte of model, trigram, gzip and xz, and the expected
        calibration error of the model's most likely token.
    """
    model, tokenizer = load(str(model_folder))
    rows = []
    for part, document in _held_out(recipe):
        scores = pd.concat([score_text(text, model, tokenizer) for text in document.texts])
        calibration = _calibration_error(scores)
        rows.append((part, document.name, _bits(scores) / document.bytes, calibration))
    own = pd.DataFrame(rows, columns=["part", "document", "model", "calibration error"])
    if not rivals_file.exists():
        with atomic_write(rivals_file) as path:
            _rivals(tokenizer, corpus, recipe).to_csv(path, index=False)
    table = own.merge(pd.read_csv(rivals_file), on=["part", "document"], validate="one_to_one")
    return table[["part", "document", "kB", "model", "trigram", "gzip -9", "xz -9", "calibration error"]]


def _held_out(recipe: Recipe) -> Iterator[tuple[str, Document]]:
    for part, names in (("validation", recipe.validation), ("test", recipe.test)):
        for document in read_documents(recipe.corpus, names, recipe.options):
            yield part, document


def _rivals(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, recipe: Recipe) -> pd.DataFrame:
    trigram = train_kneser_ney(corpus.tokens, len(tokenizer))
    rows = []
    for part, document in _held_out(recipe):
        content = "\n".join(document.texts).encode()
        bits = sum(_bits(score_text(text, trigram, tokenizer)) for text in document.texts)
        rows.append(
            {
                "part": part,
                "document": document.name,
                "kB": round(document.bytes / 1000),
                "trigram": bits / document.bytes,
                "gzip -9": 8 * len(gzip.compress(content, 9)) / len(content),
                "xz -9": 8 * len(lzma.compress(content, preset=9)) / len(content),
            }
        )
    return pd.DataFrame(rows)


def _bits(scores: pd.DataFrame) -> float:
    return float(scores["surprisal"].sum(skipna=True) / np.log(2))


def _calibration_error(scores: pd.DataFrame) -> float:
    # The true token was the most likely one where its probability is the largest, up to float32's rounding.
    correct = np.exp(-scores["surprisal"]) > scores["max_probability"] - 1e-6
    return expected_calibration_error(np.minimum(scores["max_probability"], 1.0), correct)


def write_card(model_folder: Path, corpus: Corpus, run: Run) -> None:
    """Measure a model on its held-out documents; write ``MODEL_CARD.md``, ``held_out.csv`` and ``facts.json``.

    Parameters
    ----------
    model_folder : Path
        The model, in Hugging Face format.
    corpus : Corpus
        What it was trained on.
    run : Run
        Recipe, device and time.
    """
    table = held_out_table(model_folder, corpus, run.recipe, model_folder.parent / "rivals.csv")
    table.round(4).to_csv(model_folder / "held_out.csv", index=False)
    facts = _facts(model_folder, corpus, run, table)
    with atomic_write(model_folder / "facts.json") as path:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (model_folder / "MODEL_CARD.md").write_text(_card(model_folder, run, facts, table), encoding="utf-8")


def _facts(model_folder: Path, corpus: Corpus, run: Run, table: pd.DataFrame) -> dict[str, Any]:
    """What the zoo page tells of a model, as numbers."""
    plan, facts = run.recipe.model, {}
    if isinstance(plan, Transformer):
        seen = run.steps * plan.schedule.batch * plan.schedule.context
        facts = {"steps": run.steps, "tokens_seen": seen, "epochs": round(seen / len(corpus.tokens), 2)}
    stored = load_file(model_folder / "model.safetensors")
    means = table.groupby("part", sort=False)[
        ["model", "trigram", "gzip -9", "xz -9", "calibration error"]
    ].mean()
    return {
        "name": f"{LAB}{run.name}",
        "recipe": run.recipe.name,
        "corpus": run.recipe.corpus,
        "stored_numbers": sum(tensor.numel() for tensor in stored.values()),
        "training_bytes": corpus.bytes,
        "training_tokens": len(corpus.tokens),
        "vocabulary": len(corpus.tokenizer),
        **facts,
        "minutes": round(run.seconds / 60, 1),
        "device": run.device,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "held_out": means.round(4).to_dict("index"),
    }


def _card(model_folder: Path, run: Run, facts: dict[str, Any], table: pd.DataFrame) -> str:
    recipe, plan = run.recipe, run.recipe.model
    lines = [
        f"# {facts['name']}",
        "",
        recipe.description,
        "",
        "| | |",
        "|---|---|",
        f"| data | {_data(recipe, facts)} |",
        f"| tokenizer | {_tokens(recipe, facts['vocabulary'])} |",
        f"| stored numbers | {facts['stored_numbers']:,} |",
    ]
    if isinstance(plan, Transformer):
        schedule = plan.schedule
        shape = "then constant" if schedule.final_learning_rate_share == 1 else "then cosine"
        if schedule.decay_steps is not None:
            shape = f"constant, the last {schedule.decay_steps} in a straight line down"
        smoothing = f", label smoothing {schedule.label_smoothing}" if schedule.label_smoothing else ""
        unfinished = f"stopped after {run.steps} of " if run.steps < schedule.steps else ""
        lines += [
            f"| architecture | Llama type: {', '.join(f'{k} {v}' for k, v in vars(plan.architecture).items())};"
            " tied embedding |",
            f"| recipe | `entropylab train {recipe.name}`: {unfinished}{schedule.steps} steps of {schedule.batch} x"
            f" {schedule.context} tokens ({facts['epochs']:.2f} epochs), seed {schedule.seed}, Muon"
            f" {schedule.matrix_learning_rate} for matrices, AdamW {schedule.vector_learning_rate} for the rest,"
            f" warm-up {schedule.warmup_steps} steps, {shape}; products in {schedule.precision}{smoothing} |",
            f"| loss curve (nats per token) | {_curve(model_folder / 'training_log.parquet')} |",
        ]
    else:
        lines += [
            f"| recipe | `entropylab train {recipe.name}`: interpolated modified Kneser-Ney; trigrams seen fewer than"
            f" {plan.minimum_count} times are pruned |"
        ]
    means = pd.DataFrame(facts["held_out"]).T
    shown = table if len(table) <= _ROWS else table[table["part"] == "test"].head(_ROWS)
    minutes = f"{facts['minutes']:.0f} min" if facts["minutes"] >= 0.5 else "under 1 min"
    lines += [
        f"| hardware | {facts['device']}, {facts['cores']} CPU cores (torch on {facts['threads']}),"
        f" {facts['processor']}; {minutes} by the clock |",
        f"| software | torch {facts['torch']}, transformers {facts['transformers']} |",
        "",
        "## Held-out text, bits per byte",
        "",
        "Mean over documents; lower is better. *trigram*: the Kneser-Ney trigram of the same training text and",
        "tokenizer, not pruned. gzip and xz see only the document itself. *calibration error*: expected calibration",
        "error of the most likely token, 15 bins of equal width.",
        "",
        means.round(3).to_markdown(),
        "",
        shown.round(3).to_markdown(index=False),
        "",
        "## What it is good for",
        "",
        recipe.good_for.strip(),
        "",
        "Weights: MIT licence, as the code.",
    ]
    return "\n".join(lines) + "\n"


def _data(recipe: Recipe, facts: dict[str, Any]) -> str:
    count = recipe.options.get("train", len(recipe.train))
    size = f"{facts['training_bytes']:,} bytes, {facts['training_tokens']:,} tokens"
    return f"{count:,} {READERS[recipe.corpus].about}, {size}"


def _tokens(recipe: Recipe, size: int) -> str:
    vocabulary = recipe.vocabulary
    if vocabulary.symbols is not None:
        return f"{size} symbols of the task"
    if vocabulary.of is not None:
        return f"that of {LAB}{vocabulary.of}, {size} tokens"
    return f"byte-level BPE, {size} tokens, trained on the same text"


def _curve(log: Path) -> str:
    losses = pd.read_parquet(log)["loss"]
    steps = [int(len(losses) * share) for share in (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)]
    return ", ".join(
        f"{losses[max(0, step - 50) : step].mean():.2f} at step {step}" for step in steps if step
    )

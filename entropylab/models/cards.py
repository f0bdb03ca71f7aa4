"""Model cards: what a model of the zoo was trained on, how, and how well it predicts books that it never saw."""

from __future__ import annotations

import gzip
import lzma
import os
import platform
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
import transformers
from safetensors.torch import load_file

from entropylab.data.novels import read_novels
from entropylab.models.corpus import Corpus
from entropylab.models.loading import load
from entropylab.models.ngram import train_kneser_ney
from entropylab.models.recipes import Recipe, Transformer
from entropylab.models.scoring import bits_per_byte, score_text


class Run(NamedTuple):
    """Facts of a finished training run."""

    recipe: Recipe
    device: str
    seconds: float


def held_out_table(model_folder: Path, corpus: Corpus, recipe: Recipe) -> pd.DataFrame:
    """Bits per byte of the held-out books under the model and under its rivals.

    Parameters
    ----------
    model_folder : Path
        The model, in Hugging Face format.
    corpus : Corpus
        Training text, from which the Kneser-Ney trigram (not pruned) is counted.
    recipe : Recipe
        Names the held-out books.

    Returns
    -------
    pandas.DataFrame
        A row a book: part, book, kilobytes, and bits per byte of model, trigram, gzip and xz.
    """
    model, tokenizer = load(str(model_folder))
    rival = train_kneser_ney(corpus.tokens, recipe.vocabulary)
    rows = []
    for part, books in (("validation", recipe.validation), ("test", recipe.test)):
        for novel in read_novels(books):
            content = novel.text.encode()
            rows.append(
                {
                    "part": part,
                    "book": novel.name,
                    "kB": round(len(content) / 1000),
                    "model": bits_per_byte(score_text(novel.text, model, tokenizer), novel.text),
                    "trigram": bits_per_byte(score_text(novel.text, rival, tokenizer), novel.text),
                    "gzip -9": 8 * len(gzip.compress(content, 9)) / len(content),
                    "xz -9": 8 * len(lzma.compress(content, preset=9)) / len(content),
                }
            )
    return pd.DataFrame(rows)


def write_card(model_folder: Path, corpus: Corpus, run: Run) -> None:
    """Measure a finished model on its held-out books, and write ``MODEL_CARD.md`` and ``held_out.csv`` beside it."""
    recipe, plan = run.recipe, run.recipe.model
    table = held_out_table(model_folder, corpus, recipe)
    table.round(4).to_csv(model_folder / "held_out.csv", index=False)
    means = table.groupby("part", sort=False)[["model", "trigram", "gzip -9", "xz -9"]].mean()
    stored = load_file(model_folder / "model.safetensors")
    lines = [
        f"# lab/{recipe.name}",
        "",
        recipe.description,
        "",
        "| | |",
        "|---|---|",
        f"| data | {len(recipe.train)} English novels of 1840 to 1930 (public domain), {corpus.bytes:,} bytes,"
        f" {len(corpus.tokens):,} tokens; pinned in the package's registry |",
        f"| tokenizer | byte-level BPE, {recipe.vocabulary} tokens, trained on the same books |",
        f"| stored numbers | {sum(tensor.numel() for tensor in stored.values()):,} |",
    ]
    if isinstance(plan, Transformer):
        schedule = plan.schedule
        seen = schedule.steps * schedule.batch * schedule.context
        lines += [
            f"| architecture | Llama type: {', '.join(f'{k} {v}' for k, v in vars(plan.architecture).items())};"
            " tied embedding |",
            f"| recipe | `entropylab train {recipe.name}`: {schedule.steps} steps of {schedule.batch} x"
            f" {schedule.context} tokens ({seen / len(corpus.tokens):.2f} epochs), seed {schedule.seed}, Muon"
            f" {schedule.matrix_learning_rate} for matrices, AdamW {schedule.vector_learning_rate} for the rest,"
            f" warm-up {schedule.warmup_steps} steps, then cosine |",
        ]
        lines += [f"| loss curve (nats per token) | {_curve(model_folder / 'training_log.parquet')} |"]
    else:
        lines += [
            f"| recipe | `entropylab train {recipe.name}`: interpolated modified Kneser-Ney; trigrams seen fewer than"
            f" {plan.minimum_count} times are pruned |"
        ]
    lines += [
        f"| hardware | {run.device}, {os.cpu_count()} CPU cores, {platform.machine()}; {run.seconds / 60:.0f} minutes"
        " by the clock |",
        f"| software | torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__} |",
        "",
        "## Held-out books, bits per byte",
        "",
        "Mean over books; lower is better. *trigram*: the Kneser-Ney trigram of the same books and tokenizer, not",
        "pruned. gzip and xz see only the book itself.",
        "",
        means.round(3).to_markdown(),
        "",
        table.round(3).to_markdown(index=False),
        "",
        "## What it is good for",
        "",
        "Teaching and measurement: next-token distributions of real English prose that load in a second and run on",
        "any CPU. It writes grammatical phrases, not stories, and it knows nothing of the world after 1930. The",
        "novels hold views of their time.",
        "",
        "Weights: MIT licence, as the code.",
    ]
    (model_folder / "MODEL_CARD.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _curve(log: Path) -> str:
    losses = pd.read_parquet(log)["loss"]
    steps = [int(len(losses) * share) for share in (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)]
    return ", ".join(
        f"{losses[max(0, step - 50) : step].mean():.2f} at step {step}" for step in steps if step
    )

"""Claim C5 of the chapter on cut cross-entropy: training with filtered gradients, from scratch and onwards.

Run: ``python experiments/training/cut_cross_entropy.py``. The architecture, corpus and optimisers are those of
lab/english-xs. Arms: exact gradients; small gradients of the logits left out for the hidden states only; for the hidden
states and the output matrix. For each seed all arms begin with the same weights and read the same batches. A run that
is done is written at once to ``results/<scale>/experiments/cut_cross_entropy.json`` and not made again; at the end the
losses go into the package as the table ``filtered_training``.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import entropylab.data
from entropylab.book import results, scale
from entropylab.files import atomic_write
from entropylab.information import GradientFilter, linear_cross_entropy
from entropylab.models import load
from entropylab.models.attention import BLOCKWISE
from entropylab.models.corpus import TokenStream, prepare_corpus
from entropylab.models.documents import read_documents
from entropylab.models.recipes import read_recipe
from entropylab.models.training import learning_rate_share, new_model, optimizers_for

SEEDS = (0, 1, 2)
ARMS: dict[str, dict[str, bool] | None] = {
    "exact": None,
    "hidden": {"weight": False},
    "both": {},
}
STEPS = {"scratch": 600, "tuning": 300}
THRESHOLD, BLOCK = 2.0**-6, 16
# A side study, one seed: how low must the threshold be?
LOWER = (2.0**-9, 2.0**-12)
WINDOWS = 400  # of 256 validation tokens
PATH = Path(__file__).parents[2] / "results" / scale() / "experiments" / "cut_cross_entropy.json"


def loss_of(model: Any, tokens: Tensor, chosen: GradientFilter | None = None) -> Tensor:
    """Mean surprisal of tokens [batch, context + 1], nats, without the logits."""
    hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
    return linear_cross_entropy(
        hidden, model.lm_head.weight, tokens[:, 1:], gradient_filter=chosen, block=(2048, 4096)
    )


@torch.no_grad()
def validation_loss(model: Any, windows: Tensor) -> float:
    """Mean surprisal of the validation windows, nats a token."""
    model.eval()
    losses = [loss_of(model, part).item() for part in windows.split(8)]
    model.train()
    return float(np.mean(losses))


def run(start: str, arm: str, seed: int, threshold: float, tokens: Any, windows: Tensor) -> dict[str, Any]:
    """Train one model; its validation losses, and what the filter kept."""
    plan: Any = read_recipe("english-xs").model
    schedule = replace(plan.schedule, steps=STEPS[start], batch=8, seed=seed, precision="float32")
    if start == "tuning":
        model, _ = load("lab/english-xs")
        schedule = replace(
            schedule,
            matrix_learning_rate=schedule.matrix_learning_rate / 10,
            vector_learning_rate=schedule.vector_learning_rate / 10,
        )
    else:
        model = new_model(replace(plan, schedule=schedule), 4096)
    model.train().requires_grad_(True)
    model.set_attn_implementation(BLOCKWISE)
    optimizers = optimizers_for(model, schedule)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    peaks = [group["lr"] for group in groups]
    stream = TokenStream(tokens, batch=schedule.batch, context=schedule.context, seed=seed)
    options = ARMS[arm]
    chosen = None if options is None else GradientFilter(threshold, BLOCK, **options)
    curve: dict[str, list[float]] = {"step": [0], "validation": [validation_loss(model, windows)]}
    kept, dropped, clock = [], [], time.process_time()
    for step in range(schedule.steps):
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * learning_rate_share(step, schedule)
        loss = loss_of(model, stream[step], chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if chosen is not None:
            kept.append(chosen.kept / chosen.blocks)
            dropped.append(chosen.dropped_probability.mean().item())
        if (step + 1) % 100 == 0:
            curve["step"].append(step + 1)
            curve["validation"].append(validation_loss(model, windows))
            print(start, arm, seed, step + 1, f"{curve['validation'][-1]:.4f}", flush=True)
    found: dict[str, Any] = {"curve": curve, "cpu_seconds": round(time.process_time() - clock, 1)}
    if chosen is not None:
        found["kept_share"] = {"first": kept[0], "last_100": float(np.mean(kept[-100:]))}
        found["dropped_probability"] = {"first": dropped[0], "last_100": float(np.mean(dropped[-100:]))}
    return found


def write_table(runs: dict[str, Any]) -> None:
    """The validation losses as a table of the package."""
    parts = []
    for key, found in runs.items():
        start, arm, seed, threshold = key.split()
        share = found.get("kept_share", {}).get("last_100", 1.0)
        dropped = found.get("dropped_probability", {}).get("last_100", 0.0)
        parts.append(
            pd.DataFrame(
                {
                    "start": start,
                    "arm": arm,
                    "seed": int(seed),
                    "threshold": float(threshold),
                    **found["curve"],
                }
                | {"kept_share": share, "dropped_probability": dropped}
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.attrs.update(
        source="Measured by this project (experiments/training/cut_cross_entropy.py)", licence="MIT"
    )
    folder = Path(entropylab.data.__file__).parent / "tables"
    with atomic_write(folder / "filtered_training.parquet") as path:
        table.to_parquet(path, index=False)


def main() -> None:
    """Make the runs that are not made yet."""
    recipe = read_recipe("english-xs")
    corpus = prepare_corpus(recipe, Path("training") / recipe.name, context=256)
    texts = [t for d in read_documents(recipe.corpus, recipe.validation, recipe.options) for t in d.texts]
    held_out = np.concatenate([np.array(ids) for ids in corpus.tokenizer(texts, verbose=False)["input_ids"]])
    starts = np.linspace(0, len(held_out) - 257, WINDOWS).astype(int)
    windows = torch.from_numpy(held_out[starts[:, None] + np.arange(257)])
    runs: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))["runs"] if PATH.exists() else {}
    plan = [(start, arm, seed, THRESHOLD) for seed in SEEDS for start in STEPS for arm in ARMS]
    plan += [(start, "both", 0, threshold) for threshold in LOWER for start in STEPS]
    for start, arm, seed, threshold in plan:
        key = f"{start} {arm} {seed} {threshold}"
        if key not in runs:
            runs[key] = run(start, arm, seed, threshold, corpus.tokens, windows)
            results.write_json(
                PATH, {"experiment": (__doc__ or "").splitlines()[0], "block": BLOCK, "runs": runs}
            )
    write_table(runs)


if __name__ == "__main__":
    main()

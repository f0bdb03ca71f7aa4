"""Learning curves for the chapter on epiplexity: cellular automata (claims C3 and C4) and characters (claim C6).

Run: ``python experiments/information/epiplexity.py`` (about 10 minutes on one core). A run that is done is kept in
``training/epiplexity/`` and not made again. At the end all curves go into the package as the tables
``epiplexity_curves`` (loss of each step before its update) and ``epiplexity_runs`` (one row a run).
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import entropylab.data
from entropylab.files import atomic_write
from entropylab.models.automaton_study import Plan, Task, prequential_run, requential_run
from entropylab.models.documents import document_names, read_documents

FOLDER = Path("training") / "epiplexity"
RULES = (15, 54, 30)
# Characters: printable ASCII and the line break; all else becomes "?".
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
CONTEXT, BATCH, STEPS = 128, 16, 1000
KINDS = ("english", "python", "shuffled", "random")
SEEDS = (0, 1, 2)


def automaton(rule: int, steps: int, seed: int) -> dict[str, Any]:
    """A prequential run of claim C3."""
    losses, final = prequential_run(Task(rule, steps, 48), Plan(), seed)
    return {"losses": losses, "final": final}


def pair(rule: int, noise: float, seed: int) -> dict[str, Any]:
    """A requential run of claim C4."""
    task = Task(rule, 6, 32, noise=noise)
    losses, final, divergences = requential_run(task, Plan(layers=3, kernel=5, steps=200), seed)
    return {"losses": losses, "final": final, "divergences": divergences}


def characters(kind: str) -> np.ndarray:
    """Windows [n, CONTEXT + 1] of characters: enough for all steps and the held-out tenth."""
    count = STEPS * BATCH * 11 // 10
    size = count * (CONTEXT + 1)
    if kind == "random":
        return np.random.default_rng(10).integers(0, len(ALPHABET), (count, CONTEXT + 1)).astype(np.uint8)
    corpus = "python" if kind == "python" else "novels"
    place = {letter: i for i, letter in enumerate(ALPHABET)}
    found: list[int] = []
    names = document_names(corpus, {})
    np.random.default_rng(11).shuffle(names)
    for name in names:
        (document,) = read_documents(corpus, [name], {})
        found += [place.get(c, place["?"]) for text in document.texts for c in text]
        if len(found) >= size:
            break
    text = np.array(found[:size], np.uint8)
    if len(text) < size:
        raise ValueError(f"{kind}: {len(text)} characters, needed are {size}")
    if kind == "shuffled":
        np.random.default_rng(12).shuffle(text)
    return text.reshape(count, CONTEXT + 1)


def language(kind: str, seed: int) -> dict[str, Any]:
    """A small transformer on one pass over characters; the held-out windows are drawn among the same ones."""
    windows = torch.from_numpy(characters(kind).astype(np.int64))
    windows = windows[torch.from_numpy(np.random.default_rng([13, seed]).permutation(len(windows)))]
    train, held_out = windows[: STEPS * BATCH], windows[STEPS * BATCH :]
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(ALPHABET),
            hidden_size=64,
            intermediate_size=176,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=False,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1.0, (i + 1) / 50) * (0.55 + 0.45 * math.cos(math.pi * i / STEPS))
    )

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        logits = model(rows[:, :-1]).logits
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none"
        ).view(len(rows), -1)

    losses = np.empty(STEPS)
    for step in range(STEPS):
        loss = loss_of(train[step * BATCH : (step + 1) * BATCH]).mean()
        losses[step] = loss.item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        each = torch.cat([loss_of(part).mean(1) for part in held_out.split(64)]).double().numpy()
    error = each.std(ddof=1) / len(each) ** 0.5
    return {"losses": losses, "final": each.mean(), "final_error": error}


def plan() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """All runs by name."""
    runs: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for seed in SEEDS:
        for steps in (14, 8):
            runs |= {f"automaton {rule} {steps} {seed}": (automaton, (rule, steps, seed)) for rule in RULES}
    for seed in (0, 1):
        for noise in (0.0, 0.1):
            runs |= {f"pair {rule} {noise} {seed}": (pair, (rule, noise, seed)) for rule in RULES}
    for seed in SEEDS:
        runs |= {f"language {kind} {seed}": (language, (kind, seed)) for kind in KINDS}
    return runs


def main() -> None:
    """Make the runs that are not made yet, and write the tables."""
    torch.set_num_threads(1)
    curves, summary = [], []
    for name, (make, arguments) in plan().items():
        file = FOLDER / f"{name.replace(' ', '_')}.parquet"
        if not file.exists():
            clock = time.process_time()
            found = make(*arguments)
            table = pd.DataFrame(
                {
                    "run": name,
                    "step": np.arange(len(found["losses"]), dtype=np.int32),
                    "loss": found["losses"],
                }
            )
            table["divergence"] = found.get("divergences", np.nan)
            table["final"], table["final_error"] = found["final"], found.get("final_error", np.nan)
            table["cpu_seconds"] = round(time.process_time() - clock, 1)
            with atomic_write(file) as path:
                table.to_parquet(path, index=False)
            print(name, found["losses"][[0, -1]], found["final"], table["cpu_seconds"][0], flush=True)
        table = pd.read_parquet(file)
        curves.append(table[["run", "step", "loss", "divergence"]])
        summary.append(table[["run", "final", "final_error", "cpu_seconds"]].iloc[:1])
    folder = Path(entropylab.data.__file__).parent / "tables"
    whole = pd.concat(curves, ignore_index=True).astype(
        {"run": "category", "loss": "float32", "divergence": "float32", "step": "int16"}
    )
    for name, table in (("curves", whole), ("runs", pd.concat(summary, ignore_index=True))):
        table.attrs.update(
            source="Measured by this project (experiments/information/epiplexity.py)", licence="MIT"
        )
        with atomic_write(folder / f"epiplexity_{name}.parquet") as path:
            table.to_parquet(path, index=False, compression="zstd")


if __name__ == "__main__":
    main()

"""Learning curves of cellular automata for the chapter on epiplexity (claims C3 and C4).

Run: ``python experiments/information/epiplexity.py`` (about 2 minutes of one core). A run that is done is kept in
``training/epiplexity/`` and not made again. At the end all curves go into the package as the tables
``epiplexity_curves`` (loss of each step before its update) and ``epiplexity_runs`` (one row a run).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import entropylab.data
from entropylab.files import atomic_write
from entropylab.models.automaton_study import Plan, Task, prequential_run, requential_run

FOLDER = Path("training") / "epiplexity"
RULES = (15, 54, 30)
SEEDS = (0, 1, 2)
# A side study, one seed: other depths than the two of the claim.
DEPTHS = (2, 4, 6, 10, 12, 16)


def automaton(rule: int, steps: int, seed: int) -> dict[str, Any]:
    """A prequential run of claim C3."""
    losses, final = prequential_run(Task(rule, steps, 48), Plan(), seed)
    return {"losses": losses, "final": final}


def pair(rule: int, noise: float, seed: int) -> dict[str, Any]:
    """A requential run of claim C4."""
    task = Task(rule, 6, 32, noise=noise)
    losses, final, divergences = requential_run(task, Plan(layers=3, kernel=5, steps=200), seed)
    return {"losses": losses, "final": final, "divergences": divergences}


def plan() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """All runs by name."""
    runs: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for seed in SEEDS:
        for steps in (14, 8):
            runs |= {f"automaton {rule} {steps} {seed}": (automaton, (rule, steps, seed)) for rule in RULES}
    for seed in (0, 1):
        for noise in (0.0, 0.1):
            runs |= {f"pair {rule} {noise} {seed}": (pair, (rule, noise, seed)) for rule in RULES}
    for steps in DEPTHS:
        runs |= {f"automaton {rule} {steps} 0": (automaton, (rule, steps, 0)) for rule in RULES}
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
            table["final"] = found["final"]
            table["cpu_seconds"] = round(time.process_time() - clock, 1)
            with atomic_write(file) as path:
                table.to_parquet(path, index=False)
            print(name, found["losses"][[0, -1]], found["final"], table["cpu_seconds"][0], flush=True)
        table = pd.read_parquet(file)
        curves.append(table[["run", "step", "loss", "divergence"]])
        summary.append(table[["run", "final", "cpu_seconds"]].iloc[:1])
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

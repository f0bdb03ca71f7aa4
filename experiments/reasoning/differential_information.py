"""Does the output layer of a language model find the target with DPO? Claim C2-lm of the chapter on the DID.

Run: ``python experiments/reasoning/differential_information.py`` (about half a minute). The stage ``learning
rate`` is the choice that the chapter's settings carry: of three rates, the one with the least KL to the target on the
last five story openings. The stage ``prompts`` repeats the experiment of the chapter on the other 35 openings, five at
a time, with a seed of its own for each group; the first group and seed are those of the chapter. Each cell is written
to ``results/lab/experiments/differential_information.json`` as soon as it is done, and what stands there is not run
again. The second stage also goes into the package, as the table ``next_token_preference``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import entropylab.data
from entropylab.book import results
from entropylab.data import story_openings
from entropylab.files import atomic_write
from entropylab.information import kl_divergence
from entropylab.information.differential_information import optimal_rejected
from entropylab.models import load
from entropylab.reasoning import next_token_states, prefer_next_token

BETA, GROUP, UPDATES = 0.5, 5, 200
RATES = (0.0003, 0.001, 0.003)
PATH = Path(__file__).parents[2] / "results" / "lab" / "experiments" / "differential_information.json"


class Snapshots:
    """An early and a late snapshot of one model."""

    def __init__(self) -> None:
        self.early, self.tokenizer = load("lab/english-s-step460")
        self.late, _ = load("lab/english-s")

    def shares(self, prompts: list[str], rate: float, seed: int) -> dict[str, float]:
        """KL(target, learned) over KL(target, reference), means over prompts, for three rejected laws."""
        states, ref = next_token_states(self.early, self.tokenizer, prompts)
        _, target = next_token_states(self.late, self.tokenizer, prompts)
        start = kl_divergence(target, ref).mean()
        found = {"start_kl": float(start)}
        for name, goal, rejected in (
            ("right", target, optimal_rejected(ref, target, BETA)),
            ("uniform", target, torch.zeros_like(ref)),
            ("same", ref, ref),
        ):
            learned = prefer_next_token(
                states,
                self.early.lm_head.weight,
                rejected,
                beta=BETA,
                learning_rate=rate,
                updates=UPDATES,
                seed=seed,
            )
            found[name] = float(kl_divergence(goal, learned).mean() / start)
        return found


def write_table(groups: dict[str, dict[str, float]]) -> None:
    """A row a group of prompts."""
    table = pd.DataFrame([{"group": int(key)} | cell for key, cell in groups.items()])
    table.attrs.update(
        source="Measured by this project (experiments/reasoning/differential_information.py)", licence="MIT"
    )
    target = Path(entropylab.data.__file__).parent / "tables" / "next_token_preference.parquet"
    with atomic_write(target) as path:
        table.to_parquet(path, index=False)


def main() -> None:
    """Run what is not done yet."""
    done: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    models, openings = Snapshots(), story_openings()

    def stage(name: str, key: str, prompts: list[str], rate: float, seed: int) -> dict[str, float]:
        cells = done.setdefault(name, {})
        if key not in cells:
            clock = time.monotonic()
            cells[key] = models.shares(prompts, rate, seed)
            results.write_json(PATH, {"experiment": __doc__.splitlines()[0]} | done)  # type: ignore[union-attr]
            print(f"{name} {key}: {cells[key]} ({time.monotonic() - clock:.0f} s)", flush=True)
        found: dict[str, float] = cells[key]
        return found

    tried = {rate: stage("learning rate", str(rate), openings[-GROUP:], rate, 0) for rate in RATES}
    best = min(RATES, key=lambda rate: tried[rate]["right"])
    for group in range((len(openings) - GROUP) // GROUP):
        prompts = openings[group * GROUP : (group + 1) * GROUP]
        stage("prompts", str(group), prompts, best, group)
    write_table(done["prompts"])


if __name__ == "__main__":
    main()

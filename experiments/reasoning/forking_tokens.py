"""What the chapter on forking tokens takes from longer runs, besides the arms.

Run: ``python experiments/reasoning/forking_tokens.py``. It first does what is left of ``grpo_arms.py`` (one to
two hours); then it takes three minutes on one thread. It writes three tables into the package; one that is there is not
made again:

* ``forking_temperatures``: right answers of four samples for each test problem, for pairs of temperatures above and
  below the 80th percentile of the policy's own entropies (C3).
* ``forking_influence``: influence of single tokens of lab/reasoner-chatty on the answer (C2b).
* ``forking_pattern``: entropies at the tokens of 512 chains of a trained policy, under it, under its base policy, and
  under a base policy of another seed (C4).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import grpo_arms
import numpy as np
import pandas as pd
import torch
from second_policy import second_policy
from transformers import PreTrainedModel

import entropylab.data
from entropylab.files import atomic_write
from entropylab.models import load
from entropylab.reasoning import CountdownTask, evaluate, sample_chains, score
from entropylab.reasoning.entropy_pattern import two_temperatures
from entropylab.reasoning.influence import influences, places_of
from entropylab.reasoning.rollout import Rollouts
from entropylab.sources.tasks.countdown import Problem, problems

TABLES = Path(entropylab.data.__file__).parent / "tables"
CHAINS, GRID = 512, (0.3, 0.6, 1.0, 1.5, 2.0)
PROFILE_SEED, INFLUENCE_SEED, TEMPERATURE_SEED, PATTERN_SEED = 1001, 1002, 1003, 100
CLASSES = ("strategy", "first", "retreat", "synonym", "opener", "closing", "result", "equals")
PLACES = 40


def chains_of(model: PreTrainedModel, task: CountdownTask, seed: int) -> tuple[list[Problem], Rollouts]:
    """A chain for each of 512 test problems, drawn with replacement."""
    pool = problems("test")
    drawn = [pool[place] for place in np.random.default_rng(seed).integers(len(pool), size=CHAINS)]
    return drawn, sample_chains(model, task, drawn, samples=1, seed=seed)


def temperatures() -> pd.DataFrame:
    """A row a style, pair of temperatures and problem."""
    tables = []
    for style, name in (("plain", "lab/reasoner"), ("chatty", "lab/reasoner-chatty")):
        model, tokenizer = load(name)
        task = CountdownTask(tokenizer)
        _, chains = chains_of(model, task, PROFILE_SEED)
        threshold = float(np.quantile(chains.entropy[chains.mask].numpy(), 0.8))
        cells = list(product(GRID, GRID)) if style == "plain" else [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0)]
        for high, low in cells:
            keep = [two_temperatures(threshold, high=high, low=low)]
            found = evaluate(model, task, problems("test"), samples=4, seed=TEMPERATURE_SEED, filters=keep)
            rows = pd.DataFrame({"problem": np.arange(len(found.successes)), "successes": found.successes})
            tables.append(rows.assign(style=style, threshold=threshold, high=high, low=low))
            print(f"{style} {high} {low}: {found.accuracy:.4f}", flush=True)
    types = {"problem": np.int16, "successes": np.int8, "style": "category", "threshold": np.float32}
    return pd.concat(tables, ignore_index=True).astype(types | {"high": np.float32, "low": np.float32})


def influence() -> pd.DataFrame:
    """A row a place."""
    model, tokenizer = load("lab/reasoner-chatty")
    task = CountdownTask(tokenizer)
    drawn, chains = chains_of(model, task, INFLUENCE_SEED)
    classes, tables = task.classes(chains), []
    for number, name in enumerate(CLASSES):
        places = places_of(classes, [name], PLACES, seed=INFLUENCE_SEED)
        found = influences(model, task, drawn, chains, places, seed=INFLUENCE_SEED + number)
        entropy = [float(chains.entropy[place]) for place in places]
        tables.append(pd.DataFrame(found).assign(token_class=name, entropy=entropy))
        print(f"{name}: {np.mean([one.weighted for one in found]):.4f}", flush=True)
    return pd.concat(tables, ignore_index=True).astype({"token_class": "category"})


def pattern() -> pd.DataFrame:
    """A row a token of the trained policies' chains."""
    tables = []
    for style, arm, name in (
        ("plain", "full", "lab/reasoner"),
        ("chatty", "chatty-full", "lab/reasoner-chatty"),
    ):
        trained, tokenizer = load(str(grpo_arms.RUNS / f"{arm}-100"))
        task = CountdownTask(tokenizer)
        _, chains = chains_of(trained, task, PATTERN_SEED)
        mask = chains.mask.numpy()
        columns = {"chain": mask.nonzero()[0].astype(np.int16), "token_class": task.classes(chains)[mask]}
        columns["trained"] = chains.entropy.numpy()[mask]
        for key, source in (("base", name), ("other", str(second_policy()))):
            with torch.no_grad():
                scores = score(load(source)[0], chains.prompts, chains.tokens, chains.mask)
            columns[key] = scores.entropy.numpy()[mask]
        tables.append(pd.DataFrame(columns).assign(style=style))
    table = pd.concat(tables, ignore_index=True).astype({"token_class": "category", "style": "category"})
    # Five decimals are enough for the thresholds of the claims, and keep ties as rare as they are.
    return table.round({"trained": 5, "base": 5, "other": 5})


def main() -> None:
    """Make the tables that are missing."""
    grpo_arms.main()
    stages: dict[str, Callable[[], pd.DataFrame]] = {
        "forking_influence": influence,
        "forking_temperatures": temperatures,
        "forking_pattern": pattern,
    }
    for name, stage in stages.items():
        target = TABLES / f"{name}.parquet"
        if target.exists():
            continue
        table = stage()
        table.attrs.update(
            source="Measured by this project (experiments/reasoning/forking_tokens.py)",
            licence="MIT",
            torch=torch.__version__.split("+")[0],
        )
        with atomic_write(target) as path:
            table.to_parquet(path, index=False, compression="zstd")
        print(f"{name}: {len(table)} rows", flush=True)


if __name__ == "__main__":
    main()

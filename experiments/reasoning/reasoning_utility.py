"""How two inspectors read 1,912 chains: what the chapter on reasoning utility scores.

Run: ``python experiments/reasoning/reasoning_utility.py`` (about two minutes on one thread). lab/reasoner
writes eight chains for each of the 239 held-out problems with one solution. Two inspectors are made from the same
demonstrations, by 150 steps each: ``copy`` from the weights of lab/reasoner, and ``independent`` from a base policy of
another seed (``training/reasoner-seed1``, trained first if it is not there). Both read each chain, and the steps of a
chain for another problem behind the same prompt.

Two tables go into the package; one that is there is not made again, and an inspector that is below
``training/inspectors`` is not trained again:

* ``utility_chains``: a row a chain: problem, length, whether it came to its end and is right, attempts, verdicts, how
  many of them came before the first "yes", and whether there is one.
* ``utility_cuts``: a row a cut: chain, cut, whose steps (own or foreign), inspector, mean entropy over the five tokens
  of the solution and its mean negative log-likelihood.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from second_policy import second_policy
from transformers import PreTrainedModel

import entropylab.data
from entropylab.files import atomic_write
from entropylab.models import load
from entropylab.reasoning import CountdownTask, sample_chains
from entropylab.reasoning.countdown_inspector import (
    CutChain,
    cut_chains,
    inspect_chains,
    single_solution_problems,
    train_inspector,
)
from entropylab.reasoning.rollout import Rollouts
from entropylab.reasoning.utility import Trajectory
from entropylab.sources.tasks.countdown import Problem, attempts_of

TABLES = Path(entropylab.data.__file__).parent / "tables"
INSPECTORS = Path("training/inspectors")
SAMPLES, SEED, INSPECTOR_SEED = 8, 2001, 0
# How far away the problem is whose steps a chain gets in the control; neighbours share digits, these do not.
SHIFT = 97


def inspector(name: str) -> PreTrainedModel:
    """One of the two, trained if it is not there."""
    folder = INSPECTORS / name
    # The tokenizer is written last.
    if not (folder / "tokenizer_config.json").exists():
        model, tokenizer = load("lab/reasoner" if name == "copy" else str(second_policy()))
        clock = time.process_time()
        losses = train_inspector(model, CountdownTask(tokenizer), seed=INSPECTOR_SEED)
        print(
            f"{name}: {np.mean(losses[-20:]):.4f} nats a token, {time.process_time() - clock:.0f} s",
            flush=True,
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    found: PreTrainedModel = load(str(folder))[0]
    return found


def chain_table(
    task: CountdownTask, each: list[Problem], chains: Rollouts, cuts: list[CutChain]
) -> pd.DataFrame:
    """A row a chain."""
    words, answers = task.words(chains), task.answers(each, chains)
    rows = pd.DataFrame(
        {
            "problem": np.repeat(np.arange(len(each) // SAMPLES), SAMPLES),
            "right": [answer == problem.target for answer, problem in zip(answers, each, strict=True)],
            "complete": chains.complete.numpy(),
            "tokens": chains.lengths.numpy(),
            "attempts": [sum(one.strategy != "check" for one in attempts_of(chain)) for chain in words],
            "verdicts": [len(cut.verdicts) for cut in cuts],
            "before_solution": [cut.before_solution for cut in cuts],
            "yes": [any(cut.verdicts) for cut in cuts],
        }
    )
    small = ("attempts", "verdicts", "before_solution")
    return rows.astype({"problem": np.int16, "tokens": np.int16} | dict.fromkeys(small, np.int8))


def cut_table(found: list[Trajectory], steps: str, name: str) -> pd.DataFrame:
    """A row a cut."""
    sizes = [len(one.entropy) for one in found]
    rows = pd.DataFrame(
        {
            "chain": np.repeat(np.arange(len(found)), sizes).astype(np.int16),
            "cut": np.concatenate([np.arange(size) for size in sizes]).astype(np.int8),
            # Five decimals: far below any interval, and half the file.
            "entropy": np.concatenate([one.entropy for one in found]).astype(np.float32).round(5),
            "surprisal": np.concatenate([one.surprisal for one in found]).astype(np.float32).round(5),
        }
    )
    return rows.assign(steps=steps, inspector=name)


def write(name: str, table: pd.DataFrame) -> None:
    """Put a table into the package."""
    table.attrs.update(
        source="Measured by this project (experiments/reasoning/reasoning_utility.py)",
        licence="MIT",
        torch=torch.__version__.split("+")[0],
        settings=json.dumps(
            {"seed": SEED, "samples": SAMPLES, "steps": 150, "inspector_seed": INSPECTOR_SEED}
        ),
    )
    with atomic_write(TABLES / f"{name}.parquet") as path:
        table.to_parquet(path, index=False, compression="zstd")
    print(f"{name}: {len(table)} rows", flush=True)


def main() -> None:
    """Make the tables that are missing."""
    torch.set_num_threads(1)
    if all((TABLES / f"{name}.parquet").exists() for name in ("utility_chains", "utility_cuts")):
        return
    policy, tokenizer = load("lab/reasoner")
    task, held_out = CountdownTask(tokenizer), single_solution_problems("test")
    chains = sample_chains(policy, task, held_out, samples=SAMPLES, seed=SEED)
    each = [problem for problem in held_out for _ in range(SAMPLES)]
    own = cut_chains(task, chains)
    foreign = [own[(row + SHIFT * SAMPLES) % len(own)].behind(chain) for row, chain in enumerate(own)]
    parts = [
        cut_table(inspect_chains(inspector(name), task, each, read), steps, name)
        for name in ("copy", "independent")
        for steps, read in (("own", own), ("foreign", foreign))
    ]
    cuts = pd.concat(parts, ignore_index=True).astype({"steps": "category", "inspector": "category"})
    write("utility_cuts", cuts)
    write("utility_chains", chain_table(task, each, chains, own))


if __name__ == "__main__":
    main()

"""GRPO on Countdown under several credit rules, seed by seed: what the chapters on forking tokens and SEED-GRPO score.

Run: ``python experiments/reasoning/grpo_arms.py`` (112 runs of half a minute to a minute each on one thread, so one
to two hours). A run is 40 steps from one base policy, then eight samples for each of the 369 test problems. All arms
with one seed see the same prompts, the same first chains and the same random numbers in the evaluation. A run's file,
below ``training/grpo_arms``, is written when the run is done, and what is there is not run again; so the script may
be stopped at any time. Seeds come first: at any time, the seeds below the current one are complete in all arms.

The claims fix their seeds: eight for the arms ``full``, ``top``, ``dr-grpo`` and ``seed-0.02``, the first four for the
others. Seeds 104 to 107 of the others, and the arms ``other`` from a base policy of another seed, were added after the
claims were scored, and are reported beside them.

The finished runs go into the package as two tables: ``grpo_steps``, a row a step, and ``grpo_problems``, a row a test
problem. The base policies are evaluated in the same way, as the arms ``base``. The policies of the arms ``full`` and
``chatty-full`` with seed 100 are kept as ``training/grpo_arms/<arm>-100``.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from second_policy import second_policy
from transformers import PreTrainedModel

import entropylab.data
from entropylab.files import atomic_write
from entropylab.models import load
from entropylab.reasoning import CountdownTask, Credit, EntropyMask, GrpoSettings, evaluate, train_grpo
from entropylab.reasoning.credit import ConstantScale, SemanticEntropyScale
from entropylab.sources.tasks.countdown import problems

FIRST_SEED, SEEDS, EVALUATION_OFFSET, SAMPLES = 100, 8, 10_000, 8
FULL, DR_GRPO = GrpoSettings(), GrpoSettings(scale="none", aggregation="dr_grpo")
SECOND = "second policy"
RUNS = Path("training/grpo_arms")
TABLES = Path(entropylab.data.__file__).parent / "tables"
# Columns of the step log that the chapters use; the runs' own files have all.
KEPT = (
    *("step", "reward", "length", "entropy", "entropy_opener", "entropy_strategy", "entropy_first"),
    *("entropy_synonym", "entropy_result", "entropy_retreat", "strategy_target", "attempts", "go_backs"),
    *("error_execution", "error_plan", "false_equations", "truncated"),
    *("constant_groups", "scale", "least_scale", "kept_tokens", "clipped", "seconds"),
)


@dataclass(frozen=True)
class Arm:
    """A credit rule, a base policy and settings."""

    name: str
    credit: Credit
    settings: GrpoSettings = field(default=FULL)
    model: str = "lab/reasoner"


# In the order in which they run with each seed. The factor of the constant scale is that of the arm before it.
ARMS = (
    Arm("full", Credit()),
    Arm("top", EntropyMask(0.2)),
    Arm("dr-grpo", Credit(), DR_GRPO),
    Arm("seed-0.02", SemanticEntropyScale(0.02), DR_GRPO),
    Arm("random", EntropyMask(0.2, "random")),
    Arm("bottom", EntropyMask(0.2, "bottom")),
    Arm("seed-1", SemanticEntropyScale(1.0), DR_GRPO),
    Arm("constant", ConstantScale(1.0), DR_GRPO),
    Arm("seed-permuted", SemanticEntropyScale(1.0, permuted=True), DR_GRPO),
    Arm("chatty-full", Credit(), model="lab/reasoner-chatty"),
    Arm("chatty-top", EntropyMask(0.2), model="lab/reasoner-chatty"),
    Arm("chatty-bottom", EntropyMask(0.2, "bottom"), model="lab/reasoner-chatty"),
    Arm("other-full", Credit(), model=SECOND),
    Arm("other-top", EntropyMask(0.2), model=SECOND),
)
BASES = {"base": "lab/reasoner", "chatty-base": "lab/reasoner-chatty", "other-base": SECOND}


def policy(name: str) -> tuple[PreTrainedModel, CountdownTask]:
    """A base policy and its task."""
    model, tokenizer = load(str(second_policy()) if name == SECOND else name)
    return model, CountdownTask(tokenizer)


def run(arm: Arm, seed: int) -> dict[str, Any]:
    """Train and evaluate one arm with one seed."""
    (model, task), clock = policy(arm.model), time.process_time()
    credit = arm.credit
    if arm.name == "constant":
        steps = read("seed-1", seed)["steps"]
        credit = ConstantScale(float(np.mean([step["scale"] for step in steps if "scale" in step])))
    steps = list(train_grpo(model, task, credit, arm.settings, seed=seed))
    if arm.name in ("full", "chatty-full") and seed == FIRST_SEED:
        model.save_pretrained(RUNS / f"{arm.name}-{seed}")
        load(arm.model)[1].save_pretrained(RUNS / f"{arm.name}-{seed}")
    scores = evaluate(model, task, problems("test"), samples=SAMPLES, seed=EVALUATION_OFFSET + seed)
    return {
        "arm": arm.name,
        "seed": seed,
        "model": arm.model,
        "credit": repr(credit),
        "settings": asdict(arm.settings),
        "steps": steps,
        "successes": scores.successes.tolist(),
        "tokens": scores.tokens.tolist(),
        "seconds": time.process_time() - clock,
        "torch": torch.__version__,
    }


def base(name: str, seed: int) -> dict[str, Any]:
    """Evaluate a base policy with the random numbers of a seed."""
    scores = evaluate(*policy(name), problems("test"), samples=SAMPLES, seed=EVALUATION_OFFSET + seed)
    return {"steps": [], "successes": scores.successes.tolist(), "tokens": scores.tokens.tolist()}


def path_of(arm: str, seed: int) -> Path:
    """The file of a run."""
    return RUNS / f"{arm}-{seed}.json"


def read(arm: str, seed: int) -> dict[str, Any]:
    """A finished run."""
    content: dict[str, Any] = json.loads(path_of(arm, seed).read_text(encoding="utf-8"))
    return content


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The finished runs as two tables."""
    steps, solved = [], []
    for file in sorted(RUNS.glob("*.json")):
        arm, _, seed = file.stem.rpartition("-")
        found = json.loads(file.read_text(encoding="utf-8"))
        key = {"arm": arm, "seed": int(seed)}
        steps += [key | {name: step.get(name, np.nan) for name in KEPT} for step in found["steps"]]
        rows = pd.DataFrame({"successes": found["successes"], "tokens": found["tokens"]})
        solved.append(rows.assign(**key, problem=np.arange(len(rows))))
    step_table = pd.DataFrame(steps).astype(dict.fromkeys(KEPT, np.float32))
    step_table = step_table.astype({"arm": "category", "seed": np.int16, "step": np.int16})
    solved_table = pd.concat(solved, ignore_index=True)[["arm", "seed", "problem", "successes", "tokens"]]
    types = {
        "arm": "category",
        "seed": np.int16,
        "problem": np.int16,
        "successes": np.int8,
        "tokens": np.int16,
    }
    return step_table, solved_table.astype(types)


def write_tables() -> None:
    """Put the finished runs into the package."""
    for name, table in zip(("grpo_steps", "grpo_problems"), tables(), strict=True):
        table.attrs.update(
            source="Measured by this project (experiments/reasoning/grpo_arms.py)",
            licence="MIT",
            torch=torch.__version__.split("+")[0],
            settings=json.dumps({"full": asdict(FULL), "dr-grpo": asdict(DR_GRPO), "samples": SAMPLES}),
        )
        with atomic_write(TABLES / f"{name}.parquet") as path:
            table.to_parquet(path, index=False, compression="zstd")


def main() -> None:
    """Run what is not done yet."""
    torch.set_num_threads(1)

    def once(name: str, seed: int, work: Any) -> None:
        if path_of(name, seed).exists():
            return
        content = work()
        with atomic_write(path_of(name, seed)) as path:
            path.write_text(json.dumps(content), encoding="utf-8")
        accuracy = np.mean(content["successes"]) / SAMPLES
        reward = np.mean([step["reward"] for step in content["steps"]]) if content["steps"] else np.nan
        print(
            f"{time.strftime('%H:%M:%S')} {name} {seed}: accuracy {accuracy:.4f}, reward {reward:.4f}",
            flush=True,
        )

    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        for name, model in BASES.items():
            once(name, seed, lambda model=model, seed=seed: base(model, seed))
        for arm in ARMS:
            once(arm.name, seed, lambda arm=arm, seed=seed: run(arm, seed))
        write_tables()


if __name__ == "__main__":
    main()

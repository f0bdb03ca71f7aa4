"""Does undoing label smoothing help a trained reasoning model to sample? Claim C6 of the chapter on utility.

Run: ``python experiments/information/utility_probability_duality.py`` (about 2 minutes of one core a model). The recipe
``arithmetic-l`` is trained with label smoothing 0.1 and 0, from three seeds each; seed 0 without smoothing is the model
of the zoo. Five more seeds without smoothing, and runs of four times the steps, were added afterwards. Each map is
fitted on solutions of validation problems, and 200 test problems get 8 sampled answers each, before and after the map,
with the same random numbers. A model that stands in ``results/lab/experiments/utility_probability_duality.json`` is not
measured again. The counts of right answers go into the package, as the table ``smoothed_arithmetic``.
"""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import entropylab.data
from entropylab.book import results
from entropylab.files import atomic_write
from entropylab.information.reestimation import (
    fit_isotonic,
    fit_power,
    fit_smoothing,
    power_transform,
    unsmooth,
)
from entropylab.models import load
from entropylab.models.answers import answer_logits, sample_answers
from entropylab.models.recipes import read_recipe
from entropylab.models.training import train
from entropylab.sources.tasks.arithmetic import Problem, grade, problems
from entropylab.statistics import expected_calibration_error

STEPS = 520  # of the recipe
# Label smoothing, seed, steps. First those of the claim; what follows was added when it was known that the maps help
# without smoothing too: is it because training was stopped early?
RUNS = [(smoothing, seed, STEPS) for smoothing in (0.1, 0.0) for seed in (0, 1, 2)]
RUNS += [(0.0, 0, 4 * STEPS), *((0.0, seed, STEPS) for seed in (3, 4, 5, 6, 7)), (0.1, 0, 4 * STEPS)]
PROBLEMS, DRAWS = 200, 8
PATH = Path(__file__).parents[2] / "results" / "lab" / "experiments" / "utility_probability_duality.json"


def name_of(smoothing: float, seed: int, steps: int) -> str:
    """Key of a run in the results."""
    return f"smoothing {smoothing:g} seed {seed}" + (f" steps {steps}" if steps != STEPS else "")


def trained(smoothing: float, seed: int, steps: int) -> str:
    """The model: that of the zoo, or the recipe with another seed, other steps or label smoothing."""
    if (smoothing, seed, steps) == (0.0, 0, STEPS):
        return "lab/arithmetic-l"
    recipe = read_recipe("arithmetic-l")
    plan = recipe.model.schedule  # type: ignore[union-attr]
    schedule = dataclasses.replace(
        plan,
        seed=seed,
        label_smoothing=smoothing,
        steps=steps,
        decay_steps=plan.decay_steps * steps // STEPS,  # type: ignore[operator]
    )
    other = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, schedule=schedule))
    suffix = (f"-smooth{smoothing:g}" if smoothing else "") + (f"-steps{steps}" if steps != STEPS else "")
    return str(train(other, Path("training") / f"arithmetic-l{suffix}-seed{seed}"))


def worked(asked: list[Problem]) -> tuple[list[str], list[str]]:
    """Questions and observed solutions."""
    rng = random.Random(0)
    return [problem.question for problem in asked], [problem.solution(rng) for problem in asked]


def most_likely(logits: torch.Tensor) -> torch.Tensor:
    """Keep the likeliest token only: greedy decoding as a filter."""
    only = torch.full_like(logits, -torch.inf)
    return only.scatter(1, logits.argmax(1, keepdim=True), 0.0)


def calibration(log_p: torch.Tensor, targets: torch.Tensor) -> float:
    """Expected calibration error of the likeliest token."""
    confidence, choice = log_p.exp().max(1)
    return expected_calibration_error(confidence.clamp_max(1).numpy(), (choice == targets).numpy())


def measure(smoothing: float, seed: int, steps: int) -> dict[str, Any]:
    """Fit the maps on validation solutions; count right answers to test problems."""
    model, tokenizer = load(trained(smoothing, seed, steps))
    logits, observed = answer_logits(model, tokenizer, *worked(problems("validation", PROBLEMS, 1)))
    eps, power, isotonic = (
        fit_smoothing(logits, observed),
        fit_power(logits, observed),
        fit_isotonic(logits, observed),
    )
    asked = problems("test", PROBLEMS, 0)
    maps: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "raw": lambda z: z.log_softmax(-1),
        "unsmoothed": lambda z: unsmooth(z, eps),
        "power": lambda z: power_transform(z, power),
        "isotonic": isotonic,
        "given": lambda z: unsmooth(z, 0.1),
    }
    logits, observed = answer_logits(model, tokenizer, *worked(asked))
    questions = [problem.question for problem in asked]
    right, errors, choices = {}, {}, {}
    for name, transform in maps.items():
        answers = sample_answers(model, tokenizer, questions, draws=DRAWS, filters=[transform])
        right[name] = [
            sum(grade(problem, text).correct for text in texts)
            for problem, texts in zip(asked, answers, strict=True)
        ]
        log_p = transform(logits)
        errors[name], choices[name] = calibration(log_p, observed), log_p.argmax(1)
    greedy = sample_answers(model, tokenizer, questions, filters=[most_likely])
    after = sample_answers(model, tokenizer, questions, filters=[maps["unsmoothed"], most_likely])
    right["greedy"] = [
        int(grade(problem, texts[0]).correct) for problem, texts in zip(asked, greedy, strict=True)
    ]
    return {
        "fitted_smoothing": eps,
        "fitted_power": power,
        "calibration_error": errors,
        "greedy_texts_changed": sum(a != b for a, b in zip(greedy, after, strict=True)),
        "greedy_tokens_changed": {name: int((c != choices["raw"]).sum()) for name, c in choices.items()},
        "tokens": len(observed),
        "surprisal_raw": float(-logits.log_softmax(-1).gather(1, observed[:, None]).mean()),
        "right": right,
    }


def write_table(models: dict[str, Any]) -> None:
    """A row a model and problem: how many of the sampled answers are right, before and after each map."""
    measured = {run: models[name_of(*run)] for run in RUNS if name_of(*run) in models}
    parts = [
        pd.DataFrame(
            {"smoothing": smoothing, "seed": seed, "steps": steps, "problem": range(PROBLEMS)}
            | {name: np.array(counts, dtype=np.uint8) for name, counts in found["right"].items()}
        ).assign(
            fitted_smoothing=found["fitted_smoothing"],
            fitted_power=found["fitted_power"],
            error_raw=found["calibration_error"]["raw"],
            error_unsmoothed=found["calibration_error"]["unsmoothed"],
            greedy_changed=found["greedy_texts_changed"],
        )
        for (smoothing, seed, steps), found in measured.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    table.attrs.update(
        source="Measured by this project (experiments/information/utility_probability_duality.py)",
        licence="MIT",
    )
    target = Path(entropylab.data.__file__).parent / "tables" / "smoothed_arithmetic.parquet"
    with atomic_write(target) as path:
        table.to_parquet(path, index=False)


def main() -> None:
    """Measure all models that are not measured yet."""
    models = json.loads(PATH.read_text(encoding="utf-8"))["models"] if PATH.exists() else {}
    for run in RUNS:
        key = name_of(*run)
        if key not in models:
            clock = time.monotonic()
            models[key] = measure(*run)
            results.write_json(PATH, {"experiment": __doc__.splitlines()[0], "models": models})  # type: ignore[union-attr]
            print(f"{key}: {time.monotonic() - clock:.0f} s", flush=True)
            write_table(models)
    write_table(models)


if __name__ == "__main__":
    main()

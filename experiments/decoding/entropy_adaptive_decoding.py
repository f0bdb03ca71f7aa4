"""The full grid of the chapter on Entropy Adaptive Decoding: thresholds chosen on development, then the test questions.

Run: ``python experiments/decoding/entropy_adaptive_decoding.py`` (about 8 minutes on 2 cores, and 4 more for each
training seed). The stages are ``development`` (the frozen thresholds, which the chapter's settings carry), ``grid``
(thresholds, windows, dwells and variants on the test questions, both fillers), ``random`` (20 random routings at the
primary threshold) and ``seeds`` (pairs of models trained from other seeds, each with thresholds of its own). Each is
written to ``results/<scale>/experiments/entropy_adaptive_decoding.json`` as soon as it is done, cell by cell, and what
stands there is not run again.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from entropylab.book import results, scale
from entropylab.decoding.entropy_adaptive import rolling_mean
from entropylab.decoding.entropy_adaptive_controls import matched_random_masks
from entropylab.decoding.entropy_adaptive_decoder import SwitchedText
from entropylab.decoding.entropy_adaptive_study import ArithmeticStudy, paired_interval
from entropylab.models import load
from entropylab.models.recipes import read_recipe
from entropylab.models.training import train
from entropylab.sources.tasks.arithmetic import problems

QUESTIONS = 400
DRAWS = 20
SEEDS = (1, 2, 3)
# Window, dwell, and whether a decision holds from the next token on (B) or for the same one (A).
GRID = [(1, 1, "B"), (1, 10, "B"), (5, 1, "B"), (5, 3, "B"), (5, 10, "B"), (20, 1, "B"), (20, 10, "B")]
GRID += [(1, 1, "A"), (1, 10, "A"), (5, 1, "A"), (5, 10, "A")]
DECILES = np.arange(1, 10) / 10
FILLERS = ("free", "fixed")
ZOO = ("lab/arithmetic-s", "lab/arithmetic-l")
PATH = Path(__file__).parents[2] / "results" / scale() / "experiments" / "entropy_adaptive_decoding.json"


def study(part: str, seed: int, filler: str, models: tuple[str, str] = ZOO) -> ArithmeticStudy:
    """Two models on the questions of one part."""
    (small, tokenizer), (large, _) = map(load, models)
    return ArithmeticStudy(small, large, tokenizer, problems(part, QUESTIONS, seed, filler))  # type: ignore[arg-type]


def cell(of: ArithmeticStudy, run: SwitchedText) -> dict[str, Any]:
    """All numbers of one run."""
    correct = of.correct(run)
    return {
        "accuracy": float(correct.mean()),
        "interval": paired_interval(correct),
        "share": run.share,
        "switches": float(run.switches.mean()),
        "tokens": float(run.lengths.mean()),
        "passes": run.passes.mean(0).tolist(),
        "caught_up": run.caught_up.mean(0).tolist(),
    }


def quantiles(run: SwitchedText, window: int) -> list[float]:
    """Deciles of the rolling mean entropy over a run's text, nats."""
    means = rolling_mean(run.entropy, window)[run.written]
    return [float(round(q, 6)) for q in np.quantile(means, DECILES)]


def nearest(cells: list[dict[str, Any]], share: float) -> int:
    """Number of the cell whose share of large-model tokens is nearest to a given one."""
    return int(np.argmin([abs(c["share"] - share) for c in cells]))


def development(filler: str) -> dict[str, Any]:
    """Thresholds for each window, and those that the claims use."""
    of = study("validation", 1, filler)
    small, large = of.alone()
    found: dict[str, Any] = {"small": cell(of, small), "large": cell(of, large)}
    found["thresholds"] = {str(w): quantiles(small, w) for w in (1, 5, 20)}
    smooth = [cell(of, run) for run in of.mixed(found["thresholds"]["5"])]
    rough = [cell(of, run) for run in of.mixed(found["thresholds"]["1"], 1, 1)]
    primary = nearest(smooth, 0.43)
    allowed = [i for i, c in enumerate(smooth) if c["share"] <= 0.43]
    best = max(allowed, key=lambda i: (smooth[i]["accuracy"], -smooth[i]["share"])) if allowed else None
    matched = _match_rough(of, found["thresholds"]["1"], rough, smooth[primary]["share"])
    return found | {
        "smooth": smooth,
        "rough": rough,
        "primary": found["thresholds"]["5"][primary],
        "best": None if best is None else found["thresholds"]["5"][best],
        "rough_matched": matched,
    }


def _match_rough(
    of: ArithmeticStudy, thresholds: list[float], cells: list[dict[str, Any]], share: float
) -> float:
    """The threshold at window 1 and dwell 1 with a given share: the nearest decile, then four bisections."""
    above = [i for i, c in enumerate(cells) if c["share"] >= share]
    low = thresholds[above[-1]] if above else 0.0
    high = thresholds[min(above[-1] + 1, 8)] if above else thresholds[0]
    tried = {tau: abs(c["share"] - share) for tau, c in zip(thresholds, cells, strict=True)}
    for _ in range(4):
        middle = round((low + high) / 2, 6)
        (run,) = of.mixed([middle], 1, 1)
        tried[middle] = abs(run.share - share)
        low, high = (middle, high) if run.share >= share else (low, middle)
    return min(tried, key=lambda tau: tried[tau])


def trained(seed: int) -> tuple[str, str]:
    """The recipes of the two models with another training seed."""
    folders = []
    for name in ("arithmetic-s", "arithmetic-l"):
        recipe = read_recipe(name)
        schedule = dataclasses.replace(recipe.model.schedule, seed=seed)  # type: ignore[union-attr]
        other = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, schedule=schedule))
        folders.append(str(train(other, Path("training") / f"{name}-seed{seed}")))
    return folders[0], folders[1]


def other_seed(seed: int) -> dict[str, Any]:
    """Accuracies of a pair alone, of the paper's rule, of the rule of C7, and of random routings of the same usage."""
    models = trained(seed)
    known = study("validation", 1, "free", models)
    (small, _) = known.alone()
    taus, single = quantiles(small, 5), quantiles(small, 1)[7]
    primary = nearest([cell(known, run) for run in known.mixed(taus)], 0.43)
    of = study("test", 0, "free", models)
    alone = [cell(of, run) for run in of.alone()]
    found: dict[str, Any] = {"small": alone[0], "large": alone[1]}
    (smooth,) = of.mixed([taus[primary]])
    (direct,) = of.mixed([single], 1, 1, variant="A")
    for name, run in (("smooth", smooth), ("direct", direct)):
        masks = matched_random_masks(run.large, run.lengths, 8, np.random.default_rng(0))
        draws = of.routed(masks)
        chance = np.mean([of.correct(other) for other in draws], axis=0)
        difference = of.correct(run) - chance
        found[name] = cell(of, run) | {
            "random": float(chance.mean()),
            "difference": float(difference.mean()),
            "difference_interval": paired_interval(difference),
            "share_gap": max(abs(other.share - run.share) for other in draws),
        }
    return found


def main() -> None:
    """Run what is not done yet."""
    done: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}

    def stage(name: str, key: str, compute: Any) -> Any:
        cells = done.setdefault(name, {})
        if key not in cells:
            clock = time.monotonic()
            cells[key] = compute()
            results.write_json(PATH, {"experiment": __doc__.splitlines()[0], "questions": QUESTIONS} | done)  # type: ignore[union-attr]
            print(f"{name} {key}: {time.monotonic() - clock:.0f} s", flush=True)
        return cells[key]

    chosen = {f: stage("development", f, lambda f=f: development(f)) for f in FILLERS}
    for filler in FILLERS:
        of = study("test", 0, filler)

        def alone(of: ArithmeticStudy = of) -> dict[str, Any]:
            small, large = of.alone()
            return {"small": cell(of, small), "large": cell(of, large)}

        def grid(
            w: int, d: int, variant: str, of: ArithmeticStudy = of, filler: str = filler
        ) -> list[dict[str, Any]]:
            taus = chosen[filler]["thresholds"][str(w)]
            runs = of.mixed(taus, w, d, variant=variant)
            return [{"threshold": tau} | cell(of, run) for tau, run in zip(taus, runs, strict=True)]

        def draws(of: ArithmeticStudy = of, filler: str = filler) -> list[dict[str, Any]]:
            (run,) = of.mixed([chosen[filler]["primary"]])
            masks = matched_random_masks(run.large, run.lengths, DRAWS, np.random.default_rng(0))
            return [cell(of, run), *(cell(of, other) for other in of.routed(masks))]

        stage("alone", filler, alone)
        stage("random", filler, draws)
        for w, d, variant in GRID:
            key = f"{filler} window {w} dwell {d} variant {variant}"
            stage("grid", key, lambda w=w, d=d, variant=variant, grid=grid: grid(w, d, variant))
    for seed in SEEDS:
        stage("seeds", str(seed), lambda seed=seed: other_seed(seed))


if __name__ == "__main__":
    main()

"""The full grid of the chapter on Entropy Adaptive Decoding: thresholds chosen on development, then the test questions.

Run: ``python experiments/decoding/entropy_adaptive_decoding.py`` (about 8 minutes on 2 cores). The stages are
``development`` (the frozen thresholds, which the chapter's settings carry), ``grid`` (thresholds, windows, dwells and
variants on the test questions, both fillers) and ``random`` (20 random routings at the primary threshold). Each is written to
``results/<scale>/experiments/entropy_adaptive_decoding.json`` as soon as it is done, cell by cell, and what stands
there is not run again.
"""

from __future__ import annotations

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
from entropylab.sources.tasks.arithmetic import problems

QUESTIONS = 400
DRAWS = 20
# Window, dwell, and whether a decision holds from the next token on (B) or for the same one (A).
GRID = [(1, 1, "B"), (1, 10, "B"), (5, 1, "B"), (5, 3, "B"), (5, 10, "B"), (20, 1, "B"), (20, 10, "B")]
GRID += [(1, 1, "A"), (1, 10, "A"), (5, 1, "A"), (5, 10, "A")]
DECILES = np.arange(1, 10) / 10
FILLERS = ("free", "fixed")
PATH = Path(__file__).parents[2] / "results" / scale() / "experiments" / "entropy_adaptive_decoding.json"


def study(part: str, seed: int, filler: str) -> ArithmeticStudy:
    """The two models of the zoo on the questions of one part."""
    small, tokenizer = load("lab/arithmetic-s")
    large, _ = load("lab/arithmetic-l")
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


if __name__ == "__main__":
    main()

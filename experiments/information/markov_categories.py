"""More seeds of the chapter on Markov categories, and the states of english-s on novels that it has not seen.

Run: ``python experiments/information/markov_categories.py`` (about 6 minutes on one core). The stages are ``recurrent``
(ten seeds of the model of the hidden source), ``whitened`` (30 problems of the spectral theorem), ``encoder`` (eight
encoders) and ``english`` (english-s on the held-out novels, three seeds of probes). Each seed is written to
``results/lab/experiments/markov_categories.json`` as soon as it is done, and what stands there is not run again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropylab.book import results
from entropylab.data import read_novels
from entropylab.information.information_surplus import stationary_surplus
from entropylab.information.whitened_study import study_whitened
from entropylab.models import load
from entropylab.models.alignment_study import study_alignment
from entropylab.models.language_model_study import study_language_model
from entropylab.models.source_study import study_recurrent
from entropylab.sources import HMM

PATH = Path(__file__).parents[2] / "results" / "lab" / "experiments" / "markov_categories.json"
MODEL = "lab/english-s"
NOVELS = (  # the test documents of its model card
    "Burnett_Garden_1911",
    "Cbronte_Villette_1853",
    "Chesterton_Thursday_1908",
    "Dickens_Oliver_1839",
    "Hardy_Jude_1895",
)
WINDOW, CONTEXT, TEXTS = 64, 16, 6000
SOURCE = HMM(
    [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]],
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.05, 0.05, 0.45, 0.45]],
)


def recurrent(seed: int) -> dict[str, Any]:
    """Surplus of the three kinds of states, and the last look at the model."""
    study = study_recurrent(SOURCE, seed)
    return {name: getattr(study, name).surplus for name in ("trained", "permuted", "start")} | {
        "start_entropy": study.checkpoints[0].entropy,
        **study.checkpoints[-1]._asdict(),
    }


def whitened(seed: int) -> dict[str, Any]:
    """Angles by scale, and what rotations change."""
    study = study_whitened(seed, (0.01, 0.1, 0.3, 1.0, 2.0))
    return study._asdict() | {"angles": {str(scale): angle for scale, angle in study.angles.items()}}


def encoder(seed: int) -> dict[str, Any]:
    """Alignments and angles of one encoder."""
    study = study_alignment(seed)
    return study._asdict() | {"trained": list(study.trained)}


def windows() -> Tensor:
    """Windows of the held-out novels after the beginning-of-text token, in random order."""
    _, tokenizer = load(MODEL)
    rows = []
    for novel in read_novels(NOVELS):
        tokens = tokenizer(novel.text, verbose=False)["input_ids"]
        rows += [tokens[i : i + WINDOW] for i in range(0, len(tokens) - WINDOW, WINDOW)]
    order = np.random.default_rng(0).permutation(len(rows))[:TEXTS]
    return torch.tensor([[tokenizer.bos_token_id, *rows[i]] for i in order])


def english(seed: int) -> dict[str, Any]:
    """Surplus of coarse text, alignment and metric of english-s on novels."""
    model, _ = load(MODEL)
    study = study_language_model(model, windows(), first=CONTEXT, steps=400, seed=seed)
    share = study.spectrum / study.spectrum.sum(1, keepdims=True)
    return {
        "surplus": {name: [probe.surplus for probe in probes] for name, probes in study.surplus.items()},
        "without": [probe.without for probe in study.surplus["trained"]],
        "cka": study.cka,
        "largest_share": float(np.median(share[:, 0])),
        "smallest_over_largest": float(np.median(share[:, -1] / share[:, 0])),
    }


STAGES: dict[str, tuple[int, Callable[[int], dict[str, Any]]]] = {
    "recurrent": (10, recurrent),
    "whitened": (30, whitened),
    "encoder": (8, encoder),
    "english": (3, english),
}


def main() -> None:
    """Run what is not done yet."""
    torch.set_num_threads(1)
    done: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    bounds = np.array(SOURCE.entropy_rate_bounds(11))
    done["exact"] = {
        "entropy_rate": bounds.tolist(),
        "surplus_2": stationary_surplus(SOURCE.block_entropies(2), bounds)[::-1, 1].tolist(),
    }
    for name, (seeds, measure) in STAGES.items():
        cells = done.setdefault(name, {})
        for seed in range(seeds):
            if str(seed) in cells:
                continue
            clock = time.monotonic()
            cells[str(seed)] = measure(seed)
            spent = time.monotonic() - clock
            total = spent + done.get("provenance", {}).get("run_seconds", 0.0)
            done["provenance"] = results.provenance(total, list(range(max(n for n, _ in STAGES.values()))))
            results.write_json(PATH, {"experiment": __doc__.splitlines()[0]} | done)  # type: ignore[union-attr]
            print(f"{name} {seed}: {spent:.0f} s", flush=True)


if __name__ == "__main__":
    main()

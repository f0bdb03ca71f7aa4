"""Match the information level of nucleus sampling to that of typical 0.2, for claim C4 of the chapter.

Run: ``python experiments/decoding/locally_typical_sampling.py`` (about 10 minutes on 2 cores). For each
model the nucleus mass is bisected until its mean surprisal is that of typical 0.2, on seeds that the chapter
does not use. The result is written to ``results/<scale>/experiments/locally_typical_sampling.json`` after
each model, and a model that stands there already is not run again. The chapter's settings carry the masses.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from entropylab.book import results, scale
from entropylab.data import story_openings
from entropylab.decoding.comparison import Sampler, match_nucleus, run_samplers
from entropylab.models import load

SEEDS = (95, 96, 97, 98, 99)
MODELS = {"lab": ("lab/english-s", "lab/english-trigram"), "gpu": ("gpt2-medium", "lab/english-trigram")}
TOKENS = {"lab": 160, "gpu": 256}


def match(name: str) -> dict[str, Any]:
    """Bisect for one model; every evaluation is kept."""
    model, tokenizer = load(name)

    def level(sampler: Sampler) -> float:
        runs = run_samplers(
            [sampler], model, tokenizer, story_openings(), tokens=TOKENS[scale()], seeds=SEEDS
        )
        return runs[sampler.name].mean("surprisal")

    target = level(Sampler.typical(0.2))
    mass, tried = match_nucleus(target, lambda mass: level(Sampler.nucleus(mass)))
    return {"typical_0.2": target, "nucleus_mass": mass, "nucleus": dict(tried)[mass], "tried": tried}


def main() -> None:
    """Match all models of the current scale."""
    path = Path(__file__).parents[2] / "results" / scale() / "experiments" / "locally_typical_sampling.json"
    done = json.loads(path.read_text(encoding="utf-8"))["models"] if path.exists() else {}
    for name in MODELS[scale()]:
        if name not in done:
            done[name] = match(name)
            print(name, done[name])
            content = {
                "experiment": "mean surprisal (nats) matched on seeds of its own",
                "seeds": SEEDS,
                "models": done,
            }
            results.write_json(path, content)


if __name__ == "__main__":
    main()

"""Claim C6 of the chapter on epiplexity: what one small transformer pays to learn text, code, shuffled text and noise.

Run: ``python experiments/information/epiplexity_text.py`` (about 6 minutes of one core). Four sources with the same
alphabet, three seeds each, one pass over 1,228,800 characters; the held-out windows are a tenth of that. A reading that
stands in ``results/lab/experiments/epiplexity_text.json`` is not made again. The loss of each step before its update
and the loss of each held-out window go into the package, as the table ``epiplexity_text``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import entropylab.data
from entropylab.book import results
from entropylab.data.novels import novel_names, read_novels
from entropylab.files import atomic_write
from entropylab.models.character_study import SOURCES, Reading, controls, encode, read
from entropylab.models.documents import module_names, read_documents

SEEDS = (0, 1, 2)
READING = Reading()
PATH = Path(__file__).parents[2] / "results" / "lab" / "experiments" / "epiplexity_text.json"


def pool(source: str, seed: int) -> NDArray[np.uint8]:
    """Characters to draw windows from: every eighth novel, the standard library of Python, or a control."""
    if source == "python":
        modules = read_documents("python", tuple(module_names()), {})
        return encode("".join(text for module in modules for text in module.texts))
    novels = encode("".join(novel.text for novel in read_novels(novel_names()[::8])))
    return novels if source == "english" else controls(novels, source, seed)


def write_table(runs: dict[str, Any]) -> None:
    """A row for each step and each held-out window."""
    parts = []
    for key, found in runs.items():
        source, seed = key.split()
        for part in ("training", "held_out"):
            values = np.array(found[part], dtype=np.float32)
            parts.append(
                pd.DataFrame(
                    {"source": source, "seed": int(seed), "part": part, "number": range(len(values))}
                ).assign(loss=values)
            )
    table = pd.concat(parts, ignore_index=True).astype({"seed": "uint8", "number": "uint16"})
    table.attrs.update(
        source="Measured by this project (experiments/information/epiplexity_text.py)", licence="MIT"
    )
    target = Path(entropylab.data.__file__).parent / "tables" / "epiplexity_text.parquet"
    with atomic_write(target) as path:
        table.to_parquet(path, index=False)


def main() -> None:
    """Make the readings that are not made yet."""
    torch.set_num_threads(1)
    runs = json.loads(PATH.read_text(encoding="utf-8"))["runs"] if PATH.exists() else {}
    for seed in SEEDS:
        for source in SOURCES:
            key, clock = f"{source} {seed}", time.monotonic()
            if key in runs:
                continue
            characters = pool(source, seed)
            curve = read(characters, READING, seed)
            runs[key] = {
                "pool": characters.size,
                "training": [round(x, 7) for x in curve.losses.tolist()],
                "held_out": [round(x, 7) for x in curve.held_out.tolist()],
            }
            results.write_json(
                PATH,
                {
                    "experiment": (__doc__ or "").splitlines()[0],
                    "unit": "nats a character",
                    "reading": vars(READING),
                    "runs": runs,
                },
            )
            print(f"{key}: {time.monotonic() - clock:.0f} s, {curve.held_out.mean():.4f}", flush=True)
    write_table(runs)


if __name__ == "__main__":
    main()

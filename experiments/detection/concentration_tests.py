"""Write texts with four models and score each with all four, for claims C2-lm and C6 of the chapter.

Run: ``python experiments/detection/concentration_tests.py`` (about a minute on an idle core). Each model continues
the first four words of the story openings by exact sampling: 100 texts of 256 tokens, and 300 more of 64 tokens for
the two twins. The ids go to ``build/attribution``, so that a run can be resumed, and the total surprisal of each text's
first N tokens under each model, in nats, goes to the table ``attribution_totals`` of the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

import entropylab.data
from entropylab.data import story_openings
from entropylab.files import atomic_write
from entropylab.models import generate, load

MODELS = ("lab/english-s-a", "lab/english-s-b", "lab/english-s-step460", "lab/english-trigram")
TWINS = MODELS[:2]
LENGTHS = (2, 4, 8, 16, 32, 64, 128, 256)
PARTS = ((100, 256), (300, 64))  # texts and tokens; the second part is the twins' only
FOLDER = Path(__file__).parents[2] / "build" / "attribution"
ATTRIBUTES = {
    "source": "Exact samples of four models of this project's zoo, scored under all four: total surprisal in nats "
    "of the first so many tokens of each text",
    "licence": "MIT (numbers computed by this project)",
}


def prompts(texts: int) -> list[str]:
    """The first four words of the openings, in turn."""
    starts = [" ".join(line.split()[:4]) for line in story_openings()]
    return [starts[i % len(starts)] for i in range(texts)]


def parts(writer: str) -> list[tuple[int, int, int]]:
    """(number, texts, tokens) of what a model writes."""
    return [(number, *size) for number, size in enumerate(PARTS) if number == 0 or writer in TWINS]


def kept(name: str, make: Any) -> dict[str, torch.Tensor]:
    """What `make` gives, from the folder if it stands there."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        made = make()
        with atomic_write(path) as partial:
            save_file(made, partial)
        print(name, flush=True)
    return load_file(path)


def written(writer: str, number: int, texts: int, tokens: int) -> dict[str, torch.Tensor]:
    """Texts of a model: ids, and the surprisal that each was drawn with."""

    def make() -> dict[str, torch.Tensor]:
        seed = 100 * number + MODELS.index(writer)
        run = generate(*load(writer), prompts(texts), max_new_tokens=tokens, seed=seed)
        return {"tokens": run.tokens.contiguous(), "surprisal": run.surprisal.contiguous()}

    return kept(f"{writer[4:]}.{number}", make)


def scored(name: str, writer: str, number: int, tokens: torch.Tensor) -> torch.Tensor:
    """Surprisal of a writer's texts under another model."""

    def make() -> dict[str, torch.Tensor]:
        model, tokenizer = load(name)
        starts = [
            [tokenizer.bos_token_id, *tokenizer(p, add_special_tokens=False)["input_ids"]]
            for p in prompts(len(tokens))
        ]
        result = torch.empty(tokens.shape)
        for size in sorted(set(map(len, starts))):  # texts with prompts of one length need no padding
            rows = [row for row, start in enumerate(starts) if len(start) == size]
            for group in torch.tensor(rows).split(20):
                ids = torch.cat([torch.tensor([starts[row] for row in group.tolist()]), tokens[group]], 1)
                with torch.inference_mode():
                    logits = model(input_ids=ids[:, :-1]).logits[:, size - 1 :]
                    chosen = logits.gather(-1, ids[:, size:, None])[..., 0]
                    result[group] = logits.logsumexp(-1) - chosen
        return {"surprisal": result}

    return kept(f"{writer[4:]}.{number}.{name[4:]}", make)["surprisal"]


def main(models: list[str]) -> None:
    """Write and score with the models named, all by default; with all of them, make the table."""
    tables = []
    for writer in models:
        for number, texts, longest in parts(writer):
            own = written(writer, number, texts, longest)
            lengths = [n for n in LENGTHS if n <= longest]
            columns: dict[str, Any] = {
                "writer": writer,
                "text": np.repeat(np.arange(texts) + number * PARTS[0][0], len(lengths)).astype(np.int16),
                "tokens": np.tile(lengths, texts).astype(np.int16),
            }
            for name in models:
                if name != writer and number == 1 and name not in TWINS:
                    columns[name[4:]] = np.float32(np.nan)
                    continue
                surprisal = (
                    own["surprisal"] if name == writer else scored(name, writer, number, own["tokens"])
                )
                totals = surprisal.double().cumsum(1)[:, [n - 1 for n in lengths]]
                columns[name[4:]] = totals.flatten().numpy().astype(np.float32)
            tables.append(pd.DataFrame(columns))
    if set(models) == set(MODELS):
        table = pd.concat(tables, ignore_index=True)
        table.attrs.update(ATTRIBUTES)
        folder = Path(entropylab.data.__file__).parent / "tables"
        with atomic_write(folder / "attribution_totals.parquet") as partial:
            table.to_parquet(partial, index=False, compression="zstd")


if __name__ == "__main__":
    main([f"lab/{name}" for name in sys.argv[1:]] or list(MODELS))

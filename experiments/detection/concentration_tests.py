"""Write texts with four models and score each with all four, for claims C2-lm and C6 of the chapter.

Run: ``python experiments/detection/concentration_tests.py`` (about two minutes on an idle core). Each model
continues the first four words of the story openings by exact sampling: 200 texts of 256 tokens, and 200 more of
64 tokens for the two twins. What is kept is the total surprisal of each text's first N tokens under each model, in
nats: the table ``attribution_totals`` of the package. It is written after each writer, and a writer that stands there
is not run again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

import entropylab.data
from entropylab.data import load_table, story_openings
from entropylab.files import atomic_write
from entropylab.models import generate, load

MODELS = ("lab/english-s-a", "lab/english-s-b", "lab/english-s-step460", "lab/english-trigram")
TWINS = MODELS[:2]
TEXTS, LENGTHS = 200, (2, 4, 8, 16, 32, 64, 128, 256)
NAME = "attribution_totals"
ATTRIBUTES = {
    "source": "Exact samples of four models of this project's zoo, scored under all four: total surprisal in nats "
    "of the first so many tokens of each text",
    "licence": "MIT (numbers computed by this project)",
}


def prompts() -> list[str]:
    """The first four words of each opening, five times."""
    return [" ".join(line.split()[:4]) for line in story_openings()] * (TEXTS // 40)


def totals(model: object, tokenizer: object, tokens: torch.Tensor, lengths: list[int]) -> np.ndarray:
    """Total surprisal of each text's first N tokens under a model, [texts, lengths]."""
    starts = [
        [tokenizer.bos_token_id, *tokenizer(p, add_special_tokens=False)["input_ids"]] for p in prompts()
    ]
    result = np.empty((len(tokens), len(lengths)))
    for size in sorted(set(map(len, starts))):  # texts with prompts of one length have no padding
        rows = [row for row, start in enumerate(starts) if len(start) == size]
        for group in torch.tensor(rows).split(20):
            ids = torch.cat([torch.tensor([starts[row] for row in group.tolist()]), tokens[group]], 1)
            with torch.inference_mode():
                logits = model(input_ids=ids[:, :-1]).logits[:, size - 1 :]
                surprisal = logits.logsumexp(-1) - logits.gather(-1, ids[:, size:, None])[..., 0]
            result[group] = surprisal.double().cumsum(1).numpy()[:, [n - 1 for n in lengths]]
    return result


def write(writer: str, models: dict[str, tuple[object, object]]) -> pd.DataFrame:
    """All texts of one writer: a row for each text and length."""
    tables = []
    for part, longest in enumerate((256, 64) if writer in TWINS else (256,)):
        lengths = [n for n in LENGTHS if n <= longest]
        seed = 100 * part + MODELS.index(writer)
        run = generate(*models[writer], prompts(), max_new_tokens=longest, seed=seed)
        columns = {"writer": writer, "text": np.repeat(np.arange(TEXTS) + part * TEXTS, len(lengths))}
        columns["tokens"] = np.tile(lengths, TEXTS)
        for name in MODELS:
            if name == writer:
                found = run.surprisal.double().cumsum(1).numpy()[:, [n - 1 for n in lengths]]
            elif part == 0 or name in TWINS:
                found = totals(*models[name], run.tokens, lengths)
            else:
                found = np.full((TEXTS, len(lengths)), np.nan)
            columns[name.removeprefix("lab/")] = found.ravel().astype(np.float32)
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Run all writers that are not in the table yet."""
    models = {name: load(name) for name in MODELS}
    done = load_table(NAME) if NAME in entropylab.data.list_tables() else pd.DataFrame({"writer": []})
    for writer in MODELS:
        if writer in set(done["writer"]):
            continue
        table = pd.concat([part for part in (done, write(writer, models)) if len(part)], ignore_index=True)
        done = table.astype({"text": "int16", "tokens": "int16"})
        done.attrs.update(ATTRIBUTES)
        with atomic_write(Path(entropylab.data.__file__).parent / "tables" / f"{NAME}.parquet") as partial:
            done.to_parquet(partial, index=False, compression="zstd")
        print(writer, len(done))


if __name__ == "__main__":
    main()

"""Rebuild the table of human text for the tests of authorship: what english-s says of test novels, numbers only.

``concentration_novels``: surprisal, entropy, varentropy and the cgf on the default grid, of each of 128 tokens of 400
segments, 80 from each of five test novels; and of 40 segments of Python source, far from what the model was trained on.
Eight tokens before a segment are context. The cgf is rounded to eleven bits, which its sums do not feel.

Run: ``python scripts/build_concentration_tables.py`` (downloads the novels, or reads them where ENTROPYLAB_MIRROR
says; about half a minute).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

import entropylab.data
from entropylab.data import read_novels
from entropylab.detection import LAMBDAS, ids_evidence
from entropylab.files import atomic_write
from entropylab.models import load
from entropylab.models.documents import read_documents
from entropylab.models.recipes import read_recipe

MODEL = "lab/english-s"
SEGMENTS, TOKENS, CONTEXT = 80, 128, 8
MODULES = ("argparse", "decimal", "inspect", "tarfile")
SOURCE = (
    "Computed by this project with lab/english-s from five test novels of the corpus '100 English Novels' "
    "(Computational Stylistics Group), which the model was not trained on, and from modules of Python's standard "
    "library"
)


def segments(ids: list[int], count: int) -> torch.Tensor:
    """Evenly spaced segments with their context, away from the first and the last page."""
    starts = np.linspace(0.02, 0.98, count) * (len(ids) - TOKENS - CONTEXT)
    return torch.tensor([ids[int(start) : int(start) + CONTEXT + TOKENS] for start in starts])


def main() -> None:
    """Score the segments and write the table."""
    model, tokenizer = load(MODEL)
    texts = [(novel.name, SEGMENTS, novel.text) for novel in read_novels(read_recipe("english-s").test)]
    modules = read_documents("python", MODULES, {})
    texts += [("python", 40, "\n".join(text for module in modules for text in module.texts))]
    tables = []
    for name, count, text in texts:
        ids = segments(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], count)
        ids = torch.nn.functional.pad(ids, (1, 0), value=tokenizer.bos_token_id)
        e = ids_evidence(model, ids, prompt=1 + CONTEXT)
        columns = {
            "book": pd.Categorical([name] * count * TOKENS, [text[0] for text in texts]),
            "segment": np.repeat(np.arange(count, dtype=np.int16), TOKENS),
            "position": np.tile(np.arange(TOKENS, dtype=np.int16), count),
        }
        for field in ("surprisal", "entropy", "varentropy"):
            columns[field] = getattr(e, field).reshape(-1).numpy()
        rounded = e.cgf.reshape(-1, len(LAMBDAS)).half().float().numpy()
        columns |= {f"cgf_{g}": rounded[:, i] for i, g in enumerate(LAMBDAS)}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    table.attrs.update(
        source=SOURCE,
        licence="MIT (numbers computed from public-domain texts and PSF-licensed code)",
        model=MODEL,
    )
    path = Path(entropylab.data.__file__).parent / "tables" / "concentration_novels.parquet"
    with atomic_write(path) as partial:
        floats = [name for name in table if table[name].dtype == np.float32]
        table.to_parquet(
            partial,
            index=False,
            compression="zstd",
            compression_level=15,
            use_dictionary=[name for name in table if name not in floats],
            use_byte_stream_split=floats,
        )
    print(table.shape, path.stat().st_size)


if __name__ == "__main__":
    main()

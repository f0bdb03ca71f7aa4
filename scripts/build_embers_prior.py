"""Rebuild ``embers_trigrams``: how often three characters (a to z, space) follow each other in the training novels.

Run: ``python scripts/build_embers_prior.py`` (downloads the novels, or reads them where ENTROPYLAB_MIRROR says).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

import entropylab.data
from entropylab.data import read_novels
from entropylab.files import atomic_write
from entropylab.sources.tasks.ciphers import part_names

ATTRIBUTES = {
    "source": "Counted by this project in the training novels of its models, from the corpus '100 English Novels' "
    "(Computational Stylistics Group)",
    "licence": "MIT (numbers computed from public-domain texts)",
}


def codes_of(text: str) -> np.ndarray:
    """Codes 0 to 25 for letters, 26 for one or more other characters."""
    letters = np.frombuffer(re.sub(r"[^a-z]+", " ", text.lower()).encode("ascii"), dtype=np.uint8)
    return np.where(letters == ord(" "), 26, letters - ord("a")).astype(np.int64)


def main() -> None:
    """Count and write the table."""
    counts = np.zeros(27**3, dtype=np.int64)
    for name in part_names("train"):
        codes = codes_of(read_novels([name])[0].text)
        counts += np.bincount(codes[:-2] * 729 + codes[1:-1] * 27 + codes[2:], minlength=27**3)
    table = pd.DataFrame({"count": counts.astype(np.int32)})  # row 729 a + 27 b + c
    table.attrs.update(ATTRIBUTES)
    path = Path(entropylab.data.__file__).parent / "tables" / "embers_trigrams.parquet"
    with atomic_write(path) as partial:
        table.to_parquet(partial, index=False, compression="zstd", compression_level=19)
    print(f"{counts.sum():,} trigrams, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

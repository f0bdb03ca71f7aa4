"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of ``path`` only when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file to make or to replace. Its folder is made if need be.

    Yields
    ------
    Path
        A temporary file in the same folder; it is gone afterwards, whatever happens.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

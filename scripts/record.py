"""Execute one notebook in place and write its results: ``python scripts/record.py CHAPTER``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def find(chapter: str) -> Path:
    """The notebook of a chapter.

    Raises
    ------
    ValueError
        If there is no notebook of that name, or more than one.
    """
    notebooks = {
        path.stem: path for path in sorted((ROOT / "chapters").rglob("*.ipynb")) if "_build" not in path.parts
    }
    if chapter not in notebooks:
        raise ValueError(f"there is no notebook {chapter!r}; there are {', '.join(notebooks) or 'none'}")
    return notebooks[chapter]


def record(chapter: str) -> None:
    """Run the notebook from a fresh kernel, write its ``results/``, and normalise the file."""
    notebook = find(chapter)
    # Without ipywidgets, tqdm warns that its bars will be text.
    environment = {**os.environ, "ENTROPYLAB_RECORD": "1", "PYTHONWARNINGS": "ignore:IProgress"}
    execute = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(notebook)]
    subprocess.run(execute, check=True, cwd=ROOT, env=environment)
    normalise = [sys.executable, "-m", "entropylab.book.notebooks", "normalise", str(notebook)]
    subprocess.run(normalise, check=True, cwd=ROOT)


if __name__ == "__main__":
    try:
        record(*sys.argv[1:2])
    except (ValueError, TypeError) as error:
        sys.exit(f"record: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)

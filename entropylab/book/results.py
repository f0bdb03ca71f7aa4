"""Files with what was measured: ``results/<scale>/<chapter>.json``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from entropylab.book import places
from entropylab.book.scales import SCALES
from entropylab.files import atomic_write

FORMAT = 1
_PACKAGES = ("entropylab-book", "numpy", "numba", "torch", "transformers", "tokenizers", "scipy", "pandas")


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a JSON file so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Its folder is made if needed.
    content : mapping
        What ``json`` can write; NaN and infinities are refused.

    Returns
    -------
    Path
        The path that was given.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def read_all(folder: Path | None = None) -> list[dict[str, Any]]:
    """All recorded chapters, ordered by scale and chapter.

    Parameters
    ----------
    folder : Path, optional
        By default the book's own ``results/``.

    Returns
    -------
    list of dict
        One dictionary a file, as `Scorecard.save` writes them.

    Raises
    ------
    ValueError
        If a file is not a result of a known format.
    """
    root = folder or places.results_folder()
    found = []
    for name in SCALES:
        for path in sorted((root / name).glob("*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} is not readable: {error}") from error
            if not isinstance(content, dict) or "claims" not in content:
                continue  # step logs of long runs live beside the scorecards
            if content.get("format") != FORMAT:
                raise ValueError(
                    f"{path} has the format {content.get('format')!r}; this version reads {FORMAT}"
                )
            found.append(content)
    return found


def provenance(run_seconds: float, seeds: list[int]) -> dict[str, Any]:
    """What a reader needs to judge a number: when, which versions, what kind of machine (not its name)."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    record: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "run_seconds": round(run_seconds, 1),
        "seeds": seeds,
        "python": platform.python_version(),
        "packages": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "backend": _backend(),
    }
    if commit := _commit():
        record["commit"] = commit
    return record


def _backend() -> str:
    import entropylab

    return str(entropylab.backend())


def _commit() -> str | None:
    """The commit that the run started from; away from a checkout there is none."""
    root = places.checkout()
    if root is None:
        return None
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None

"""A report as a file and as tables in the terminal."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import entropylab
from entropylab.book.places import results_folder
from entropylab.files import atomic_write

PACKAGES = ("torch", "transformers", "numba", "numpy", "numba-cuda", "triton")


def heading(device: str, machine: dict[str, Any]) -> dict[str, Any]:
    """What stands at the head of every report: device, date, machine, versions.

    Parameters
    ----------
    device : str
    machine : dict

    Returns
    -------
    dict
    """
    return {
        "device": device,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "versions": versions() | {"entropylab": entropylab.__version__, "python": platform.python_version()},
    }


def versions() -> dict[str, str]:
    """Versions of what is installed of the packages that matter here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write(report: dict[str, Any], name: str, out: Path | None) -> Path:
    """Write a report to ``results/benchmarks/NAME.json``, or to `out`; returns where."""
    path = out or results_folder() / "benchmarks" / f"{name}.json"
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return path


def show(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows as a table.

    Parameters
    ----------
    title : str
    rows : list of dict
    columns : dict
        Heading to the key of the row, with a format: ``{"ratio": "ratio:.1f"}``. What is missing is a dash.
    """
    table = Table(title=title)
    numeric = {name: ":" in key for name, key in columns.items()}
    for name in columns:
        table.add_column(name, justify="right" if numeric[name] else "left")
    for row in rows:
        table.add_row(*(_cell(row, key) for key in columns.values()))
    console = Console()
    # Where the width is unknown or small, lines that a terminal wraps are better than cells that a table does.
    console.width = max(console.width, 125)
    console.print(table)


def _cell(row: Mapping[str, Any], key: str) -> str:
    name, _, form = key.partition(":")
    value = row.get(name)
    return "–" if value is None else format(value, form)

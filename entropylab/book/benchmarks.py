"""The benchmark page: every file in ``results/benchmarks/`` as tables, with its machine, and the sweep as a figure."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entropylab.book import markup, places
from entropylab.book.markup import Html

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def benchmarks(folder: Path | None = None) -> Html:
    """All benchmark files as HTML.

    A file is a JSON object. Its lists of objects become tables with one row an object; all else says on what
    machine and with which versions it was measured.

    Parameters
    ----------
    folder : Path, optional
        The results folder; by default the book's own.

    Returns
    -------
    Html

    Raises
    ------
    ValueError
        If a file is not a JSON object.
    """
    shown = []
    for path in sorted(((folder or places.results_folder()) / "benchmarks").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not readable: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} must hold a JSON object, not a {type(content).__name__}")
        tables = {key: value for key, value in content.items() if _is_table(value)}
        facts = {key: value for key, value in content.items() if key not in tables}
        shown.append(f"<h3>{escape(path.stem)}</h3>")
        shown += [_table(key, rows) for key, rows in tables.items()]
        shown.append(f"<p><small>{'; '.join(_facts(facts))}</small></p>")
    body = "".join(shown) or "<p>No benchmark is recorded yet.</p>"
    return Html(
        f"<style>{markup.asset('scoreboard.css').strip()}</style><div class='lab-benchmarks'>{body}</div>"
    )


def sweep_figure(folder: Path | None = None) -> Figure:
    """Time per byte over the size of the vocabulary, at a constant number of bytes.

    Parameters
    ----------
    folder : Path, optional
        The results folder; by default the book's own.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each path of ``cpu_sweep.json``.
    """
    import matplotlib.pyplot as plt

    path = (folder or places.results_folder()) / "benchmarks" / "cpu_sweep.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["time_per_kib"]
    figure, axes = plt.subplots()
    marks = iter("os^Dv")
    for name in dict.fromkeys(row["path"] for row in rows):
        line = [row for row in rows if row["path"] == name]
        axes.plot(
            [row["width"] for row in line],
            [row["constant_bytes"] for row in line],
            marker=next(marks),
            markersize=5,
            label=name,
        )
    axes.set(
        xscale="log",
        ylim=(0, None),
        xlabel="V, tokens in the vocabulary",
        ylabel="ns for each KiB of logits",
    )
    axes.set_xticks([1e3, 1e4, 1e5], ["1,000", "10,000", "100,000"])
    axes.legend()
    return figure


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(name: str, rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f'<th scope="col">{escape(column.replace("_", " "))}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(c))}</td>" for c in columns) + "</tr>" for row in rows
    )
    label = f"{escape(name)}, scrolls sideways"
    return (
        f"<p><b>{escape(name.replace('_', ' '))}</b></p>"
        f'<div class="sb-scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | int | float):
        return markup.number(value)
    if value == []:
        return "none"
    return escape(value if isinstance(value, str) else json.dumps(value))


def _facts(facts: dict[str, Any], front: str = "") -> list[str]:
    """Nested objects as a flat list of "name: value"."""
    found = []
    for key, value in facts.items():
        name = f"{front}{key}".replace("_", " ")
        found += _facts(value, f"{name} ") if isinstance(value, dict) else [f"{escape(name)}: {_cell(value)}"]
    return found

"""The benchmark page: every file in ``results/benchmarks/`` as tables, with its machine."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from entropylab.book import markup, places
from entropylab.book.markup import Html


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
        f'<div class="sb-scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | int | float):
        return markup.number(value)
    return escape(value if isinstance(value, str) else json.dumps(value))


def _facts(facts: dict[str, Any], front: str = "") -> list[str]:
    """Nested objects as a flat list of "name: value"."""
    found = []
    for key, value in facts.items():
        name = f"{front}{key}".replace("_", " ")
        found += _facts(value, f"{name} ") if isinstance(value, dict) else [f"{escape(name)}: {_cell(value)}"]
    return found

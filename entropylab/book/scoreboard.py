"""The scoreboard: all recorded claims in one table that can be filtered. It reads ``results/`` only."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from entropylab.book import markup, plan, results
from entropylab.book.markup import Html
from entropylab.book.scorecard import FAILS, HOLDS, UNTESTED, measured

_COLUMNS = ("claim", "verdict", "paper's figure", "ours", "interval", "scale", "date", "run time")


def rows(folder: Path | None = None) -> list[dict[str, Any]]:
    """One row a claim and scale, in the order of the book.

    Parameters
    ----------
    folder : Path, optional
        By default the book's own ``results/``.

    Returns
    -------
    list of dict
        With chapter, title, part, link, claim, statement, paper, source, ours, interval, verdict, scale,
        date, seconds.
    """
    order = {
        chapter.name: place for place, chapter in enumerate(c for part in plan.parts() for c in part.chapters)
    }
    found = []
    for content in results.read_all(folder):
        made = content["provenance"]
        for claim, entry in content["claims"].items():
            ours, interval = measured(entry["quantities"], entry["intervals"])
            found.append(
                {
                    "chapter": content["chapter"],
                    "title": content["title"],
                    "part": content["part"],
                    "link": f"{content['part']}/{content['chapter']}.html",
                    "claim": claim,
                    "statement": entry["statement"],
                    "paper": entry["paper"],
                    "source": entry["source"],
                    "ours": ours,
                    "interval": interval,
                    "verdict": entry["verdict"],
                    "scale": content["scale"],
                    "date": made["date"],
                    "seconds": made["run_seconds"],
                }
            )
    return sorted(found, key=lambda row: order.get(row["chapter"], len(order)))


def summary(folder: Path | None = None) -> str:
    """One sentence: how many chapters and claims, and how many hold."""
    found = rows(folder)
    if not found:
        return "No results are recorded yet."
    counts = Counter(row["verdict"] for row in found)
    verdicts = ", ".join(
        f"{counts[verdict]} {_plural(verdict, counts[verdict])}"
        for verdict in (HOLDS, FAILS, UNTESTED)
        if counts[verdict]
    )
    chapters = len({row["chapter"] for row in found})
    return f"{len(found)} claims of {chapters} {'chapter' if chapters == 1 else 'chapters'}: {verdicts}."


def scoreboard(folder: Path | None = None) -> Html:
    """The table as HTML, with filters by part and verdict that work in the static page.

    Parameters
    ----------
    folder : Path, optional
        By default the book's own ``results/``.

    Returns
    -------
    Html
    """
    found = rows(folder)
    titles = {part.name: part.title for part in plan.parts()}
    used = [name for name in titles if any(row["part"] == name for row in found)]
    verdicts = [
        verdict for verdict in (HOLDS, FAILS, UNTESTED) if any(row["verdict"] == verdict for row in found)
    ]
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    body = (
        "".join(map(_row, found))
        or f'<tr><td colspan="{len(_COLUMNS)}">No results are recorded yet.</td></tr>'
    )
    return Html(
        f"{markup.style()}<style>{markup.asset('scoreboard.css').strip()}</style>"
        f'<div id="scoreboard-table"><p class="sb-summary"><strong>{escape(summary(folder))}</strong></p>'
        '<div class="sb-controls">'
        f"{_filter('part', 'Part', [(name, titles[name]) for name in used])}"
        f"{_filter('verdict', 'Verdict', [(verdict, verdict) for verdict in verdicts])}"
        '<span data-count aria-live="polite"></span></div>'
        '<div class="sb-scroll" tabindex="0" role="region" aria-label="Claims, scrolls sideways">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
        f"<script>{markup.asset('scoreboard.js').strip()}(document.getElementById('scoreboard-table'));</script>"
    )


def _filter(name: str, label: str, options: list[tuple[str, str]]) -> str:
    # The script enables it: without JavaScript a filter would do nothing.
    choices = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    choices = f'<option value="">all</option>{choices}'
    return f'<label>{label} <select data-filter="{name}" disabled>{choices}</select></label>'


def _row(row: dict[str, Any]) -> str:
    safe = {name: escape(value) for name, value in row.items() if isinstance(value, str)}
    seconds = f"{row['seconds']:.0f} s" if row["seconds"] < 120 else f"{row['seconds'] / 60:.0f} min"
    claim = f'<a href="{safe["link"]}">{safe["title"]}</a>\n<b>{safe["claim"]}.</b> {safe["statement"]}'
    paper = safe["paper"] + (f"\n<small>{safe['source']}</small>" if row["source"] else "")
    cells = (
        ("sb-wide", claim),
        ("sb-narrow", markup.badge(row["verdict"])),
        ("sb-wide", paper),
        ("sb-narrow", _lines(row["ours"])),
        ("sb-narrow", _lines(row["interval"])),
        ("", safe["scale"]),
        ("sb-narrow", safe["date"]),
        ("sb-narrow", seconds),
    )
    inner = "".join(f'<td class="{look}">{content}</td>' for look, content in cells)
    return f'<tr data-part="{safe["part"]}" data-verdict="{safe["verdict"]}">{inner}</tr>'


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.split("\n"))


def _plural(verdict: str, count: int) -> str:
    if count == 1:
        return verdict
    return {HOLDS: "hold", FAILS: "do not hold"}.get(verdict, verdict)

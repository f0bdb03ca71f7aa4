"""Small pieces of HTML that the card, the tables and the scoreboard share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from entropylab.book import places

if TYPE_CHECKING:
    from entropylab.book.claims import Claim


class Html:
    """HTML that notebooks, Colab and the book display as it is."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "HTML, shown by a notebook"


def display(content: Html, name: str | None = None) -> Any:
    """Show something in the notebook; with a ``name``, returns the handle by which it can be replaced."""
    import IPython.display

    show: Any = IPython.display.display  # carries no types
    return show(content, display_id=name) if name else show(content)


# The mark in front keeps a verdict readable without colour.
_LOOK = {
    "holds": ("lab-holds", "✓"),
    "does not hold": ("lab-fails", "≠"),
    "not tested at this scale": ("lab-untested", "○"),
    "pending": ("lab-untested", "…"),
}


@cache
def asset(name: str) -> str:
    """Text of a file in ``assets/``."""
    return (places.ASSETS / name).read_text(encoding="utf-8")


def explorer(kind: str, name: str, inside: str, data: Any, title: str) -> Html:
    """A figure that a reader can move: styles, what stands in the page without JavaScript, and the script.

    Parameters
    ----------
    kind : str
        Class of the figure's element, and the beginning of its name.
    name : str
        Of the files ``<name>.css`` and ``<name>.js`` in ``assets/``; the script is a function of element and data.
    inside : str
        HTML.
    data : object
        Anything that JSON can hold.
    title : str
        A line above, as text; empty for none.
    """
    # "</" would end the script, whatever stands in a label.
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    own = f"{kind}-" + hashlib.sha256((inside + text + title).encode()).hexdigest()[:10]
    heading = f"<p><strong>{escape(title)}</strong></p>" if title else ""
    return Html(
        f"<style>{asset(name + '.css').strip()}</style>"
        f'<div class="{kind}" id="{own}">{heading}{inside}</div>'
        f"<script>{asset(name + '.js').strip()}(document.getElementById({json.dumps(own)}), {text});</script>"
    )


def style() -> str:
    """The styles of card and badges, inline: outputs look the same in a notebook and in the book."""
    return f"<style>{asset('card.css').strip()}</style>"


def card(summary: str, badges: str, facts: Sequence[tuple[str, str]]) -> Html:
    """The card at the top of a chapter.

    Parameters
    ----------
    summary : str
        What the chapter is about, as text.
    badges : str
        HTML, empty for none.
    facts : sequence of (str, str)
        Names, and values as HTML.
    """
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    marks = f"<p class='lab-badges'>{badges}</p>" if badges else ""
    return Html(
        f"{style()}<section class='lab-card' aria-label='About this chapter'>"
        f"<p class='lab-claim'>{escape(summary)}</p>{marks}<dl>{items}</dl></section>"
    )


def marked(verdict: str) -> str:
    """The verdict with its mark in front."""
    return f"{_LOOK[verdict][1]} {verdict}"


def badge(verdict: str, label: str = "", title: str = "") -> str:
    """One badge; ``label`` stands in front of the verdict, ``title`` shows on hovering."""
    look, mark = _LOOK[verdict]
    hover = f' title="{escape(title)}"' if title else ""
    front = f"<b>{escape(label)}</b> " if label else ""
    shown = f'<span aria-hidden="true">{mark}</span> {front}{escape(verdict)}'
    return f'<span class="lab-badge {look}"{hover}>{shown}</span>'


def badges(claims: Mapping[str, Claim], decided: Mapping[str, str]) -> str:
    """A badge for each claim; one without a verdict is pending."""
    return " ".join(badge(decided.get(key, "pending"), key, claim.statement) for key, claim in claims.items())


def number(value: float | int | bool) -> str:
    """Four significant digits; whole numbers and truth values as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

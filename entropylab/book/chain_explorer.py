"""Step through a chain of thought and see what an inspector makes of the answer: no kernel, no network.

All states are in the page; the script only says which one is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from entropylab.book import markup
from entropylab.book.markup import Html

MAX_CUTS, MAX_TOKENS, SHOWN = 12, 6, 3
_WIDTH, _CURVE, _TOP, _LEFT, _RIGHT = 640, 120, 22, 46, 14
_ROW, _BAR = 22, 66


class ChainCut(NamedTuple):
    """What is known behind one step of a chain.

    Attributes
    ----------
    text : str
        The words of the step; in front of all steps, the prompt.
    uncertainty : float
        Nats, at least 0.
    candidates : sequence over tokens of the answer of sequences of (str, float)
        Tokens and their probabilities, likeliest first; the first three are shown.
    """

    text: str
    uncertainty: float
    candidates: Sequence[Sequence[tuple[str, float]]]


def chain_explorer(
    variants: Mapping[str, Sequence[ChainCut]],
    answer: Sequence[str],
    *,
    choice: str,
    uncertainty: str,
    start: int = 0,
    title: str = "",
) -> Html:
    """A chain of thought, read up to a cut that a slider moves, in several variants.

    Parameters
    ----------
    variants : mapping of str to sequence of ChainCut
        What the choice shows, and 1 to 12 cuts each.
    answer : sequence of str
        The 1 to 6 tokens of the true answer; their bars are marked.
    choice : str
        What the variants are.
    uncertainty : str
        What the curve shows, with its unit.
    start : int
        Cut of the first variant that is shown at first.
    title : str, optional
        A line above.

    Returns
    -------
    Html
        Without JavaScript it shows the start.

    Raises
    ------
    ValueError
        If numbers of cuts, tokens or candidates do not fit, a number is out of range, or the start is no cut.
    """
    if not variants or not all(1 <= len(cuts) <= MAX_CUTS for cuts in variants.values()):
        raise ValueError(f"variants: allowed are one or more, with 1 to {MAX_CUTS} cuts each")
    if not 1 <= len(answer) <= MAX_TOKENS:
        raise ValueError(f"answer: got {len(answer)} tokens, allowed are 1 to {MAX_TOKENS}")
    for name, cuts in variants.items():
        for cut in cuts:
            if len(cut.candidates) != len(answer) or not all(cut.candidates):
                raise ValueError(
                    f"variants: {name!r} has a cut without candidates for each token of the answer"
                )
            chances = [chance for token in cut.candidates for _, chance in token]
            if not (np.isfinite(cut.uncertainty) and cut.uncertainty >= 0):
                raise ValueError(f"variants: {name!r} has an uncertainty of {cut.uncertainty}")
            if not all(0 <= chance <= 1.000001 for chance in chances):
                raise ValueError(f"variants: {name!r} has a probability outside 0 to 1")
    names = list(variants)
    if not 0 <= start < len(variants[names[0]]):
        raise ValueError(f"start: got {start}, allowed are 0 to {len(variants[names[0]]) - 1}")

    top = max(cut.uncertainty for cuts in variants.values() for cut in cuts) or 1.0
    frames = "".join(
        f'<div data-rx-frame="{number} {place}"{"" if (number, place) == (0, start) else " hidden"}>'
        f"{_words(cuts, place)}{_picture(cuts, place, answer, uncertainty, top)}</div>"
        for number, cuts in enumerate(variants.values())
        for place in range(len(cuts))
    )
    data = {"sizes": [len(cuts) for cuts in variants.values()], "start": start}
    options = "".join(f'<option value="{k}">{escape(each)}</option>' for k, each in enumerate(names))
    inside = (
        '<div class="rx-controls" data-rx="controls" hidden>'
        f'<label>{escape(choice)} <select data-rx="choice">{options}</select></label>'
        '<label>Steps that were read <input type="range" data-rx="slider" min="0" step="1"><output></output></label>'
        f'</div><div data-rx="frames" aria-live="polite">{frames}</div>'
    )
    return markup.explorer("rx", "chain_explorer", inside, data, title)


def _words(cuts: Sequence[ChainCut], place: int) -> str:
    """The chain, with what was not read yet in grey."""
    parts = "".join(
        f'<span class="{"rx-ahead" if number > place else "rx-now" if number == place else "rx-read"}">'
        f"{escape(cut.text)}</span> "
        for number, cut in enumerate(cuts)
    )
    return f'<p class="rx-words">{parts}</p>'


def _picture(
    cuts: Sequence[ChainCut], place: int, answer: Sequence[str], uncertainty: str, top: float
) -> str:
    """The curve of the uncertainty, and below it the likeliest tokens at each place of the answer."""
    low = _TOP + _CURVE
    span = (_WIDTH - _LEFT - _RIGHT) / max(1, len(cuts) - 1)
    points = [
        (round(_LEFT + number * span, 1), round(low - cut.uncertainty / top * _CURVE, 1))
        for number, cut in enumerate(cuts)
    ]
    marks = [
        f'<text x="0" y="12">{escape(uncertainty)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{low}H{_WIDTH - _RIGHT}" class="rx-axis"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 5}" text-anchor="end">{top:.2g}</text>',
        f'<text x="{_LEFT - 6}" y="{low}" text-anchor="end">0</text>',
        '<path d="M' + "L".join(f"{x} {y}" for x, y in points) + '" class="rx-curve"/>',
    ]
    for number, (x, y) in enumerate(points):
        look = "rx-here" if number == place else "rx-point"
        marks.append(f'<circle cx="{x}" cy="{y}" r="{6 if number == place else 3.5}" class="{look}"/>')
        marks.append(f'<text x="{x}" y="{low + 17}" text-anchor="middle">{number}</text>')
    column = _WIDTH / len(answer)
    first = low + 44
    marks.append(f'<text x="0" y="{first - 6}">the answer, token by token: likeliest symbols</text>')
    for number, (true, candidates) in enumerate(zip(answer, cuts[place].candidates, strict=True)):
        left = number * column
        for row, (token, chance) in enumerate(candidates[:SHOWN]):
            y = first + row * _ROW + 4
            look = "rx-true" if token == true else "rx-other"
            marks.append(f'<text x="{left + 20:.0f}" y="{y + 13}" text-anchor="end">{escape(token)}</text>')
            marks.append(
                f'<rect x="{left + 26:.0f}" y="{y + 2}" width="{max(1.0, _BAR * chance):.1f}" height="14" '
                f'class="{look}"/>'
            )
            marks.append(
                f'<text x="{left + 30 + max(1.0, _BAR * chance):.0f}" y="{y + 13}" class="rx-note">'
                f"{chance:.2f}</text>"
            )
    said = (
        f"After {place} of {len(cuts) - 1} steps: {uncertainty}: {cuts[place].uncertainty:.3f}; "
        f"likeliest answer {' '.join(token[0][0] for token in cuts[place].candidates)}, "
        f"true {' '.join(answer)}."
    )
    height = first + SHOWN * _ROW + 8
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(said)}">{"".join(marks)}</svg>'
        f"<p>{escape(said)}</p>"
    )
